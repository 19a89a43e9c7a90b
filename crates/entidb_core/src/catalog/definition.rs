//! What an index is asked to be: its kind, and what that kind is told.
//!
//! Always: a definition and its map are each other's inverse. What a kind takes is judged by the kind (`index::kind`).
//! Does not know: indexes that exist.

use entidb_codec::{Direction, Map, Path, Value};

use super::{NAME_BYTES_MAX, check_name};
use crate::error::{Error, ErrorCode, Result, quoted};
use crate::index::kind::{self, Kind};
use crate::index::{MANUAL, ORDERED};

/// One field of an index: a path into the document and the direction of its order.
///
/// ```
/// use entidb_core::{Column, Direction};
/// let newest = Column::parse("-created")?;
/// assert_eq!((newest.path.to_string().as_str(), newest.direction), ("created", Direction::Descending));
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Where the value is in the document.
    pub path: Path,
    /// Whether smaller values come first.
    pub direction: Direction,
}

impl Column {
    /// A column from its written form: a dotted path, with `-` before it for descending order.
    ///
    /// ```
    /// use entidb_core::Column;
    /// assert_eq!(Column::parse("-address.city")?.to_string(), "-address.city");
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidArgument` when the path is badly written or names no field.
    pub fn parse(text: &str) -> Result<Self> {
        let (direction, rest) = match text.strip_prefix('-') {
            Some(rest) => (Direction::Descending, rest),
            None => (Direction::Ascending, text),
        };
        let refuse =
            |why: &str| Error::new(ErrorCode::InvalidArgument, format!("{} is not a field path: {why}", quoted(text)));
        let path = Path::dotted(rest).map_err(|error| refuse(&error.to_string()))?;
        // The whole document has a path of its own, and nobody who asks for an order or an index means that.
        if rest.is_empty() {
            return Err(refuse("it names no field; give at least one name"));
        }
        if let Some((field, _)) = split_direction(rest).filter(|(field, _)| !field.ends_with('\\')) {
            let field = field.trim();
            return Err(refuse(&format!(
                "a direction stands before the field: \"{field}\" is ascending, \"-{field}\" descending; a field of that name is \
                 written with \\ before its last space"
            )));
        }
        Ok(Self { path, direction })
    }
}

/// The text before the word of a direction as SQL writes it, and that word; none where there is no such word.
fn split_direction(text: &str) -> Option<(&str, &str)> {
    let (field, word) = text.rsplit_once(' ')?;
    (word.eq_ignore_ascii_case("asc") || word.eq_ignore_ascii_case("desc")).then_some((field, word))
}

impl std::fmt::Display for Column {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.path.to_string();
        if self.direction == Direction::Descending {
            f.write_str("-")?;
        } else if path.starts_with('-') {
            // A name that begins with a minus must not read as a direction.
            f.write_str("\\")?;
        }
        match split_direction(&path) {
            // Nor must one that ends so.
            Some((field, word)) => write!(f, "{field}\\ {word}"),
            None => f.write_str(&path),
        }
    }
}

/// What an index is asked to be.
///
/// ```
/// use entidb_core::IndexDefinition;
/// let by_author = IndexDefinition::on(["author", "-at"])?.unique();
/// assert_eq!(by_author.name, "author,-at");
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IndexDefinition {
    /// Its name, unique in the collection; by default the columns joined by commas.
    pub name: String,
    /// What kind of index it is: `ordered` by values of documents, or `manual`, with keys the application gives.
    pub kind: String,
    /// Its columns, the most significant first. A manual index has none.
    pub columns: Vec<Column>,
    /// Whether two entities may not have the same values. A value that is missing or null is never a duplicate.
    pub unique: bool,
    /// Whether an array in a column gives one row for each of its elements.
    pub multi: bool,
    /// What else its kind is told. The kinds `ordered` and `manual` take nothing here.
    pub options: Map,
}

impl IndexDefinition {
    /// An index over these columns, in their written form (`"age"`, `"-created_at"`, `"address.city"`).
    ///
    /// ```
    /// use entidb_core::IndexDefinition;
    /// assert_eq!(IndexDefinition::on(["city", "-joined"])?.columns.len(), 2);
    /// assert!(IndexDefinition::on(["city", "city"]).is_err());
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidArgument` when there is no column, too many, one twice, or one badly written. A name made of the columns may
    /// turn out too long when the index is made; [`named`](Self::named) gives another.
    pub fn on<'a>(columns: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let columns = columns.into_iter().map(Column::parse).collect::<Result<Vec<_>>>()?;
        let name = written(&columns);
        let definition = Self { columns, ..Self::of_kind(ORDERED, name) };
        // The name is judged when the index is made: one that is too long may be replaced until then.
        kind::of(ORDERED)?.check(&definition)?;
        Ok(definition)
    }

    /// An index whose keys the application gives, for documents that the database cannot read: encrypted ones, or ones whose
    /// keys are computed. See [`Collection::manual_index`](crate::Collection::manual_index).
    ///
    /// ```
    /// use entidb_core::{doc, Database, IndexDefinition};
    /// let db = Database::open_memory()?;
    /// let people = db.collection("people")?;
    /// people.create_index(IndexDefinition::manual("by_phone"))?;
    /// let id = people.put(&doc! { "sealed": "…" })?;
    /// people.manual_index("by_phone")?.insert("+49 30 1234", id)?;
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn manual(name: impl Into<String>) -> Self {
        Self::of_kind(MANUAL, name)
    }

