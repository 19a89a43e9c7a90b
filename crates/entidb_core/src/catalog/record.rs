//! What the catalog keeps of one collection and of its indexes, and its bytes.
//!
//! Always: a record survives encoding unchanged; a field this version does not know is refused, never dropped.
//! Does not know: entities. Format: docs/spec/keyspace.md, "Catalog records".

use std::sync::Arc;

use entidb_codec::{Direction, Path, Value};

use super::{NAME_BYTES_MAX, check_name};
use crate::error::{Error, ErrorCode, Result, quoted};
use crate::id::{CollectionId, IndexId};
use crate::index::ordered::arrays::WholeArrays;

/// The field of a collection record that is there only while an index is being built.
const BUILDING: &str = "building";

/// The most columns an index may have.
pub(crate) const COLUMNS_MAX: usize = 16;

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
        Ok(Self { path, direction })
    }
}

impl std::fmt::Display for Column {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.path.to_string();
        if self.direction == Direction::Descending {
            f.write_str("-")?;
        } else if path.starts_with('-') {
            // A name that begins so must not read as a direction.
            f.write_str("\\")?;
        }
        f.write_str(&path)
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
pub struct IndexDefinition {
    /// Its name, unique in the collection; by default the columns joined by commas.
    pub name: String,
    /// Its columns, the most significant first.
    pub columns: Vec<Column>,
    /// Whether two entities may not have the same values. A value that is missing or null is never a duplicate.
    pub unique: bool,
    /// Whether an array in a column gives one row for each of its elements.
    pub multi: bool,
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
        let name = columns.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let definition = Self { name, columns, unique: false, multi: false };
        // The name is judged when the index is made: one that is too long may be replaced until then.
        definition.check_columns()?;
        Ok(definition)
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

