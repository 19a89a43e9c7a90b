//! Reads how many tests ran out of what test programs print.
//!
//! Always: counts come from the programs themselves; a program that prints none gives `None`, and the caller
//! decides what that means.
//! Does not know: whether the program succeeded; its exit status says that.

/// How many tests passed, failed and were skipped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Counts {
    /// One test that passed.
    pub(crate) const ONE: Self = Self { passed: 1, failed: 0, skipped: 0 };

    /// Adds other counts to these.
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    /// All of them together.
    pub(crate) fn total(self) -> u64 {
        self.passed + self.failed + self.skipped
    }
}

/// Sums every `test result:` line of cargo test and rustdoc.
pub(crate) fn of_cargo(output: &str) -> Option<Counts> {
    sum(output.lines().filter_map(|line| {
        let rest = line.trim_start().strip_prefix("test result:")?;
        Some(Counts {
            passed: before(rest, "passed")?,
            failed: before(rest, "failed")?,
            skipped: before(rest, "ignored").unwrap_or(0),
        })
    }))
}

/// Reads the last line that says `N passed`, as pytest and our own programs print it.
pub(crate) fn of_words(output: &str) -> Option<Counts> {
    let line = output.lines().rev().find(|line| {
        ["passed", "failed", "skipped", "errors", "error"].iter().any(|word| before(line, word).is_some())
    })?;
    let errors = before(line, "errors").or_else(|| before(line, "error")).unwrap_or(0);
    Some(Counts {
        passed: before(line, "passed").unwrap_or(0),
        failed: before(line, "failed").unwrap_or(0) + errors,
        skipped: before(line, "skipped").unwrap_or(0),
    })
}

/// Sums the summaries of `node --test`, in its plain and in its decorated form.
pub(crate) fn of_node(output: &str) -> Option<Counts> {
    let mut counts = Counts::default();
    let mut seen = false;
    for line in output.lines() {
        let mut words = line.split_whitespace();
        let (Some("#" | "ℹ"), Some(word), Some(number), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            continue;
        };
        let Ok(number) = number.parse::<u64>() else { continue };
        match word {
            "pass" => counts.passed += number,
            "fail" | "cancelled" => counts.failed += number,
            "skipped" | "todo" => counts.skipped += number,
            _ => continue,
        }
        seen = true;
    }
    seen.then_some(counts)
}

/// Counts the lines `ok ...` and `not ok ...` of the Test Anything Protocol.
pub(crate) fn of_tap(output: &str) -> Option<Counts> {
    sum(output.lines().filter_map(|line| {
        let skipped = line.contains("# SKIP");
        if line.starts_with("not ok") {
            Some(Counts { failed: 1, ..Counts::default() })
        } else if line.starts_with("ok ") {
            Some(Counts { passed: u64::from(!skipped), failed: 0, skipped: u64::from(skipped) })
        } else {
            None
        }
    }))
}

fn sum(parts: impl Iterator<Item = Counts>) -> Option<Counts> {
    parts.fold(None, |sum, part| {
        let mut sum: Counts = sum.unwrap_or_default();
        sum.add(part);
        Some(sum)
    })
}

/// What may stand between a number and its word.
const NOUNS: &[&str] = &["tests", "checks", "cases", "vectors"];

/// The number in front of a word, as in `3 passed` or `3 checks passed`.
fn before(line: &str, word: &str) -> Option<u64> {
    let words: Vec<&str> = line.split_whitespace().filter(|word| !NOUNS.contains(word)).collect();
    words.windows(2).find_map(|pair| match pair {
        [number, found] if found.trim_matches([',', ';', '.', '=']) == word => number.trim_matches('=').parse().ok(),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_results_are_summed() {
        let output = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n\
                      noise\ntest result: FAILED. 2 passed; 4 failed; 0 ignored; 0 measured; 0 filtered out\n";
        assert_eq!(of_cargo(output), Some(Counts { passed: 5, failed: 4, skipped: 1 }));
        assert_eq!(of_cargo("error: could not compile"), None);
    }

    #[test]
    fn pytest_results_are_read() {
        let output = "....\n===== 2 failed, 10 passed, 3 skipped, 1 error in 0.12s =====\n";
        assert_eq!(of_words(output), Some(Counts { passed: 10, failed: 3, skipped: 3 }));
        assert_eq!(of_words("12 passed in 1.00s"), Some(Counts { passed: 12, failed: 0, skipped: 0 }));
        assert_eq!(of_words("2846 checks passed"), Some(Counts { passed: 2846, failed: 0, skipped: 0 }));
        assert_eq!(of_words("nothing"), None);
    }

    #[test]
    fn node_results_are_read_in_both_forms() {
        let counts = Counts { passed: 7, failed: 1, skipped: 2 };
        assert_eq!(of_node("# tests 10\n# pass 7\n# fail 1\n# cancelled 0\n# skipped 2\n# todo 0\n"), Some(counts));
        assert_eq!(of_node("ℹ tests 10\nℹ pass 7\nℹ fail 1\nℹ cancelled 0\nℹ skipped 2\nℹ todo 0\n"), Some(counts));
        assert_eq!(of_node("hello"), None);
    }

    #[test]
    fn tap_lines_are_counted() {
        let output = "1..3\nok 1 - opens\nnot ok 2 - closes\nok 3 - forks # SKIP not here\n";
        assert_eq!(of_tap(output), Some(Counts { passed: 1, failed: 1, skipped: 1 }));
    }
}
