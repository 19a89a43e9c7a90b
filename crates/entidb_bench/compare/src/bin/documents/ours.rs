//! Persons in EntiDB, through its Rust interface.

use std::path::Path;

use entidb_core::{BatchItem, Collection, Database, EntityId, IndexDefinition, desc, field, patch};

use crate::person::{CITIES, Person, key};
use crate::{Engine, Failure};

pub(crate) struct Ours {
    db: Database,
    persons: Collection,
}

pub(crate) fn open(path: &Path) -> Result<Ours, Failure> {
    let db = Database::open(path)?;
    let persons = db.collection("persons")?;
    persons.create_index(IndexDefinition::on(["city"])?)?;
    persons.create_index(IndexDefinition::on(["created"])?)?;
    Ok(Ours { db, persons })
}

pub(crate) fn document_bytes() -> Result<usize, Failure> {
    Ok(entidb_core::codec::to_vec(&Person::new(12_345, CITIES))?.len())
}

fn id(number: u64) -> EntityId {
    EntityId::from_bytes(key(number))
}

impl Engine for Ours {
    fn put(&mut self, numbers: std::ops::Range<u64>) -> Result<(), Failure> {
        let encoded = numbers
            .map(|number| Ok((id(number), entidb_core::codec::to_vec(&Person::new(number, CITIES))?)))
            .collect::<Result<Vec<_>, Failure>>()?;
        let items: Vec<BatchItem<'_>> =
            encoded.iter().map(|(id, document)| BatchItem { id: Some(*id), document }).collect();
        self.persons.put_batch(&items)?;
        Ok(())
    }

    fn update(&mut self, numbers: &[u64]) -> Result<(), Failure> {
        let tx = self.db.begin_write()?;
        let persons = tx.collection("persons")?;
        for number in numbers {
            persons.update(id(*number), &patch! { "age": *number % 90 })?;
        }
        tx.commit()?;
        Ok(())
    }

    fn get(&mut self, number: u64) -> Result<Option<Person>, Failure> {
        Ok(self.persons.get(id(number))?.map(|entity| entity.to()).transpose()?)
    }

    fn of_city(&mut self, city: &str) -> Result<Vec<Person>, Failure> {
        self.persons.find(field("city").eq(city)).run()?.map(|entity| Ok(entity?.to()?)).collect()
    }

    fn newest(&mut self, before: i64) -> Result<Vec<Person>, Failure> {
        let find = self.persons.find(field("created").lt(before)).order_by(desc("created")).limit(20);
        find.run()?.map(|entity| Ok(entity?.to()?)).collect()
    }

    fn count_city(&mut self, city: &str) -> Result<u64, Failure> {
        Ok(self.persons.find(field("city").eq(city)).count()?)
    }

    fn scan(&mut self) -> Result<u64, Failure> {
        let mut ages = 0;
        for entity in self.persons.iter()? {
            ages += u64::from(entity?.to::<Person>()?.age);
        }
        Ok(ages)
    }

    fn settle(&mut self) -> Result<(), Failure> {
        self.db.checkpoint()?;
        Ok(())
    }
}
