//! What a query asks of a document, as a value: built by typed builders, never parsed from text.
//!
//! Always: an expression can be sent as CBOR and read back the same. Unknown nodes are refused, never ignored.
//! Does not know: how it is answered (`plan`) or what an index is. Format: docs/spec/query.md.
//!
//! Meaning, the same with and without an index:
//! - A comparison looks at the value under a path. When that value is an array, it holds if it holds for the array or for
//!   any of its elements.
//! - `lt`, `le`, `gt`, `ge` and `between` only hold within one class of values: numbers with numbers, text with text.
//! - Integers and floats are compared by exact value; NaN equals itself and is less than every number.
//! - A missing field satisfies no comparison; `ne` and `not` are exact opposites, so a missing field satisfies `ne`.

use entidb_codec::{Path, Value};

/// How two values are compared.
///
/// ```
/// use entidb_core::{field, Comparison, Expression};
/// assert!(matches!(field("n").gt(1), Expression::Compare(_, Comparison::Gt, _)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// Equal.
    Eq,
    /// Not equal, or missing.
    Ne,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
}

/// A condition on a document.
///
/// ```
/// use entidb_core::{field, Expression};
/// let adults: Expression = field("age").ge(18).and(field("name").starts_with("A"));
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Expression {
    /// Always holds, or never.
    Constant(bool),
    /// The comparison of the value at the path with the operand is true.
    Compare(Path, Comparison, Value),
    /// The value at the path equals one of these.
    In(Path, Vec<Value>),
    /// The value at the path lies between both, both included.
    Between(Path, Value, Value),
    /// There is a value at the path, null included.
    Exists(Path),
    /// The value at the path is null.
    IsNull(Path),
    /// The array at the path has the element.
    Contains(Path, Value),
    /// The value at the path is text that begins with this.
    StartsWith(Path, String),
    /// All hold.
    And(Vec<Expression>),
    /// At least one holds.
    Or(Vec<Expression>),
    /// It does not hold.
    Not(Box<Expression>),
}

impl Expression {
    /// Holds for every document.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// assert_eq!(notes.find(entidb_core::Expression::all()).count()?, 1);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub const fn all() -> Self {
        Self::Constant(true)
    }

    /// Both hold. Conditions joined one after the other are one group, however many they are; where the second group is the
    /// longer one, the first is put behind it.
    ///
    /// ```
    /// use entidb_core::field;
    /// let filter = field("age").ge(18).and(field("city").eq("London"));
    /// assert_eq!(filter, field("age").ge(18) & field("city").eq("London"));
    /// ```
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::And(joined(
            match self {
                Self::And(terms) => terms,
                first => vec![first],
            },
            match other {
                Self::And(terms) => terms,
                second => vec![second],
            },
        ))
    }

    /// At least one holds. Conditions joined one after the other are one group, as in [`and`](Self::and).
    ///
    /// ```
    /// use entidb_core::field;
    /// let filter = field("age").lt(6).or(field("age").gt(65));
    /// assert_eq!(filter, field("age").lt(6) | field("age").gt(65));
    /// ```
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self::Or(joined(
            match self {
                Self::Or(terms) => terms,
                first => vec![first],
            },
            match other {
                Self::Or(terms) => terms,
                second => vec![second],
            },
        ))
    }
}

/// Two groups as one. The shorter goes behind the longer, so that joining in a loop costs the same at each step.
fn joined(mut first: Vec<Expression>, mut second: Vec<Expression>) -> Vec<Expression> {
    if first.len() < second.len() {
        std::mem::swap(&mut first, &mut second);
    }
    first.append(&mut second);
    first
}

impl std::ops::Not for Expression {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Self::Not(term) => *term,
            term => Self::Not(Box::new(term)),
        }
    }
}

impl std::ops::BitAnd for Expression {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        self.and(other)
    }
}

impl std::ops::BitOr for Expression {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.or(other)
    }
}

/// A field of the document, to build conditions on.
///
/// ```
/// use entidb_core::{field, Field, Path};
/// let age = Field::at(Path::dotted("age")?);
/// assert_eq!(age.eq(5), field("age").eq(5));
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field(Path);

/// The field with this dotted path (`"address.city"`, `"tags.0"`). A path that cannot be read, such as `"a..b"`, is refused when
/// the query runs or is encoded.
///
/// ```
/// # let db = entidb_core::Database::open_memory()?;
/// # let notes = db.collection("notes")?;
/// use entidb_core::{doc, field};
/// notes.put(&doc! { "at": { "city": "London" } })?;
/// assert_eq!(notes.find(field("at.city").eq("London")).count()?, 1);
/// assert!(notes.find(field("at..city").eq("London")).count().is_err());
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[must_use]
pub fn field(path: &str) -> Field {
    Field(Path::dotted_later(path))
}

