//! Queries that several indexes serve together: the answers are those of a scan, and few entities are looked at.
//!
//! Always: work is counted, not timed. Does not know: random queries (`differential`).

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use entidb_core::{
    Collection, Database, EntityId, ErrorCode, Expression, IndexDefinition, Options, ScanPolicy, Value, asc, doc, field,
};

const COUNT: u64 = 4000;

fn id(number: u64) -> EntityId {
    EntityId::from_bytes(u128::from(number).to_be_bytes())
}

/// Entities with `a` and `b` of 50 and 40 values each, `c` of 1,000, and a text in which an index with several columns stands.
fn filled(options: Options) -> (Database, Collection) {
    let db = Database::open_memory_with(options).unwrap();
    let c = db.collection("c").unwrap();
    let tx = db.begin_write().unwrap();
    let within = tx.collection("c").unwrap();
    for n in 0..COUNT {
        let tags = Value::Array(vec![(n % 7).into(), (100 + n % 11).into()]);
        within.put_at(id(n), &doc! { "a": n % 50, "b": n / 50 % 40, "c": n % 1000, "tags": tags }).unwrap();
    }
    for columns in ["a", "b", "c"] {
        within.create_index(IndexDefinition::on([columns]).unwrap()).unwrap();
    }
    within.create_index(IndexDefinition::on(["tags"]).unwrap().multi()).unwrap();
    tx.commit().unwrap();
    (db, c)
}

/// The ids of the answers, and how many entities were looked at.
fn found(c: &Collection, filter: Expression) -> (Vec<EntityId>, u64) {
    let mut found = c.find(filter).run().unwrap();
    let ids = found.by_ref().map(|entity| entity.unwrap().id()).collect();
    (ids, found.examined())
}

fn wanted(holds: impl Fn(u64) -> bool) -> Vec<EntityId> {
    (0..COUNT).filter(|n| holds(*n)).map(id).collect()
}

#[test]
fn alternatives_with_an_index_each_look_at_the_answers_and_no_other_entity() {
    let (_db, c) = filled(Options::default());
    let filter = field("c").eq(3) | field("a").eq(7);
    let how = c.find(filter.clone()).explain().unwrap();
    assert_eq!(
        (how.indexes.as_slice(), how.combined, how.scan),
        (&["a".to_owned(), "c".to_owned()][..], Some("or"), false)
    );
    assert_eq!(how.to_string(), "indexes a or c of c, 2 ranges");
    let (ids, looked_at) = found(&c, filter.clone());
    assert_eq!(ids, wanted(|n| n % 1000 == 3 || n % 50 == 7));
    assert_eq!(looked_at, ids.len() as u64);
    assert_eq!(c.find(filter).count().unwrap(), ids.len() as u64);
    // Of one index, of one that spreads arrays, and beside another term.
    let filter = (field("a").eq(1) | field("tags").eq(103)) & field("c").lt(500);
    let (ids, looked_at) = found(&c, filter);
    assert_eq!(ids, wanted(|n| (n % 50 == 1 || n % 11 == 3) && n % 1000 < 500));
    assert!(looked_at < COUNT / 5, "{looked_at}");
    let (ids, looked_at) = found(&c, field("c").lt(2) | field("c").gt(997) | field("c").eq(500));
    assert_eq!(ids, wanted(|n| matches!(n % 1000, 0 | 1 | 998 | 999 | 500)));
    assert_eq!(looked_at, 20);
}

#[test]
fn an_alternative_without_an_index_needs_a_scan() {
    let (_db, c) = filled(Options { scan_policy: ScanPolicy::Forbid, ..Options::default() });
    assert_eq!(found(&c, field("a").eq(1) | field("b").eq(2)).0.len(), 178);
    let error = c.find(field("a").eq(1) | field("nowhere").eq(2)).run().map(drop).unwrap_err();
    assert_eq!(error.code(), ErrorCode::ScanForbidden);
}

#[test]
fn two_terms_with_an_index_each_look_at_what_both_give() {
    let (_db, c) = filled(Options::default());
    let filter = field("a").eq(7) & field("b").eq(3);
    let how = c.find(filter.clone()).explain().unwrap();
    assert_eq!((how.combined, how.filter), (Some("and"), true), "{how}");
    assert_eq!(how.to_string(), "indexes a and b of c, 2 ranges; filter each");
    let (ids, looked_at) = found(&c, filter);
    assert_eq!(ids, wanted(|n| n % 50 == 7 && n / 50 % 40 == 3));
    assert_eq!((ids.len() as u64, looked_at), (2, 2));
}

