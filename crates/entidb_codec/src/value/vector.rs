//! Typed numeric vectors, as RFC 8746 writes them.
//!
//! Always: bytes are little-endian on the wire, and every bit pattern of an element survives.
//! Does not know: distances; those belong to the vector index.
//! Format: docs/spec/encoding.md, "Tags", tags 72, 84, 85 and 86.

use crate::float::{f16_to_f32, f32_to_f16_nearest};

/// The element type of a vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VectorKind {
    /// Half-width floats.
    F16,
    /// Single-width floats.
    F32,
    /// Double-width floats.
    F64,
    /// Signed bytes.
    I8,
}

impl VectorKind {
    /// Bytes per element.
    #[must_use]
    pub const fn element_bytes(self) -> usize {
        match self {
            Self::I8 => 1,
            Self::F16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    pub(crate) const fn tag(self) -> u64 {
        match self {
            Self::I8 => 72,
            Self::F16 => 84,
            Self::F32 => 85,
            Self::F64 => 86,
        }
    }
}

/// A vector that owns its elements.
///
/// ```
/// use entidb_codec::{decode, encode, Value, Vector};
/// let embedding = Value::Vector(Vector::from(vec![0.5_f32, -1.0]));
/// assert_eq!(decode(&encode(&embedding))?, embedding);
/// # Ok::<(), entidb_codec::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Vector {
    kind: VectorKind,
    // Little-endian elements, as they are written: encoding is a copy and every bit survives.
    bytes: Vec<u8>,
}

impl Vector {
    /// A half-width vector; each element becomes the nearest half.
    #[must_use]
    pub fn f16_nearest(elements: &[f32]) -> Self {
        let bytes = elements.iter().flat_map(|e| f32_to_f16_nearest(*e).to_le_bytes()).collect();
        Self { kind: VectorKind::F16, bytes }
    }

    /// A vector from little-endian bytes, if they are a whole number of elements.
    #[must_use]
    pub fn from_le_bytes(kind: VectorKind, bytes: Vec<u8>) -> Option<Self> {
        bytes.len().is_multiple_of(kind.element_bytes()).then_some(Self { kind, bytes })
    }

    /// The same vector, borrowed.
    #[must_use]
    pub fn as_view(&self) -> VectorRef<'_> {
        VectorRef { kind: self.kind, bytes: &self.bytes }
    }

    /// The element type.
    #[must_use]
    pub fn kind(&self) -> VectorKind {
        self.kind
    }
}

macro_rules! vector_from {
    ($($element:ty => $kind:ident),*) => { $(
        impl From<Vec<$element>> for Vector {
            fn from(elements: Vec<$element>) -> Self {
                Self::from(elements.as_slice())
            }
        }
        impl From<&[$element]> for Vector {
            fn from(elements: &[$element]) -> Self {
                let bytes = elements.iter().flat_map(|e| e.to_le_bytes()).collect();
                Self { kind: VectorKind::$kind, bytes }
            }
        }
    )* };
}
vector_from!(f32 => F32, f64 => F64, i8 => I8);

/// A vector borrowed from encoded bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VectorRef<'a> {
    kind: VectorKind,
    bytes: &'a [u8],
}

impl<'a> VectorRef<'a> {
    pub(crate) fn new(kind: VectorKind, bytes: &'a [u8]) -> Option<Self> {
        bytes.len().is_multiple_of(kind.element_bytes()).then_some(Self { kind, bytes })
    }

    /// The element type.
    #[must_use]
    pub fn kind(self) -> VectorKind {
        self.kind
    }

    /// How many elements it has.
    #[must_use]
    pub fn len(self) -> usize {
        self.bytes.len() / self.kind.element_bytes()
    }

    /// Whether it has no elements.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.bytes.is_empty()
    }

    /// The elements as little-endian bytes.
    #[must_use]
    pub fn le_bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// The elements, each widened to `f64`, which holds all four types exactly.
    pub fn to_f64s(self) -> impl ExactSizeIterator<Item = f64> + 'a {
        let kind = self.kind;
        self.bytes.chunks_exact(kind.element_bytes()).map(move |chunk| match (kind, chunk) {
            (VectorKind::I8, [a]) => f64::from(a.cast_signed()),
            (VectorKind::F16, [a, b]) => f64::from(f16_to_f32(u16::from_le_bytes([*a, *b]))),
            (VectorKind::F32, [a, b, c, d]) => f64::from(f32::from_le_bytes([*a, *b, *c, *d])),
            (VectorKind::F64, _) => <[u8; 8]>::try_from(chunk).map_or(f64::NAN, f64::from_le_bytes),
            // `chunks_exact` gives chunks of the element's size, all named above.
            _ => f64::NAN,
        })
    }

    /// The elements as `f32`, for the types that fit: `None` for double width.
    #[must_use]
    pub fn to_f32s(self) -> Option<Vec<f32>> {
        match self.kind {
            VectorKind::F64 => None,
            VectorKind::F32 => {
                let (chunks, _) = self.bytes.as_chunks::<4>();
                Some(chunks.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect())
            }
            VectorKind::F16 => {
                let (chunks, _) = self.bytes.as_chunks::<2>();
                Some(chunks.iter().map(|c| f16_to_f32(u16::from_le_bytes(*c))).collect())
            }
            VectorKind::I8 => Some(self.bytes.iter().map(|b| f32::from(b.cast_signed())).collect()),
        }
    }

    /// A copy that owns its elements.
    #[must_use]
    pub fn to_vector(self) -> Vector {
        Vector { kind: self.kind, bytes: self.bytes.to_vec() }
    }
}