impl Field {
    /// The field at a path made from pieces.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// use entidb_core::{doc, Field, Path};
    /// notes.put(&doc! { "a.b": 1 })?; // one name with a dot in it
    /// assert_eq!(notes.find(Field::at(Path::field("a.b")).eq(1)).count()?, 1);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub const fn at(path: Path) -> Self {
        Self(path)
    }

    fn compare(self, comparison: Comparison, value: impl Into<Value>) -> Expression {
        Expression::Compare(self.0, comparison, value.into())
    }

    /// Equal to.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # notes.put_many([&entidb_core::doc! { "n": 1, "t": "hello", "tags": ["a"] }, &entidb_core::doc! { "n": 5, "x": null }])?;
    /// # let field = entidb_core::field;
    /// assert_eq!(notes.find(field("n").eq(5)).count()?, 1);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn eq(self, value: impl Into<Value>) -> Expression {
        self.compare(Comparison::Eq, value)
    }

    /// Not equal to, or missing.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # notes.put_many([&entidb_core::doc! { "n": 1, "t": "hello", "tags": ["a"] }, &entidb_core::doc! { "n": 5, "x": null }])?;
    /// # let field = entidb_core::field;
    /// assert_eq!(notes.find(field("n").ne(5)).count()?, 1);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn ne(self, value: impl Into<Value>) -> Expression {
        self.compare(Comparison::Ne, value)
    }

    /// Less than.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # notes.put_many([&entidb_core::doc! { "n": 1, "t": "hello", "tags": ["a"] }, &entidb_core::doc! { "n": 5, "x": null }])?;
    /// # let field = entidb_core::field;
    /// assert_eq!(notes.find(field("n").lt(5)).count()?, 1);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn lt(self, value: impl Into<Value>) -> Expression {
        self.compare(Comparison::Lt, value)
    }

    /// Less than or equal to.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # notes.put_many([&entidb_core::doc! { "n": 1, "t": "hello", "tags": ["a"] }, &entidb_core::doc! { "n": 5, "x": null }])?;
    /// # let field = entidb_core::field;
    /// assert_eq!(notes.find(field("n").le(5)).count()?, 2);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn le(self, value: impl Into<Value>) -> Expression {
        self.compare(Comparison::Le, value)
    }

    /// Greater than.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # notes.put_many([&entidb_core::doc! { "n": 1, "t": "hello", "tags": ["a"] }, &entidb_core::doc! { "n": 5, "x": null }])?;
    /// # let field = entidb_core::field;
    /// assert_eq!(notes.find(field("n").gt(1)).count()?, 1);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn gt(self, value: impl Into<Value>) -> Expression {
        self.compare(Comparison::Gt, value)
    }

    /// Greater than or equal to.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # notes.put_many([&entidb_core::doc! { "n": 1, "t": "hello", "tags": ["a"] }, &entidb_core::doc! { "n": 5, "x": null }])?;
    /// # let field = entidb_core::field;
    /// assert_eq!(notes.find(field("n").ge(1)).count()?, 2);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn ge(self, value: impl Into<Value>) -> Expression {
        self.compare(Comparison::Ge, value)
    }

    /// Equal to one of these.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # notes.put_many([&entidb_core::doc! { "n": 1, "t": "hello", "tags": ["a"] }, &entidb_core::doc! { "n": 5, "x": null }])?;
    /// # let field = entidb_core::field;
    /// assert_eq!(notes.find(field("n").is_in([1, 2, 3])).count()?, 1);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn is_in<V: Into<Value>>(self, values: impl IntoIterator<Item = V>) -> Expression {
        Expression::In(self.0, values.into_iter().map(Into::into).collect())
    }

    /// Between both, both included.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # notes.put_many([&entidb_core::doc! { "n": 1, "t": "hello", "tags": ["a"] }, &entidb_core::doc! { "n": 5, "x": null }])?;
    /// # let field = entidb_core::field;
    /// assert_eq!(notes.find(field("n").between(1, 5)).count()?, 2);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn between(self, low: impl Into<Value>, high: impl Into<Value>) -> Expression {
        Expression::Between(self.0, low.into(), high.into())
    }

    /// Present, null included.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # notes.put_many([&entidb_core::doc! { "n": 1, "t": "hello", "tags": ["a"] }, &entidb_core::doc! { "n": 5, "x": null }])?;
    /// # let field = entidb_core::field;
    /// assert_eq!(notes.find(field("t").exists()).count()?, 1);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn exists(self) -> Expression {
        Expression::Exists(self.0)
    }

    /// Present and null.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # notes.put_many([&entidb_core::doc! { "n": 1, "t": "hello", "tags": ["a"] }, &entidb_core::doc! { "n": 5, "x": null }])?;
    /// # let field = entidb_core::field;
    /// assert_eq!(notes.find(field("x").is_null()).count()?, 1);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn is_null(self) -> Expression {
        Expression::IsNull(self.0)
    }

    /// An array with this element.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # notes.put_many([&entidb_core::doc! { "n": 1, "t": "hello", "tags": ["a"] }, &entidb_core::doc! { "n": 5, "x": null }])?;
    /// # let field = entidb_core::field;
    /// assert_eq!(notes.find(field("tags").contains("a")).count()?, 1);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn contains(self, value: impl Into<Value>) -> Expression {
        Expression::Contains(self.0, value.into())
    }

    /// The value is text that begins with this.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # notes.put_many([&entidb_core::doc! { "n": 1, "t": "hello", "tags": ["a"] }, &entidb_core::doc! { "n": 5, "x": null }])?;
    /// # let field = entidb_core::field;
    /// assert_eq!(notes.find(field("t").starts_with("he")).count()?, 1);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn starts_with(self, text: impl Into<String>) -> Expression {
        Expression::StartsWith(self.0, text.into())
    }
}