/// The index that was made first was taken, whatever it gave.
#[test]
fn of_two_indexes_the_one_that_gives_fewer_is_taken() {
    let (_db, c) = filled(Options::default());
    for filter in [field("a").eq(7) & field("c").eq(57), field("c").eq(57) & field("a").eq(7)] {
        let how = c.find(filter.clone()).explain().unwrap();
        assert_eq!(how.index.as_deref(), Some("c"), "{how}");
        let (ids, looked_at) = found(&c, filter);
        assert_eq!((ids, looked_at), (wanted(|n| n % 1000 == 57), 4));
    }
}

#[test]
fn combined_answers_come_in_the_order_asked_for_and_page_by_page() {
    let (_db, c) = filled(Options::default());
    let filters = [field("c").eq(3) | field("a").eq(7), field("a").eq(7) & field("b").lt(20)];
    for filter in filters {
        let all = found(&c, filter.clone()).0;
        for order in [None, Some(asc("b"))] {
            let find = || order.clone().into_iter().fold(c.find(filter.clone()), |find, order| find.order_by(order));
            let whole: Vec<_> = find().list().unwrap().iter().map(entidb_core::Entity::id).collect();
            let (mut paged, mut page) = (Vec::new(), find().page(7).unwrap());
            loop {
                paged.extend(page.entities.iter().map(entidb_core::Entity::id));
                let Some(token) = page.token else { break };
                page = find().after(token).page(7).unwrap();
            }
            assert_eq!(paged, whole);
            let mut sorted = whole;
            sorted.sort();
            assert_eq!(sorted, all);
        }
        assert_eq!(c.find(filter.clone()).limit(3).list().unwrap().len(), 3);
        assert_eq!(c.find(filter).offset(5).list().unwrap().len(), all.len() - 5);
    }
}

#[test]
fn a_transaction_finds_its_own_changes_by_combined_indexes() {
    let (db, c) = filled(Options::default());
    let filter = || field("c").eq(3) | field("a").eq(7);
    let before = found(&c, filter()).0.len();
    let tx = db.begin_write().unwrap();
    let within = tx.collection("c").unwrap();
    within.delete(id(3)).unwrap();
    within.put_at(id(9000), &doc! { "a": 7, "c": 3 }).unwrap();
    within.put_at(id(7), &doc! { "a": 8 }).unwrap();
    assert_eq!(within.find(filter()).explain().unwrap().combined, Some("or"));
    let ids = found(&within, filter()).0;
    assert_eq!((ids.len(), ids.last()), (before - 1, Some(&id(9000))));
    assert_eq!(within.find(filter()).delete().unwrap(), ids.len() as u64);
    tx.commit().unwrap();
    assert!(found(&c, filter()).0.is_empty());
}

/// Ids that take more memory than a sort may: all entities are looked at instead, or the query is refused where that is forbidden.
#[test]
fn ids_that_take_too_much_memory_are_not_gathered() {
    const MANY: u64 = 20_000;
    let filled = |many: u64, scan_policy| {
        let db = Database::open_memory_with(Options { sort_bytes_max: 64 << 10, scan_policy, ..Options::default() })
            .unwrap();
        let c = db.collection("c").unwrap();
        let tx = db.begin_write().unwrap();
        let within = tx.collection("c").unwrap();
        (0..many).for_each(|n| within.put_at(id(n), &doc! { "a": n % 50, "c": n % 1000 }).unwrap());
        within.create_index(IndexDefinition::on(["a"]).unwrap()).unwrap();
        within.create_index(IndexDefinition::on(["c"]).unwrap()).unwrap();
        tx.commit().unwrap();
        (db, c)
    };
    let filter = field("a").lt(5) | field("c").between(500, 599) | field("c").between(700, 799);
    let (_db, c) = filled(MANY, ScanPolicy::Allow);
    let how = c.find(filter.clone()).explain().unwrap();
    assert_eq!(how.combined, Some("or"), "{how}");
    let (ids, looked_at) = found(&c, filter);
    let wanted: Vec<_> = (0..MANY).filter(|n| n % 50 < 5 || matches!(n % 1000, 500..600 | 700..800)).map(id).collect();
    assert!(ids == wanted && looked_at == MANY, "{} of {}", ids.len(), looked_at);
    let (_db, c) = filled(5000, ScanPolicy::Forbid);
    let error = c.find(field("a").lt(40) | field("c").lt(900)).list().unwrap_err();
    assert_eq!(error.code(), ErrorCode::QueryTooLarge);
    assert!(error.message().contains("sort_bytes_max"), "{error}");
}
