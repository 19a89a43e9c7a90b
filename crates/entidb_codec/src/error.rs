//! What is wrong with the bytes or the value, and where.
//!
//! Always: an error has a kind, the byte offset it was found at, and a sentence saying what to do.
//! Does not know: error numbers; `entidb_core` gives each kind its code.
//! Format: the kinds and the offset rule are in docs/spec/encoding.md, "Errors".

use std::fmt;

/// The result of every fallible function of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The ways bytes, values, paths and keys can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The input ends inside an item, or a length claims more than is left.
    Truncated,
    /// Bytes follow the one item that was asked for.
    TrailingBytes,
    /// The bytes are not CBOR: a reserved head, or a break outside an indefinite item.
    Malformed,
    /// An integer, length or tag number is written in more bytes than it needs.
    NotShortest,
    /// A float is written wider than it needs, or a NaN is not `f97e00`.
    NotShortestFloat,
    /// An item of indefinite length, which canonical CBOR does not use.
    IndefiniteLength,
    /// A text string is not UTF-8.
    InvalidUtf8,
    /// A map has the same key twice.
    DuplicateKey,
    /// Map keys are not in canonical order.
    KeyOrder,
    /// A map key is neither text nor an integer.
    KeyType,
    /// `undefined` or a simple value that has no meaning here.
    UnsupportedSimple,
    /// A known tag holds something it must not hold.
    TagContent,
    /// A known tag holds the right value in a form that is not the canonical one.
    TagForm,
    /// Arrays, maps and tags are nested deeper than the limit.
    TooDeep,
    /// The document has more bytes than the limit.
    TooLarge,
    /// The document has more items than the limit.
    TooManyItems,
    /// A number does not fit where it has to go.
    OutOfRange,
    /// A value has another type than the one asked for.
    TypeMismatch,
    /// A path is not written by the rules.
    PathInvalid,
    /// A path leads to nothing, where something is needed.
    PathMissing,
    /// The bytes are not an ordered key.
    OrderedKey,
    /// Calls to an encoder came in an order that describes no value.
    Misuse,
    /// A `Serialize` or `Deserialize` implementation refused.
    Custom,
    /// Memory for the bytes could not be had.
    OutOfMemory,
}

impl ErrorKind {
    /// Every kind, in order of declaration.
    pub const ALL: [Self; 24] = [
        Self::Truncated,
        Self::TrailingBytes,
        Self::Malformed,
        Self::NotShortest,
        Self::NotShortestFloat,
        Self::IndefiniteLength,
        Self::InvalidUtf8,
        Self::DuplicateKey,
        Self::KeyOrder,
        Self::KeyType,
        Self::UnsupportedSimple,
        Self::TagContent,
        Self::TagForm,
        Self::TooDeep,
        Self::TooLarge,
        Self::TooManyItems,
        Self::OutOfRange,
        Self::TypeMismatch,
        Self::PathInvalid,
        Self::PathMissing,
        Self::OrderedKey,
        Self::Misuse,
        Self::Custom,
        Self::OutOfMemory,
    ];

    /// The name used in test vectors and documents, such as `not_shortest`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::TrailingBytes => "trailing_bytes",
            Self::Malformed => "malformed",
            Self::NotShortest => "not_shortest",
            Self::NotShortestFloat => "not_shortest_float",
            Self::IndefiniteLength => "indefinite_length",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::DuplicateKey => "duplicate_key",
            Self::KeyOrder => "key_order",
            Self::KeyType => "key_type",
            Self::UnsupportedSimple => "unsupported_simple",
            Self::TagContent => "tag_content",
            Self::TagForm => "tag_form",
            Self::TooDeep => "too_deep",
            Self::TooLarge => "too_large",
            Self::TooManyItems => "too_many_items",
            Self::OutOfRange => "out_of_range",
            Self::TypeMismatch => "type_mismatch",
            Self::PathInvalid => "path_invalid",
            Self::PathMissing => "path_missing",
            Self::OrderedKey => "ordered_key",
            Self::Misuse => "misuse",
            Self::Custom => "custom",
            Self::OutOfMemory => "out_of_memory",
        }
    }

    /// Whether the bytes hold the right value in a form `canonicalise` would put right.
    #[must_use]
    pub fn is_only_form(self) -> bool {
        matches!(
            self,
            Self::NotShortest | Self::NotShortestFloat | Self::IndefiniteLength | Self::KeyOrder | Self::TagForm
        )
    }

    fn summary(self) -> &'static str {
        match self {
            Self::Truncated => "cbor is cut short",
            Self::TrailingBytes => "bytes follow the end of the item",
            Self::Malformed => "bytes are not cbor",
            Self::NotShortest => "integer, length or tag is not in its shortest form",
            Self::NotShortestFloat => "float is not in its shortest form",
            Self::IndefiniteLength => "item has indefinite length",
            Self::InvalidUtf8 => "text is not utf-8",
            Self::DuplicateKey => "map has the same key twice",
            Self::KeyOrder => "map keys are not in canonical order",
            Self::KeyType => "map key is neither text nor an integer",
            Self::UnsupportedSimple => "simple value has no meaning in a document",
            Self::TagContent => "tag holds something it must not hold",
            Self::TagForm => "tagged value is not in its canonical form",
            Self::TooDeep => "value is nested too deeply",
            Self::TooLarge => "document is too large",
            Self::TooManyItems => "document has too many items",
            Self::OutOfRange => "number does not fit",
            Self::TypeMismatch => "value has another type",
            Self::PathInvalid => "path is not valid",
            Self::PathMissing => "path leads to nothing",
            Self::OrderedKey => "bytes are not an ordered key",
            Self::Misuse => "encoder calls describe no value",
            Self::Custom => "value was refused",
            Self::OutOfMemory => "no memory",
        }
    }

    fn hint(self) -> &'static str {
        match self {
            Self::Truncated => "supply the whole document",
            Self::TrailingBytes => "pass exactly one item",
            Self::Malformed => "encode the document again at its source",
            Self::NotShortest | Self::NotShortestFloat | Self::IndefiniteLength | Self::KeyOrder | Self::TagForm => {
                "pass it through canonicalise"
            }
            Self::InvalidUtf8 => "store bytes that are not text as a byte string",
            Self::DuplicateKey => "keep one entry for each key",
            Self::KeyType => "use text or integers as keys",
            Self::UnsupportedSimple => "use null, or leave the field out",
            Self::TagContent => "write the tag as the specification of encodings does, section Tags",
            Self::TooDeep => "nest less",
            Self::TooLarge => "split the document",
            Self::TooManyItems => "split the document",
            Self::OutOfRange => "use a wider type or a smaller value",
            Self::TypeMismatch => "ask for the type that is stored",
            Self::PathInvalid => {
                "write names and positions with dots between them, as in lines.0.price, and \\ before a dot, [ or \\ of a name"
            }
            Self::PathMissing => "check the path, or set its parent first",
            Self::OrderedKey => "pass bytes made by encode_ordered with the same directions",
            Self::Misuse => "call key before each value of a map, and end what was begun",
            Self::Custom => "correct the value or the type",
            Self::OutOfMemory => "write less at once",
        }
    }
}