    /// An index of any kind by the name of the kind, told nothing yet.
    ///
    /// ```
    /// use entidb_core::IndexDefinition;
    /// assert_eq!(IndexDefinition::of_kind("manual", "by_phone"), IndexDefinition::manual("by_phone"));
    /// ```
    #[must_use]
    pub fn of_kind(kind: &str, name: impl Into<String>) -> Self {
        let (kind, name) = (kind.to_owned(), name.into());
        Self { name, kind, columns: Vec::new(), unique: false, multi: false, options: Map::new() }
    }

    /// The same index under another name.
    ///
    /// ```
    /// use entidb_core::IndexDefinition;
    /// assert_eq!(IndexDefinition::on(["email"])?.named("by_email").name, "by_email");
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The same index, refusing duplicates.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// use entidb_core::{doc, ErrorCode, IndexDefinition};
    /// notes.create_index(IndexDefinition::on(["slug"])?.unique())?;
    /// notes.put(&doc! { "slug": "hello" })?;
    /// let twice = notes.put(&doc! { "slug": "hello" }).unwrap_err();
    /// assert_eq!(twice.code(), ErrorCode::UniqueViolation);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn unique(mut self) -> Self {
        self.unique = true;
        self
    }

    /// The same index, with a row for each element of an array.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// use entidb_core::{doc, field, IndexDefinition};
    /// notes.create_index(IndexDefinition::on(["tags"])?.multi())?;
    /// notes.put(&doc! { "tags": ["a", "b"] })?;
    /// assert_eq!(notes.find(field("tags").contains("b")).count()?, 1);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn multi(mut self) -> Self {
        self.multi = true;
        self
    }

    /// The definition in a map: `kind` (`ordered` when absent), `name`, `columns`, `unique`, `multi` and `options`, those
    /// that the kind takes.
    ///
    /// ```
    /// use entidb_core::{doc, IndexDefinition};
    /// let value = doc! { "columns": ["email"], "unique": true };
    /// assert_eq!(IndexDefinition::from_value(&value)?, IndexDefinition::on(["email"])?.unique());
    /// let value = doc! { "kind": "manual", "name": "by_phone" };
    /// assert_eq!(IndexDefinition::from_value(&value)?, IndexDefinition::manual("by_phone"));
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidArgument` when a field is unknown, missing or of the wrong type, or the index impossible.
    pub fn from_value(value: &Value) -> Result<Self> {
        let definition = Self::read(value)?;
        definition.check()?;
        Ok(definition)
    }

    /// As [`from_value`](Self::from_value), not judged by its kind, which this library may not know.
    pub(super) fn read(value: &Value) -> Result<Self> {
        let refuse = |problem: &str| Error::new(ErrorCode::InvalidArgument, problem.to_owned());
        let Value::Map(map) = value else {
            return Err(refuse("an index definition is a map with kind, name, columns, unique, multi and options"));
        };
        let mut definition = Self::of_kind(ORDERED, "");
        let (mut name, mut columns) = (None, None);
        for (key, value) in map.iter() {
            match (key.as_text(), value) {
                (Some("columns"), Value::Array(items)) => {
                    let column = |item: &Value| {
                        item.as_text()
                            .ok_or_else(|| refuse("the columns of an index are field paths"))
                            .and_then(Column::parse)
                    };
                    columns = Some(items.iter().map(column).collect::<Result<Vec<_>>>()?);
                }
                (Some("kind"), Value::Text(text)) => definition.kind.clone_from(text),
                (Some("name"), Value::Text(text)) => name = Some(text.clone()),
                (Some("kind" | "name" | "columns" | "options"), Value::Null) => {}
                (Some("unique"), Value::Bool(flag)) => definition.unique = *flag,
                (Some("multi"), Value::Bool(flag)) => definition.multi = *flag,
                (Some("options"), Value::Map(options)) => definition.options.clone_from(options),
                _ => {
                    return Err(refuse(
                        "an index definition has kind (text), name (text), columns (texts), unique and multi (true or \
                         false) and options (map)",
                    ));
                }
            }
        }
        if columns.is_none() && definition.kind == ORDERED {
            return Err(refuse("an index definition needs columns; give at least one field path"));
        }
        definition.columns = columns.unwrap_or_default();
        definition.name = name.unwrap_or_else(|| written(&definition.columns));
        Ok(definition)
    }

    /// The definition as a map, as [`from_value`](Self::from_value) reads it.
    ///
    /// ```
    /// use entidb_core::IndexDefinition;
    /// let index = IndexDefinition::on(["city", "-joined"])?;
    /// assert_eq!(IndexDefinition::from_value(&index.to_value())?, index);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn to_value(&self) -> Value {
        let columns = self.columns.iter().map(|column| Value::from(column.to_string()));
        let mut fields = vec![
            ("name", Value::from(self.name.as_str())),
            ("kind", Value::from(self.kind.as_str())),
            ("columns", Value::Array(columns.collect())),
            ("unique", Value::Bool(self.unique)),
            ("multi", Value::Bool(self.multi)),
        ];
        if !self.options.is_empty() {
            fields.push(("options", Value::Map(self.options.clone())));
        }
        Value::Map(fields.into_iter().collect())
    }

    pub(crate) fn check(&self) -> Result<&'static dyn Kind> {
        if self.name.len() > NAME_BYTES_MAX {
            let (has, most) = (self.name.len(), NAME_BYTES_MAX);
            let problem =
                format!("the index name has {has} bytes, {most} is the most; give the index a name of its own");
            return Err(Error::new(ErrorCode::InvalidArgument, problem));
        }
        check_name("index", &self.name)?;
        let kind = kind::of(&self.kind).map_err(|error| error.with_index(&self.name))?;
        kind.check(self)?;
        Ok(kind)
    }
}

