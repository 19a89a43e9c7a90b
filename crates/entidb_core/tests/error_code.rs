//! The table of error codes, as a program sees it.
//!
//! Always: what a program compiled against one version may rely on in the next.
//! Does not know: which call gives which code.
//! Specified in: docs/spec/errors.toml.

use std::collections::BTreeSet;

use entidb_core::error::{ErrorCode, Family, Retry};

#[test]
fn every_number_leads_back_to_its_code() {
    for code in ErrorCode::ALL {
        assert_eq!(ErrorCode::from_number(code.number()), Some(*code));
    }
    for other in [-1, 0, 1, 99, 100, 199, 1000, i32::MAX] {
        assert_eq!(ErrorCode::from_number(other), None);
    }
}

#[test]
fn no_two_codes_share_a_name_or_a_number() {
    let names: BTreeSet<&str> = ErrorCode::ALL.iter().map(|code| code.name()).collect();
    let numbers: BTreeSet<i32> = ErrorCode::ALL.iter().map(|code| code.number()).collect();
    assert_eq!(names.len(), ErrorCode::ALL.len());
    assert_eq!(numbers.len(), ErrorCode::ALL.len());
}

#[test]
fn the_hundreds_are_the_family() {
    for code in ErrorCode::ALL {
        assert_eq!(code.number() / 100, code.family().number(), "{code}");
    }
}

#[test]
fn every_code_says_what_to_do() {
    for code in ErrorCode::ALL {
        assert!(code.hint().len() > 10 && !code.hint().ends_with('.'), "{code}");
        assert!(code.meaning().len() > 10 && !code.meaning().ends_with('.'), "{code}");
    }
}

// Programs in every language compare with these; a change here breaks them.
#[test]
fn published_numbers_stay() {
    let published = [
        (101, "INVALID_ARGUMENT", Family::Usage, Retry::Never),
        (201, "DATABASE_LOCKED", Family::State, Retry::Now),
        (203, "CLOSED", Family::State, Retry::Never),
        (301, "IO", Family::Storage, Retry::Never),
        (302, "NO_SPACE", Family::Storage, Retry::AfterSpace),
        (304, "WRITES_STOPPED", Family::Storage, Retry::AfterReopen),
        (401, "CORRUPT", Family::Data, Retry::Never),
        (501, "TRUNCATED", Family::Encoding, Retry::Never),
        (701, "QUERY_INVALID", Family::Query, Retry::Never),
        (801, "CONFLICT", Family::Transaction, Retry::Now),
        (901, "INTERNAL", Family::Defect, Retry::Never),
    ];
    for (number, name, family, retry) in published {
        let code = ErrorCode::from_number(number).unwrap();
        assert_eq!((code.name(), code.family(), code.retry()), (name, family, retry));
        assert_eq!(code.to_string(), name);
    }
}
