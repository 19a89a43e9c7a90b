//! Why an index that is being built cannot be finished: a change that the index would refuse.
//!
//! Always: the change is made all the same, and this is written in its transaction, so a change that is aborted or taken back
//! does not end the build. The next step of the build finds it and fails with it.
//! Format: docs/spec/keyspace.md, "Indexes being built": `u32 code | 16 bytes id | message`, little-endian.

use crate::error::{Error, ErrorCode, Result};
use crate::id::EntityId;

/// A refusal as it is stored. `id` is the entity whose change it was.
pub(super) fn encode(error: &Error, id: EntityId) -> Vec<u8> {
    let mut out = error.code().number().to_le_bytes().to_vec();
    out.extend_from_slice(error.context().id.unwrap_or(id).as_bytes());
    let problem = format!("a change of {id} while the index was being built cannot be in it: {}", error.message());
    out.extend_from_slice(problem.as_bytes());
    out
}

/// The error that a build fails with.
pub(super) fn decode(bytes: &[u8]) -> Error {
    let read = || -> Option<Error> {
        let (code, rest) = bytes.split_first_chunk::<4>()?;
        let (id, message) = rest.split_first_chunk::<16>()?;
        let code = ErrorCode::from_number(i32::from_le_bytes(*code))?;
        let message = std::str::from_utf8(message).ok()?;
        Some(Error::new(code, message).with_id(EntityId::from_bytes(*id)))
    };
    read().unwrap_or_else(|| Error::corrupt("why an index cannot be finished"))
}

/// True for what an index refuses a document for; anything else is a failure of the change itself.
pub(super) fn is_of_index(error: &Error) -> bool {
    matches!(error.code(), ErrorCode::UniqueViolation | ErrorCode::TooLarge | ErrorCode::InvalidArgument)
}

/// What a build that may go on has found.
pub(super) fn judge(stored: Option<&[u8]>) -> Result<()> {
    stored.map_or(Ok(()), |bytes| Err(decode(bytes)))
}