/// The name of an index that is given none.
fn written(columns: &[Column]) -> String {
    columns.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_paths_make_an_index_under_a_short_name() {
        let long = ["a".repeat(200), "b".repeat(200)];
        let definition = IndexDefinition::on(long.iter().map(String::as_str)).unwrap();
        let error = definition.check().map(drop).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
        assert!(error.message().contains("401") && error.message().contains("name of its own"), "{error}");
        definition.named("short").check().map(drop).unwrap();
        let columns = long.iter().map(|path| Value::from(path.as_str())).collect();
        let fields = [("columns", Value::Array(columns)), ("name", Value::from("short"))];
        let read = IndexDefinition::from_value(&Value::Map(fields.into_iter().collect())).unwrap();
        assert_eq!((read.name.as_str(), read.columns.len()), ("short", 2));
    }

    #[test]
    fn impossible_indexes_are_refused() {
        for columns in [vec![], vec!["a", "-a"], vec![""], vec!["-"], vec!["", "a"], vec!["a."], vec!["x"; 17]] {
            let error = IndexDefinition::on(columns.iter().copied()).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidArgument, "{columns:?}");
        }
    }

    #[test]
    fn a_direction_behind_a_field_is_refused_and_a_field_of_that_name_reads_back() {
        for text in ["n desc", "n ASC", "a.b Desc", "-n desc", "n  asc"] {
            let error = Column::parse(text).unwrap_err();
            assert!(error.message().contains("a direction stands before the field"), "{error}");
        }
        for text in ["n\\ desc", "-n\\ ASC", "a.b\\ desc", "desc", "n descending", "descr", "n desc.x"] {
            let column = Column::parse(text).unwrap();
            assert_eq!(Column::parse(&column.to_string()).unwrap(), column, "{text} is written {column}");
        }
        assert_eq!(Column::parse("n\\ desc").unwrap().path, Path::field("n desc"));
    }

    #[test]
    fn a_kind_takes_what_it_says_and_nothing_else() {
        let code = |definition: IndexDefinition| definition.check().map(drop).unwrap_err().code();
        let mut with_options = IndexDefinition::on(["a"]).unwrap();
        with_options.options.insert("language", "en");
        assert_eq!(code(with_options.clone()), ErrorCode::InvalidArgument);
        assert_eq!(code(IndexDefinition { kind: MANUAL.into(), ..with_options }), ErrorCode::InvalidArgument);
        assert_eq!(code(IndexDefinition::of_kind("manual", "")), ErrorCode::InvalidArgument);
        assert_eq!(code(IndexDefinition::manual("m").multi()), ErrorCode::InvalidArgument);
        let error = IndexDefinition::of_kind("telepathic", "x").check().map(drop).unwrap_err();
        assert!(error.message().contains("telepathic") && error.message().contains("ordered"), "{error}");
        assert_eq!(error.context().index.as_deref(), Some("x"));
    }
}
