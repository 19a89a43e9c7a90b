//! What a kind that has postings or scores brings to queries, beside other kinds.

use super::score;
use super::tests::{filled, tally};
use crate::catalog::IndexDefinition;
use crate::{Collection, Database, Entity, EntityId, ErrorCode, Expression, asc, doc, field};

fn ranked() -> IndexDefinition {
    IndexDefinition::from_value(&doc! { "kind": "tally", "name": "ranked", "columns": ["n"] }).unwrap()
}

fn ids(found: Vec<Entity>) -> Vec<EntityId> {
    found.iter().map(Entity::id).collect()
}

fn m(entity: &Entity) -> u64 {
    entity.field("m").unwrap().unwrap().as_u64().unwrap()
}

fn paged(c: &Collection, filter: &Expression, size: u64) -> Vec<EntityId> {
    let (mut all, mut page) = (Vec::new(), c.find(filter.clone()).page(size).unwrap());
    loop {
        let token = page.token.take();
        all.extend(ids(page.entities));
        let Some(token) = token else { return all };
        page = c.find(filter.clone()).after(token).page(size).unwrap();
    }
}

/// A kind that ranks is asked for nothing else: its answers come the best first, and are filtered, limited and paged as any.
#[test]
fn answers_of_a_kind_that_ranks_come_by_score_in_pages_too() {
    let db = Database::open_memory().unwrap();
    let c = filled(&db);
    filled(&db);
    filled(&db);
    c.create_index(ranked()).unwrap();
    c.create_index(IndexDefinition::on(["n"]).unwrap()).unwrap();
    type Holds = fn(u64) -> bool;
    let filters: [(Expression, Holds); 3] = [
        (field("n").eq(3), |m| m % 20 == 3),
        (field("n").eq(3) & !field("m").eq(23), |m| m == 3),
        (field("n").eq(3) & field("m").lt(9), |m| m == 3),
    ];
    for (filter, holds) in filters {
        let mut wanted: Vec<Entity> = c.iter().unwrap().map(Result::unwrap).filter(|it| holds(m(it))).collect();
        wanted.sort_by(|a, b| {
            let key = |it: &Entity| (score(it.ordinal().0), it.ordinal().0);
            let ((a, first), (b, second)) = (key(a), key(b));
            b.total_cmp(&a).then(first.cmp(&second))
        });
        let wanted = ids(wanted);
        let how = c.find(filter.clone()).explain().unwrap();
        assert_eq!((how.index.as_deref(), how.sort), (Some("ranked"), true), "{how}");
        assert_eq!(ids(c.find(filter.clone()).list().unwrap()), wanted);
        assert_eq!(ids(c.find(filter.clone()).limit(2).list().unwrap()), wanted[..2.min(wanted.len())]);
        for size in [1, 2, 100] {
            assert_eq!(paged(&c, &filter, size), wanted, "pages of {size}");
        }
        // With an order asked for, that is the order.
        let by_m = c.find(filter.clone()).order_by(asc("m")).list().unwrap();
        assert_eq!(by_m.len(), wanted.len());
        assert!(by_m.is_sorted_by_key(m));
        assert_eq!(c.find(filter).count().unwrap(), wanted.len() as u64);
    }
    // Scores are the index's to say.
    let token = c.find(field("n").eq(3)).page(1).unwrap().token.unwrap();
    c.drop_index("ranked").unwrap();
    let error = c.find(field("n").eq(3)).after(token).page(1).map(drop).unwrap_err();
    assert_eq!(error.code(), ErrorCode::PageTokenInvalid, "{error}");
}

/// Postings of different kinds are merged by ordinals, and those of one say what another must not give.
#[test]
fn a_kind_with_postings_is_merged_with_another() {
    let db = Database::open_memory().unwrap();
    let c = db.collection("c").unwrap();
    let documents: Vec<_> =
        (0..2000_u64).map(|m| doc! { "n": m % 3, "k": m / 3 % 3, "j": u64::from(m / 9 % 6 != 0), "m": m }).collect();
    c.put_many(&documents).unwrap();
    let wanted = |holds: fn(u64) -> bool| -> Vec<u64> { (0..2000).filter(|m| holds(*m)).collect() };
    c.create_index(tally()).unwrap();
    c.create_index(IndexDefinition::on(["k"]).unwrap()).unwrap();
    c.create_index(IndexDefinition::on(["j"]).unwrap()).unwrap();
    let both = field("n").eq(1) & field("k").eq(1);
    let without = field("n").eq(1) & !field("j").eq(1);
    for (filter, indexes, excluded, wanted) in [
        (both, vec!["by_n", "k"], vec![], wanted(|m| m % 3 == 1 && m / 3 % 3 == 1)),
        (without, vec!["by_n"], vec!["j"], wanted(|m| m % 3 == 1 && m / 9 % 6 == 0)),
    ] {
        let how = c.find(filter.clone()).explain().unwrap();
        let mut used = how.indexes.clone();
        used.sort();
        assert!(used == indexes && how.excluded == excluded && !how.sort, "{how}");
        assert_eq!(c.find(filter.clone()).list().unwrap().iter().map(m).collect::<Vec<_>>(), wanted);
        assert_eq!(paged(&c, &filter, 7).len(), wanted.len());
        assert_eq!(c.find(filter).count().unwrap(), wanted.len() as u64);
    }
}