/// Why an operation on encoded values failed, and at which byte.
#[derive(Clone, PartialEq, Eq)]
pub struct Error(Box<Inner>);

#[derive(Clone, PartialEq, Eq)]
struct Inner {
    kind: ErrorKind,
    offset: usize,
    detail: Option<Box<str>>,
}

impl Error {
    /// Makes an error from its kind and the byte offset it was found at.
    #[must_use]
    pub fn new(kind: ErrorKind, offset: usize) -> Self {
        Self(Box::new(Inner { kind, offset, detail: None }))
    }

    /// Adds what was asked and found, in lower case without a full stop.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into().into_boxed_str());
        self
    }

    /// What kind of mistake it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The byte offset of the item at fault; 0 where no bytes are involved.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.0.offset
    }

    /// What was asked and what was found, if more is known than the kind tells.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// The same error seen from a buffer in which these bytes begin at `base`.
    #[must_use]
    pub(crate) fn moved_by(mut self, base: usize) -> Self {
        self.0.offset = self.0.offset.saturating_add(base);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.0.kind.summary(), self.0.offset)?;
        if let Some(detail) = &self.0.detail {
            write!(f, ": {detail}")?;
        }
        write!(f, "; {}", self.0.kind.hint())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({} at {}", self.0.kind.name(), self.0.offset)?;
        if let Some(detail) = &self.0.detail {
            write!(f, ": {detail}")?;
        }
        f.write_str(")")
    }
}

impl std::error::Error for Error {}

/// What was found, without its value: messages show types, never what a document holds.
fn kind_of(found: serde::de::Unexpected<'_>) -> &str {
    use serde::de::Unexpected;
    match found {
        Unexpected::Bool(_) => "a bool",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "an integer",
        Unexpected::Float(_) => "a float",
        Unexpected::Char(_) => "a character",
        Unexpected::Str(_) => "text",
        Unexpected::Bytes(_) => "bytes",
        Unexpected::Unit => "null",
        Unexpected::Option => "an optional value",
        Unexpected::NewtypeStruct | Unexpected::Map => "a map",
        Unexpected::Seq => "an array",
        Unexpected::Enum => "an enum",
        Unexpected::UnitVariant => "a variant without content",
        Unexpected::NewtypeVariant | Unexpected::TupleVariant | Unexpected::StructVariant => "a variant with content",
        // The words of a type's own deserializer.
        Unexpected::Other(what) => what,
    }
}

impl serde::ser::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(ErrorKind::Custom, 0).with_detail(message.to_string())
    }
}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(ErrorKind::Custom, 0).with_detail(message.to_string())
    }

    fn invalid_type(found: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        Self::new(ErrorKind::TypeMismatch, 0).with_detail(format!("expected {expected}, found {}", kind_of(found)))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        let detail = format!("the text names no variant; expected one of {}", expected.join(", "));
        Self::new(ErrorKind::OutOfRange, 0).with_detail(detail)
    }

    fn invalid_value(found: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        Self::new(ErrorKind::OutOfRange, 0).with_detail(format!("expected {expected}, found {}", kind_of(found)))
    }
}
