//! A list of changes to one document, and its encoded form.
//!
//! Always: operations are applied in order, and all of them or none.
//! Does not know: documents; see `apply`.
//! Format: docs/spec/encoding.md, "Patches".

use super::Path;
use crate::error::{Error, ErrorKind, Result};
use crate::value::{Map, Value};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Puts a value at a path; missing maps on the way are made.
    Set(Path, Value),
    /// Takes the value at a path away; nothing there is no error.
    Remove(Path),
    /// Adds a number to the number at a path; nothing there counts as zero.
    Increment(Path, Value),
    /// Adds a value at the end of the array at a path; nothing there counts as an empty array.
    Append(Path, Value),
}

impl Operation {
    fn code(&self) -> u8 {
        match self {
            Self::Set(..) => 0,
            Self::Remove(_) => 1,
            Self::Increment(..) => 2,
            Self::Append(..) => 3,
        }
    }
}

/// Changes to one document, applied in order, all or none.
///
/// The [`patch!`](crate::patch) macro builds one from what looks like JSON.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Patch {
    operations: Vec<Operation>,
}

impl Patch {
    /// A patch that changes nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { operations: Vec::new() }
    }

    /// The patch that sets each field of a map: what the map has replaces what the document has.
    #[must_use]
    pub fn merge(fields: &Map) -> Self {
        let set = |(key, value): (crate::KeyRef<'_>, &Value)| Operation::Set(Path::root().key(key), value.clone());
        Self { operations: fields.iter().map(set).collect() }
    }

    /// Also puts a value at a path.
    #[must_use]
    pub fn set(self, path: impl Into<Path>, value: impl Into<Value>) -> Self {
        self.with(Operation::Set(path.into(), value.into()))
    }

    /// Also takes the value at a path away.
    #[must_use]
    pub fn remove(self, path: impl Into<Path>) -> Self {
        self.with(Operation::Remove(path.into()))
    }

    /// Also adds a number to the number at a path.
    #[must_use]
    pub fn increment(self, path: impl Into<Path>, by: impl Into<Value>) -> Self {
        self.with(Operation::Increment(path.into(), by.into()))
    }

    /// Also adds a value at the end of the array at a path.
    #[must_use]
    pub fn append(self, path: impl Into<Path>, value: impl Into<Value>) -> Self {
        self.with(Operation::Append(path.into(), value.into()))
    }

    /// Also makes one more change.
    #[must_use]
    pub fn with(mut self, operation: Operation) -> Self {
        self.operations.push(operation);
        self
    }

    /// The changes in the order they are made.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// The value that stands for the patch across the C ABI: an array of `[code, path, value]`.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let one = |operation: &Operation| {
            let code = Value::from(operation.code());
            match operation {
                Operation::Remove(path) => Value::from([code, path.to_value()]),
                Operation::Set(path, value) | Operation::Increment(path, value) | Operation::Append(path, value) => {
                    Value::from([code, path.to_value(), value.clone()])
                }
            }
        };
        self.operations.iter().map(one).collect()
    }

    /// The patch a value stands for.
    ///
    /// # Errors
    /// `TypeMismatch` when it stands for none, `PathInvalid` for a path that is none.
    pub fn from_value(value: &Value) -> Result<Self> {
        let mut patch = Self::new();
        for (index, operation) in value.as_array().ok_or_else(|| refuse(value))?.iter().enumerate() {
            let parts = operation.as_array().unwrap_or_default();
            let code = parts.first().and_then(Value::as_u64);
            let operation = match (code, parts) {
                (Some(1), [_, path]) => Operation::Remove(Path::from_value(path)?),
                (Some(0), [_, path, value]) => Operation::Set(Path::from_value(path)?, value.clone()),
                (Some(2), [_, path, by]) => Operation::Increment(Path::from_value(path)?, by.clone()),
                (Some(3), [_, path, value]) => Operation::Append(Path::from_value(path)?, value.clone()),
                _ => {
                    return Err(Error::new(ErrorKind::TypeMismatch, 0).with_detail(format!(
                        "operation {index} is not [0, path, value], [1, path], [2, path, number] or [3, path, value]"
                    )));
                }
            };
            patch.operations.push(operation);
        }
        Ok(patch)
    }

    /// The patch as canonical CBOR.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        crate::encode(&self.to_value())
    }

    /// The patch in canonical CBOR.
    ///
    /// # Errors
    /// What is wrong with the bytes, or with what they hold.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        Self::from_value(&crate::decode(bytes)?)
    }
}

fn refuse(value: &Value) -> Error {
    Error::new(ErrorKind::TypeMismatch, 0)
        .with_detail(format!("a patch is an array of operations, found {}", value.type_name()))
}
