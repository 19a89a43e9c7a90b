//! Questions: the database's answer, with whatever indexes it has, against the model's.

use entidb_core::{Collection, EntityId, Query};

use crate::condition::holds;
use crate::model::Entities;
use crate::sample::Sample;

/// Questions asked, and how many of them an index answered.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Asked {
    pub(crate) all: u64,
    pub(crate) by_index: u64,
}

impl std::ops::AddAssign for Asked {
    fn add_assign(&mut self, more: Self) {
        self.all += more.all;
        self.by_index += more.by_index;
    }
}

/// Asks a few questions.
pub(crate) fn questions(collection: &Collection, model: &Entities, sample: &Sample) -> Asked {
    let mut asked = Asked::default();
    for _ in 0..4 {
        let (filter, order) = (sample.condition(2), sample.order());
        let wanted = model.sorted(&order, |document| holds(&filter, document));
        let query = Query { filter, order, ..Query::default() };
        let explain = || format!("{query:?}: {}", collection.query(query.clone()).explain().unwrap());
        let found: Vec<EntityId> =
            collection.query(query.clone()).run().unwrap().map(|entity| entity.unwrap().id()).collect();
        if query.order.is_empty() {
            let (mut found, mut wanted) = (found, wanted.clone());
            found.sort();
            wanted.sort();
            assert_eq!(found, wanted, "{}", explain());
        } else {
            assert_eq!(found, wanted, "{}", explain());
        }
        assert_eq!(collection.query(query.clone()).count().unwrap(), wanted.len() as u64, "{}", explain());
        pages(collection, &query, &wanted, sample);
        asked.all += 1;
        asked.by_index += u64::from(collection.query(query).explain().unwrap().index.is_some());
    }
    asked
}

/// The same answer a page at a time.
fn pages(collection: &Collection, query: &Query, wanted: &[EntityId], sample: &Sample) {
    let size = 1 + sample.below(5);
    let mut all = Vec::new();
    let mut page = collection.query(query.clone()).page(size).unwrap();
    loop {
        all.extend(page.entities.iter().map(|entity| entity.id()));
        assert!(all.len() <= wanted.len(), "pages of {query:?} repeat");
        let is_last = all.len() == wanted.len();
        assert_eq!(page.token.is_none(), is_last, "{query:?}");
        let Some(token) = page.token else { break };
        assert_eq!(page.entities.len() as u64, size, "{query:?}");
        page = collection.query(query.clone()).after(token).page(size).unwrap();
    }
    let mut wanted = wanted.to_vec();
    if query.order.is_empty() {
        all.sort();
        wanted.sort();
    }
    assert_eq!(all, wanted, "pages of {query:?}");
}
