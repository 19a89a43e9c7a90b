//! Conditions joined in loops, thousands of values in one `in`, and documents with thousands of elements in an index. How much
//! work the last are is counted in `query::sources::rows`.

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use entidb_core::{
    Collection, Database, EntityId, ErrorCode, Expression, IndexDefinition, Query, Value, asc, desc, doc, field,
};

fn id(number: u64) -> EntityId {
    EntityId::from_bytes(u128::from(number).to_be_bytes())
}

fn numbered(count: u64) -> (Database, Collection) {
    let db = Database::open_memory().unwrap();
    let c = db.collection("c").unwrap();
    let documents: Vec<Value> =
        (0..count).map(|number| doc! { "n": number, "m": number % 7, "t": [number, 1] }).collect();
    c.put_many(&documents).unwrap();
    (db, c)
}

#[test]
fn ten_thousand_conditions_joined_in_a_loop_are_one_level_deep() {
    let (_db, c) = numbered(50);
    let joins: [fn(Expression, Expression) -> Expression; 4] =
        [|all, one| all | one, |all, one| one | all, Expression::or, |all, one| one.or(all)];
    for join in joins {
        let mut filter = field("n").eq(0);
        for number in 1..10_000 {
            let condition = if number % 2 == 0 { field("n").eq(number * 5) } else { field("m").eq(number + 100) };
            filter = join(filter, condition);
        }
        let query = Query { filter, ..Query::default() };
        assert_eq!(c.query(query.clone()).count().unwrap(), 5);
        assert_eq!(Query::from_bytes(&query.to_bytes().unwrap()).unwrap(), query);
    }
    let mut filter = field("n").ne(1000);
    for number in 0..10_000 {
        filter =
            if number % 3 == 0 { field("n").ne(number * 10) & filter } else { filter & field("n").ne(number * 10) };
    }
    assert_eq!(c.find(filter).count().unwrap(), 45);
    let mut twice = field("n").eq(3);
    for _ in 0..100_000 {
        twice = !twice;
    }
    assert_eq!(c.find(twice).count().unwrap(), 1);
}

#[test]
fn conditions_that_really_nest_are_counted_and_groups_in_groups_are_not() {
    let (_db, c) = numbered(50);
    // Groups of one kind within each other, as a program may build them by hand.
    let mut filter = field("n").eq(3);
    for number in 0..60 {
        filter = Expression::Or(vec![filter, field("n").eq(number * 1000)]);
    }
    assert_eq!(c.find(filter.clone()).count().unwrap(), 2);
    let query = Query { filter, ..Query::default() };
    let read = Query::from_bytes(&query.to_bytes().unwrap()).unwrap();
    assert_eq!(c.query(read).count().unwrap(), 2);
    let alternating = |levels: u64| {
        (0..levels).fold(field("n").eq(3), |inner, level| {
            let other = field("m").ne(100 + level);
            if level % 2 == 0 { Expression::Or(vec![inner, !other]) } else { Expression::And(vec![inner, other]) }
        })
    };
    assert_eq!(c.find(alternating(49)).count().unwrap(), 1);
    assert_eq!(c.find(alternating(60)).count().unwrap_err().code(), ErrorCode::QueryInvalid);
    let mut hostile = field("n").eq(3);
    for _ in 0..5000 {
        hostile = Expression::And(vec![hostile]);
    }
    assert_eq!(c.find(hostile).count().unwrap_err().code(), ErrorCode::QueryInvalid);
}

#[test]
fn conditions_on_one_field_joined_by_or_use_its_index() {
    let (_db, c) = numbered(300);
    c.create_index(IndexDefinition::on(["n"]).unwrap()).unwrap();
    let filter = (0..5000).fold(field("n").eq(7), |all, number| all | field("n").eq(number * 10));
    let found = c.find(filter);
    let how = found.explain().unwrap();
    assert_eq!((how.index.as_deref(), how.filter), (Some("n"), false));
    assert_eq!(found.count().unwrap(), 31);
}

#[test]
fn a_hundred_thousand_values_narrow_by_index() {
    let (_db, c) = numbered(2000);
    c.create_index(IndexDefinition::on(["n"]).unwrap()).unwrap();
    c.create_index(IndexDefinition::on(["m", "n"]).unwrap()).unwrap();
    c.create_index(IndexDefinition::on(["t"]).unwrap().multi()).unwrap();
    // With duplicates, in no order, and in two kinds of numbers.
    let values: Vec<Value> = (0..100_000_u64)
        .map(|number| if number % 2 == 0 { Value::from(number * 7 % 100_000) } else { Value::Float(number as f64) })
        .collect();
    let wanted: std::collections::BTreeSet<u64> =
        (0..100_000_u64).map(|number| if number % 2 == 0 { number * 7 % 100_000 } else { number }).collect();
    let expected = wanted.range(..2000).count() as u64;
    let all = c.find(field("n").is_in(values.clone()));
    assert!(!all.explain().unwrap().scan);
    assert_eq!(all.clone().count().unwrap(), expected);
    assert_eq!(all.order_by(desc("n")).limit(5).list().unwrap().len(), 5);
    // Two lists: the second narrows no further, and checking it for each entity is no walk over the list.
    let both = c.find(field("m").is_in(values.clone()) & field("n").is_in(values.clone()));
    assert!(!both.explain().unwrap().scan);
    assert_eq!(both.count().unwrap(), expected);
    let elements = c.find(field("t").is_in(values.clone()) & field("m").ge(0)).order_by(asc("n"));
    assert!(!elements.explain().unwrap().scan);
    assert_eq!(elements.count().unwrap(), 2000);
    assert_eq!(c.find(!field("n").is_in(values)).count().unwrap(), 2000 - expected);
}

#[test]
fn a_document_with_ten_thousand_elements_in_a_range_comes_once_and_soon() {
    let db = Database::open_memory().unwrap();
    let c = db.collection("c").unwrap();
    c.create_index(IndexDefinition::on(["t"]).unwrap().multi()).unwrap();
    for number in 0..5 {
        let elements: Vec<u64> = (0..10_000).map(|element| element * 5 + number).collect();
        c.put_at(id(number), &doc! { "t": elements, "n": number }).unwrap();
    }
    c.put_at(id(9), &doc! { "t": [1, 2, 49_999], "n": 9 }).unwrap();
    for filter in [field("t").ge(0), field("t").between(0, 49_990), field("t").is_in(0..20_000_u64)] {
        let mut found = c.find(filter.clone()).run().unwrap();
        let ids: Vec<EntityId> = found.by_ref().map(|entity| entity.map(|entity| entity.id()).unwrap()).collect();
        assert_eq!(ids, [0, 1, 9, 2, 3, 4].map(id), "{filter:?}");
        assert_eq!(found.examined(), 6);
        assert_eq!(c.find(filter).order_by(desc("n")).list().unwrap().len(), 6);
    }
}
