//! Queries of which a few answers are asked for: what is read ends with them, and a walk that meets none is left.
//!
//! Always: work is counted, not timed. Does not know: random queries (`differential`).

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use entidb_core::{Collection, Database, EntityId, Expression, IndexDefinition, asc, desc, doc, field};

const COUNT: u64 = 8000;

fn id(number: u64) -> EntityId {
    EntityId::from_bytes(u128::from(number).to_be_bytes())
}

/// Entities with `half` and `third` that follow from their number, `last`, which only the last 400 have as 1, and `at`.
fn filled() -> (Database, Collection) {
    let db = Database::open_memory().unwrap();
    let c = db.collection("c").unwrap();
    let tx = db.begin_write().unwrap();
    let within = tx.collection("c").unwrap();
    for n in 0..COUNT {
        let last = u64::from(n >= COUNT - 400);
        within.put_at(id(n), &doc! { "half": n % 2, "third": n % 3, "last": last, "at": n, "free": n % 7 }).unwrap();
    }
    for column in ["half", "third", "last", "at"] {
        within.create_index(IndexDefinition::on([column]).unwrap()).unwrap();
    }
    tx.commit().unwrap();
    (db, c)
}

fn numbers(c: &Collection, filter: &Expression, order: Option<entidb_core::Column>, limit: u64) -> (Vec<u64>, u64) {
    let find = order.into_iter().fold(c.find(filter.clone()), |find, order| find.order_by(order));
    let mut found = find.limit(limit).run().unwrap();
    let answers = found.by_ref().map(|entity| u128::from_be_bytes(*entity.unwrap().id().as_bytes()) as u64).collect();
    (answers, found.examined())
}

fn wanted(holds: impl Fn(u64) -> bool) -> Vec<u64> {
    (0..COUNT).filter(|n| holds(*n)).collect()
}

#[test]
fn an_and_of_two_indexes_looks_at_no_entity_beyond_its_limit() {
    let (_db, c) = filled();
    let filter = field("half").eq(1) & field("third").eq(2);
    let how = c.find(filter.clone()).explain().unwrap();
    assert_eq!(how.to_string(), "indexes third and half of c, 2 ranges; filter each");
    let all = wanted(|n| n % 2 == 1 && n % 3 == 2);
    assert_eq!(numbers(&c, &filter, None, 20), (all[..20].to_vec(), 20));
    assert_eq!(numbers(&c, &filter, None, COUNT), (all.clone(), all.len() as u64));
    // The pages of it go on where they ended, also when an index has gone.
    let page = c.find(filter.clone()).page(30).unwrap();
    assert_eq!(page.entities.last().unwrap().id(), id(all[29]));
    c.drop_index("third").unwrap();
    let next = c.find(filter).after(page.token.unwrap()).page(30).unwrap();
    assert_eq!(
        next.entities.iter().map(entidb_core::Entity::id).collect::<Vec<_>>(),
        all[30..60].iter().map(|n| id(*n)).collect::<Vec<_>>()
    );
}

#[test]
fn a_not_keeps_entities_away_without_a_look_at_them() {
    let (_db, c) = filled();
    let filter = field("third").eq(2) & !field("half").eq(0);
    let how = c.find(filter.clone()).explain().unwrap();
    assert_eq!(
        (how.indexes.as_slice(), how.excluded.as_slice()),
        (&["third".to_owned()][..], &["half".to_owned()][..])
    );
    assert_eq!(how.to_string(), "indexes third without half of c, 2 ranges; filter each");
    let all = wanted(|n| n % 3 == 2 && n % 2 == 1);
    assert_eq!(numbers(&c, &filter, None, COUNT), (all.clone(), all.len() as u64));
    assert_eq!(numbers(&c, &filter, None, 7), (all[..7].to_vec(), 7));
    // An entity without the field is kept: only what the index has is left out.
    c.put_at(id(COUNT), &doc! { "third": 2 }).unwrap();
    assert_eq!(c.find(filter).count().unwrap(), all.len() as u64 + 1);
}

#[test]
fn the_first_answers_of_a_frequent_value_are_met_by_a_walk_in_their_order() {
    let (_db, c) = filled();
    let filter = field("half").eq(1);
    let how = c.find(filter.clone()).order_by(desc("at")).limit(20).explain().unwrap();
    assert_eq!((how.index.as_deref(), how.scan, how.sort), (Some("at"), false, false), "{how}");
    assert!(how.instead.as_deref().is_some_and(|other| other.starts_with("index half")), "{how}");
    let newest: Vec<u64> = wanted(|n| n % 2 == 1).into_iter().rev().take(20).collect();
    let (found, examined) = numbers(&c, &filter, Some(desc("at")), 20);
    assert!(found == newest && examined <= 42, "{examined} examined");
    // All of them are sorted.
    let how = c.find(filter).order_by(desc("at")).explain().unwrap();
    assert_eq!((how.index.as_deref(), how.sort, how.instead), (Some("half"), true, None));
}

/// All answers are at the far end: the walk is left after as many misses as the other way reads, and nothing shows of it.
#[test]
fn a_walk_that_meets_no_answers_is_left_for_the_other_way() {
    let (_db, c) = filled();
    let filter = field("last").eq(1);
    let how = c.find(filter.clone()).order_by(asc("at")).limit(5).explain().unwrap();
    assert!(how.index.as_deref() == Some("at") && how.instead.is_some(), "{how}");
    let (found, examined) = numbers(&c, &filter, Some(asc("at")), 5);
    assert_eq!(found, wanted(|n| n >= COUNT - 400)[..5]);
    assert!(examined < 3 * 400, "{examined} of {COUNT} examined");
    // Some answers before it is left: in pages, with an offset, and with the look for one more at the end of a page.
    for n in [3, 4, 900, 7000] {
        c.put_at(id(n), &doc! { "last": 1, "at": n }).unwrap();
    }
    let all = wanted(|n| matches!(n, 3 | 4 | 900 | 7000) || n >= COUNT - 400);
    for size in [1, 2, 3, 5, 50] {
        let find = || c.find(filter.clone()).order_by(asc("at"));
        let (mut paged, mut page) = (Vec::new(), find().page(size).unwrap());
        loop {
            paged.extend(page.entities.iter().map(|it| it.field("at").unwrap().unwrap().as_u64().unwrap()));
            let Some(token) = page.token else { break };
            page = find().after(token).page(size).unwrap();
        }
        assert_eq!(paged, all, "pages of {size}");
        let skipped = find().offset(size).limit(4).list().unwrap();
        let skipped: Vec<_> = skipped.iter().map(|it| it.field("at").unwrap().unwrap().as_u64().unwrap()).collect();
        assert_eq!(skipped, all[size as usize..size as usize + 4]);
    }
    // Only a part of the filter has an index.
    let filter = field("last").eq(1) & field("free").eq(3);
    let all = wanted(|n| n >= COUNT - 400 && n % 7 == 3);
    assert_eq!(numbers(&c, &filter, Some(asc("at")), 9).0, all[..9]);
    assert_eq!(numbers(&c, &filter, Some(desc("at")), 9).0, all.iter().rev().take(9).copied().collect::<Vec<_>>());
}
