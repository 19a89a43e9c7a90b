//! An index is on the field that was named, whatever its name or key is.
//!
//! An integer key was written `[5]`, which read back as a field of that name: a unique index on it enforced nothing.

use entidb_core::codec::{Map, Patch};
use entidb_core::{
    ChangeKind, Column, Database, Direction, ErrorCode, Field, IndexDefinition, Path, Since, Value, doc,
};
use std::time::Duration;

fn paths() -> Vec<Path> {
    vec![
        Path::field("m").key(5),
        Path::field("m").key(-5),
        Path::root().key(u64::MAX),
        Path::field("m").child("[5]"),
        Path::field("m").at(5),
        Path::field("m").child("5"),
        Path::field(""),
        Path::field("-m"),
        Path::field("[]"),
        Path::field("a.b\\").child(",").at(0).key(0),
        Path::field("é[").child("\0"),
    ]
}

/// A document with a value there. A path through a position needs the array that holds it.
fn with(path: &Path, value: &Value) -> Value {
    let mut inner = value.clone();
    for segment in path.segments().iter().rev() {
        inner = match segment {
            entidb_core::codec::Segment::Key(key) => {
                let mut map = Map::default();
                map.insert(key.clone(), inner);
                Value::Map(map)
            }
            entidb_core::codec::Segment::Position(position) => {
                let mut elements = vec![Value::Null; *position];
                elements.push(inner);
                Value::Array(elements)
            }
        };
    }
    inner
}

#[test]
fn a_unique_index_enforces_the_field_its_written_path_names() {
    for path in paths() {
        for direction in [Direction::Ascending, Direction::Descending] {
            let column = Column { path: path.clone(), direction };
            let written = column.to_string();
            assert_eq!(Column::parse(&written).unwrap(), column, "{written:?}");
            let db = Database::open_memory().unwrap();
            let c = db.collection("c").unwrap();
            let definition = IndexDefinition::on([written.as_str()]).unwrap().unique().named("it");
            assert!(c.create_index(definition.clone()).unwrap());
            c.put(&with(&path, &Value::from(1))).unwrap();
            c.put(&with(&path, &Value::from(2))).unwrap();
            let twice = c.put(&with(&path, &Value::from(1))).unwrap_err();
            assert_eq!(twice.code(), ErrorCode::UniqueViolation, "{written:?}");
            c.put(&doc! { "something": "else" }).unwrap();
            let find = c.find(Field::at(path.clone()).eq(2));
            assert_eq!(find.explain().unwrap().index.as_deref(), Some("it"), "{written:?}");
            assert_eq!(find.clone().count().unwrap(), 1);
            let id = find.first().unwrap().unwrap().id();
            c.update(id, &Patch::new().set(path.clone(), 3)).unwrap();
            // The feed tells others of the same index.
            let mut feed = db.changes(Since::Oldest).unwrap();
            let told = std::iter::from_fn(|| feed.next_batch(Duration::ZERO).unwrap())
                .flat_map(|batch| batch.changes)
                .find(|change| change.kind == ChangeKind::IndexCreated);
            let payload = entidb_core::decode(&told.unwrap().payload).unwrap();
            assert_eq!(IndexDefinition::from_value(&payload).unwrap(), definition);
            assert_eq!(c.indexes().unwrap(), [definition]);
        }
    }
}