    /// The definition in a map with `columns`, and where wanted `name`, `unique` and `multi`.
    ///
    /// ```
    /// use entidb_core::{doc, IndexDefinition};
    /// let value = doc! { "columns": ["email"], "unique": true };
    /// assert_eq!(IndexDefinition::from_value(&value)?, IndexDefinition::on(["email"])?.unique());
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidArgument` when a field is unknown, missing or of the wrong type, or the index impossible.
    pub fn from_value(value: &Value) -> Result<Self> {
        let refuse = |problem: &str| Error::new(ErrorCode::InvalidArgument, problem.to_owned());
        let Value::Map(map) = value else {
            return Err(refuse("an index definition is a map with columns, name, unique and multi"));
        };
        let mut columns = None;
        let mut name = None;
        let (mut unique, mut multi) = (false, false);
        for (key, value) in map.iter() {
            match (key.as_text(), value) {
                (Some("columns"), Value::Array(items)) => {
                    let texts = items
                        .iter()
                        .map(|item| item.as_text().ok_or_else(|| refuse("the columns of an index are field paths")));
                    columns = Some(texts.collect::<Result<Vec<_>>>()?);
                }
                (Some("name"), Value::Text(text)) => name = Some(text.clone()),
                (Some("name"), Value::Null) => {}
                (Some("unique"), Value::Bool(flag)) => unique = *flag,
                (Some("multi"), Value::Bool(flag)) => multi = *flag,
                _ => {
                    return Err(refuse(
                        "an index definition has columns (texts), name (text), unique and multi (true or false)",
                    ));
                }
            }
        }
        let columns =
            columns.ok_or_else(|| refuse("an index definition needs columns; give at least one field path"))?;
        let mut definition = Self::on(columns)?;
        definition.unique = unique;
        definition.multi = multi;
        if let Some(name) = name {
            definition.name = name;
        }
        definition.check()?;
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
        let fields = [
            ("name", Value::from(self.name.as_str())),
            ("columns", Value::Array(columns.collect())),
            ("unique", Value::Bool(self.unique)),
            ("multi", Value::Bool(self.multi)),
        ];
        Value::Map(fields.into_iter().collect())
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.name.len() > NAME_BYTES_MAX {
            let (has, most) = (self.name.len(), NAME_BYTES_MAX);
            let problem =
                format!("the index name has {has} bytes, {most} is the most; give the index a name of its own");
            return Err(Error::new(ErrorCode::InvalidArgument, problem));
        }
        check_name("index", &self.name)?;
        self.check_columns()
    }

    fn check_columns(&self) -> Result<()> {
        let refuse = |problem: String| Err(Error::new(ErrorCode::InvalidArgument, problem).with_index(&self.name));
        if self.columns.is_empty() {
            return refuse("an index needs at least one field".into());
        }
        if self.columns.len() > COLUMNS_MAX {
            return refuse(format!("an index has at most {COLUMNS_MAX} fields, this one names {}", self.columns.len()));
        }
        for (position, column) in self.columns.iter().enumerate() {
            column.path.check()?;
            if self.columns.iter().skip(position + 1).any(|other| other.path == column.path) {
                return refuse(format!("the index names the field {} twice", column.path));
            }
        }
        Ok(())
    }
}

/// An index as the catalog keeps it, with what this process knows of its rows.
#[derive(Debug)]
pub(crate) struct IndexRecord {
    pub(crate) id: IndexId,
    pub(crate) definition: IndexDefinition,
    pub(crate) whole_arrays: WholeArrays,
}

impl PartialEq for IndexRecord {
    fn eq(&self, other: &Self) -> bool {
        (self.id, &self.definition) == (other.id, &other.definition)
    }
}

impl Eq for IndexRecord {}

impl IndexRecord {
    /// A new index, without rows.
    pub(crate) fn new(id: IndexId, definition: IndexDefinition) -> Self {
        let whole_arrays = WholeArrays::none(definition.columns.len());
        Self { id, definition, whole_arrays }
    }

    /// The definition alone, as the change feed carries it.
    pub(crate) fn encode_definition(&self) -> Vec<u8> {
        entidb_codec::encode(&self.definition.to_value())
    }
}

/// A collection as the catalog keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CollectionRecord {
    pub(crate) id: CollectionId,
    pub(crate) name: String,
    /// The indexes with all of their rows.
    pub(crate) indexes: Vec<Arc<IndexRecord>>,
    /// Indexes still being built: every change keeps their rows, and nothing else knows of them.
    pub(crate) building: Vec<Arc<IndexRecord>>,
}

impl CollectionRecord {
    pub(crate) fn building(&self, name: &str) -> Option<&Arc<IndexRecord>> {
        self.building.iter().find(|index| index.definition.name == name)
    }

    pub(crate) fn index(&self, name: &str) -> Option<&Arc<IndexRecord>> {
        self.indexes.iter().find(|index| index.definition.name == name)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let list =
            |indexes: &[Arc<IndexRecord>]| Value::Array(indexes.iter().map(|index| encode_index(index)).collect());
        let mut fields = vec![
            ("id", Value::from(u64::from(self.id.0))),
            ("name", Value::from(self.name.as_str())),
            ("indexes", list(&self.indexes)),
        ];
        if !self.building.is_empty() {
            fields.push((BUILDING, list(&self.building)));
        }
        entidb_codec::encode(&Value::Map(fields.into_iter().collect()))
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let value =
            entidb_codec::decode(bytes).map_err(|error| Error::corrupt(format!("a collection record: {error}")))?;
        let is_building = value.as_map().is_some_and(|map| map.get(BUILDING).is_some());
        let known: &[&str] =
            if is_building { &["id", "name", "indexes", BUILDING] } else { &["id", "name", "indexes"] };
        let fields = Fields::of(&value, known)?;
        let list = |name| {
            fields.array(name)?.iter().map(|index| decode_index(index).map(Arc::new)).collect::<Result<Vec<_>>>()
        };
        let building = if is_building { list(BUILDING)? } else { Vec::new() };
        let name = fields.text("name")?.to_owned();
        Ok(Self { id: CollectionId(fields.number("id")?), name, indexes: list("indexes")?, building })
    }
}

fn encode_index(index: &IndexRecord) -> Value {
    let definition = &index.definition;
    let columns = definition.columns.iter().map(|column| {
        let fields =
            [("path", column.path.to_value()), ("descending", Value::Bool(column.direction == Direction::Descending))];
        Value::Map(fields.into_iter().collect())
    });
    let fields = [
        ("id", Value::from(u64::from(index.id.0))),
        ("name", Value::from(definition.name.as_str())),
        ("columns", Value::Array(columns.collect())),
        ("unique", Value::Bool(definition.unique)),
        ("multi", Value::Bool(definition.multi)),
    ];
    Value::Map(fields.into_iter().collect())
}

fn decode_index(value: &Value) -> Result<IndexRecord> {
    let fields = Fields::of(value, &["id", "name", "columns", "unique", "multi"])?;
    let mut columns = Vec::new();
    for column in fields.array("columns")? {
        let column = Fields::of(column, &["path", "descending"])?;
        let path =
            Path::from_value(column.get("path")?).map_err(|error| Error::corrupt(format!("an index path: {error}")))?;
        let direction = if column.flag("descending")? { Direction::Descending } else { Direction::Ascending };
        columns.push(Column { path, direction });
    }
    let definition = IndexDefinition {
        name: fields.text("name")?.to_owned(),
        columns,
        unique: fields.flag("unique")?,
        multi: fields.flag("multi")?,
    };
    let whole_arrays = WholeArrays::unknown(definition.columns.len());
    Ok(IndexRecord { id: IndexId(fields.number("id")?), definition, whole_arrays })
}

/// The fields of a map of ours, with every surprise reported as damage.
struct Fields<'a>(&'a Value);

impl<'a> Fields<'a> {
    fn of(value: &'a Value, known: &[&str]) -> Result<Self> {
        let Value::Map(map) = value else {
            return Err(Error::corrupt("a catalog record is not a map"));
        };
        if map.len() != known.len() {
            return Err(Error::corrupt(format!(
                "a catalog record has {} fields, {} are known",
                map.len(),
                known.len()
            )));
        }
        Ok(Self(value))
    }

    fn get(&self, name: &str) -> Result<&'a Value> {
        let Value::Map(map) = self.0 else {
            return Err(Error::corrupt("a catalog record is not a map"));
        };
        map.get(name).ok_or_else(|| Error::corrupt(format!("a catalog record lacks the field {name}")))
    }

    fn text(&self, name: &str) -> Result<&'a str> {
        self.get(name)?.as_text().ok_or_else(|| Error::corrupt(format!("the catalog field {name} is not text")))
    }

    fn flag(&self, name: &str) -> Result<bool> {
        match self.get(name)? {
            Value::Bool(flag) => Ok(*flag),
            _ => Err(Error::corrupt(format!("the catalog field {name} is not a boolean"))),
        }
    }

    fn number(&self, name: &str) -> Result<u32> {
        let number = self.get(name)?.as_u64().and_then(|number| u32::try_from(number).ok());
        number.ok_or_else(|| Error::corrupt(format!("the catalog field {name} is not a number of 32 bits")))
    }

    fn array(&self, name: &str) -> Result<&'a [Value]> {
        match self.get(name)? {
            Value::Array(items) => Ok(items),
            _ => Err(Error::corrupt(format!("the catalog field {name} is not an array"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_its_encoding() {
        let definition = IndexDefinition::on(["a.b", "-c"]).unwrap().unique().multi().named("x");
        let mut record = CollectionRecord {
            id: CollectionId(7),
            name: "notes".into(),
            indexes: vec![Arc::new(IndexRecord::new(IndexId(9), definition.clone()))],
            building: Vec::new(),
        };
        assert_eq!(CollectionRecord::decode(&record.encode()).unwrap(), record);
        record.building.push(Arc::new(IndexRecord::new(IndexId(10), definition.named("y"))));
        assert_eq!(CollectionRecord::decode(&record.encode()).unwrap(), record);
    }

    #[test]
    fn long_paths_make_an_index_under_a_short_name() {
        let long = ["a".repeat(200), "b".repeat(200)];
        let definition = IndexDefinition::on(long.iter().map(String::as_str)).unwrap();
        let error = definition.check().unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
        assert!(error.message().contains("401") && error.message().contains("name of its own"), "{error}");
        definition.named("short").check().unwrap();
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
}
