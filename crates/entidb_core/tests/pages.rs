//! Pages: `limit` and `offset` are of the whole answer, a page is a part of it, and a token goes on behind an answer whatever
//! indexes there are and whatever else is stored by then.
//!
//! An array that anybody stored made the tokens of ordered queries invalid for everybody; a token of a sorted answer was
//! held to scanning when an index came; an offset was left out on each page again; the size of a page took the place of the
//! limit; a full last page had a token; and tokens were taken by other collections.

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use entidb_core::{
    Collection, Database, EntityId, ErrorCode, Expression, Find, IndexDefinition, Options, ScanPolicy, Value, asc,
    desc, doc, field,
};

fn id(number: u64) -> EntityId {
    EntityId::from_bytes(u128::from(number).to_be_bytes())
}

fn numbered(options: Options) -> (Database, Collection) {
    let db = Database::open_memory_with(options).unwrap();
    let c = db.collection("c").unwrap();
    for number in 0..25 {
        c.put_at(id(number), &doc! { "n": number, "m": number % 3, "t": [number, number + 1] }).unwrap();
    }
    (db, c)
}

fn all(find: &Find, size: u64) -> (Vec<EntityId>, Vec<usize>) {
    let (mut found, mut sizes) = (Vec::new(), Vec::new());
    let mut page = find.clone().page(size).unwrap();
    loop {
        found.extend(page.entities.iter().map(|entity| entity.id()));
        sizes.push(page.entities.len());
        let Some(token) = page.token else { return (found, sizes) };
        page = find.clone().after(token).page(size).unwrap();
    }
}

#[test]
fn limit_and_offset_are_of_the_whole_answer_whatever_its_pages() {
    let (_db, c) = numbered(Options::default());
    for index in [None, Some("n")] {
        if let Some(path) = index {
            c.create_index(IndexDefinition::on([path]).unwrap()).unwrap();
        }
        for order in [None, Some(asc("n"))] {
            let find = || {
                let find = c.find(field("n").ge(0));
                order.iter().fold(find, |find, column| find.order_by(column.clone()))
            };
            assert_eq!(all(&find().limit(23), 10).1, [10, 10, 3]);
            assert_eq!(all(&find().limit(20), 10), ((0..20).map(id).collect(), vec![10, 10]));
            assert_eq!(all(&find().offset(5), 10), ((5..25).map(id).collect(), vec![10, 10]));
            assert_eq!(all(&find().offset(5).limit(7), 3), ((5..12).map(id).collect(), vec![3, 3, 1]));
            assert_eq!(all(&find().offset(24), 3).1, [1]);
            assert_eq!(all(&find().offset(25), 3).1, [0]);
            assert_eq!(all(&find().limit(0), 3).1, [0]);
            // What is left of a limited answer can be asked for at once, or counted.
            let token = find().limit(12).page(5).unwrap().token.unwrap();
            assert_eq!(find().limit(12).after(token.clone()).list().unwrap().len(), 7);
            assert_eq!(find().limit(12).after(token.clone()).count().unwrap(), 7);
            assert_eq!(find().offset(3).after(token.clone()).first().unwrap().unwrap().id(), id(5));
            assert_eq!(find().after(token).count().unwrap(), 20);
        }
    }
}

#[test]
fn a_limit_that_earlier_pages_used_up_is_told_and_not_an_empty_page() {
    let (_db, c) = numbered(Options::default());
    let find = || c.find(field("n").ge(0)).order_by(asc("n"));
    let mut found = find().run().unwrap();
    assert_eq!(found.by_ref().take(10).count(), 10);
    let token = found.token().unwrap().unwrap();
    // A caller that takes the limit for the size of a page is told.
    let error = find().limit(10).after(token.clone()).run().map(|_| ()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::PageTokenInvalid);
    assert!(error.message().contains("page"), "{error}");
    assert_eq!(find().limit(11).after(token).count().unwrap(), 1);
    let error = find().page(0).unwrap_err();
    assert_eq!(error.code(), ErrorCode::QueryInvalid);
}

#[test]
fn a_run_to_the_end_has_no_token_and_one_that_stops_early_has() {
    let (_db, c) = numbered(Options::default());
    for find in [c.find(field("n").ge(20)), c.find(field("n").ge(20)).order_by(desc("n"))] {
        let mut found = find.clone().run().unwrap();
        assert_eq!(found.token().unwrap(), None);
        for left in (0..5).rev() {
            found.next().unwrap().unwrap();
            assert_eq!(found.token().unwrap().is_some(), left > 0);
            assert!(found.place().is_some());
        }
        assert!(found.next().is_none());
        assert_eq!(found.token().unwrap(), None);
        // A look for the token takes no answer away.
        let mut found = find.page_size(2).run().unwrap();
        let first = found.next().unwrap().unwrap().id();
        found.token().unwrap().unwrap();
        let second = found.next().unwrap().unwrap().id();
        assert!(first != second && found.next().is_none() && found.token().unwrap().is_some());
    }
}

#[test]
fn first_and_exists_know_the_limit() {
    let (_db, c) = numbered(Options::default());
    let none = c.find(Expression::all()).limit(0);
    assert!(none.clone().first().unwrap().is_none() && !none.clone().exists().unwrap());
    assert_eq!(none.count().unwrap(), 0);
    assert!(c.find(Expression::all()).limit(1).offset(24).exists().unwrap());
    assert!(!c.find(Expression::all()).limit(1).offset(25).exists().unwrap());
}

#[test]
fn a_token_belongs_to_its_collection_filter_and_order() {
    let (db, c) = numbered(Options::default());
    let token = c.find(field("n").ge(1)).page(3).unwrap().token.unwrap();
    let refused = |find: Find| {
        assert_eq!(find.after(token.clone()).run().map(|_| ()).unwrap_err().code(), ErrorCode::PageTokenInvalid);
    };
    refused(c.find(field("n").ge(2)));
    refused(c.find(field("n").ge(1)).order_by(asc("n")));
    let other = db.collection("other").unwrap();
    other.put(&doc! { "n": 5 }).unwrap();
    refused(other.find(field("n").ge(1)));
    // It is the collection and not its name.
    db.rename_collection("c", "d").unwrap();
    assert_eq!(db.collection("d").unwrap().find(field("n").ge(1)).after(token.clone()).count().unwrap(), 21);
    db.drop_collection("d").unwrap();
    let anew = db.collection("d").unwrap();
    anew.put(&doc! { "n": 5 }).unwrap();
    refused(anew.find(field("n").ge(1)));
    for cut in 0..token.len() {
        let broken = token.get(..cut).unwrap().to_vec();
        let result = c.find(field("n").ge(1)).after(broken).run();
        assert!(result.is_err(), "a token of {cut} bytes");
    }
}

/// What happens between two pages.
type Between = (&'static str, fn(&Collection));

#[test]
fn a_token_outlives_what_is_stored_and_indexes_that_come_and_go() {
    let index = |definition: IndexDefinition| definition;
    let between: [Between; 9] = [
        ("nothing", |_| {}),
        ("an array", |c| c.put_at(id(1000), &doc! { "n": [1, 2, 3], "m": [1], "t": 3 }).unwrap()),
        ("an index", |c| assert!(c.create_index(IndexDefinition::on(["n"]).unwrap().named("extra")).is_ok())),
        ("another index", |c| assert!(c.create_index(IndexDefinition::on(["-n"]).unwrap().named("down")).is_ok())),
        ("two columns", |c| assert!(c.create_index(IndexDefinition::on(["m", "n"]).unwrap()).is_ok())),
        ("a multi index", |c| {
            assert!(c.create_index(IndexDefinition::on(["t"]).unwrap().multi().named("extra")).is_ok())
        }),
        ("a unique index", |c| assert!(c.create_index(IndexDefinition::on(["n", "m"]).unwrap().unique()).is_ok())),
        ("no index", |c| {
            for index in c.indexes().unwrap() {
                c.drop_index(&index.name).unwrap();
            }
        }),
        ("the same index anew", |c| {
            for index in c.indexes().unwrap() {
                c.drop_index(&index.name).unwrap();
                c.create_index(index).unwrap();
            }
        }),
    ];
    let ways = [
        vec![],
        vec![index(IndexDefinition::on(["n"]).unwrap())],
        vec![index(IndexDefinition::on(["n"]).unwrap().unique())],
        vec![index(IndexDefinition::on(["t"]).unwrap().multi())],
        vec![index(IndexDefinition::on(["m", "-n"]).unwrap())],
    ];
    let queries: [fn(&Collection) -> Find; 7] = [
        |c| c.find(field("n").between(0, 24)),
        |c| c.find(field("t").between(0, 30)),
        |c| c.find(field("t").is_in(0..30)),
        |c| c.find(field("m").eq(1)),
        |c| c.find(field("m").eq(1)).order_by(desc("n")),
        |c| c.find(field("n").ge(0)).order_by(asc("n")),
        |c| c.find(field("t").ge(0)).order_by(desc("m")).order_by(asc("n")),
    ];
    for definitions in &ways {
        for query in queries {
            for (what, change) in between {
                let (_db, c) = numbered(Options::default());
                for definition in definitions {
                    c.create_index(definition.clone()).unwrap();
                }
                let find = query(&c);
                let before: Vec<EntityId> = find.clone().list().unwrap().iter().map(|entity| entity.id()).collect();
                let mut page = find.clone().page(4).unwrap();
                let mut found: Vec<EntityId> = page.entities.iter().map(|entity| entity.id()).collect();
                change(&c);
                while let Some(token) = page.token {
                    page = find.clone().after(token).page(4).unwrap();
                    found.extend(page.entities.iter().map(|entity| entity.id()));
                }
                found.retain(|found| *found != id(1000));
                assert_eq!(found, before, "{what} between the pages of {:?} with {definitions:?}", find.as_query());
            }
        }
    }
}

#[test]
fn a_token_needs_no_scan_where_an_index_came() {
    let options = Options { scan_policy: ScanPolicy::Forbid, ..Options::default() };
    let (_db, c) = numbered(options);
    c.create_index(IndexDefinition::on(["m"]).unwrap()).unwrap();
    let find = || c.find(field("m").ge(0)).order_by(asc("n"));
    assert!(find().explain().unwrap().sort);
    let token = find().page(5).unwrap().token.unwrap();
    c.create_index(IndexDefinition::on(["n"]).unwrap()).unwrap();
    c.create_index(IndexDefinition::on(["n", "m"]).unwrap()).unwrap();
    c.drop_index("m").unwrap();
    let rest = find().after(token).list();
    // Walking a whole index for its order is a scan by policy; an index that narrows is none.
    assert_eq!(rest.unwrap_err().code(), ErrorCode::ScanForbidden);
    let by_index = || c.find(field("n").ge(0)).order_by(asc("m"));
    let token = by_index().page(5).unwrap().token.unwrap();
    c.create_index(IndexDefinition::on(["m"]).unwrap()).unwrap();
    assert_eq!(by_index().after(token).list().unwrap().len(), 20);
}

#[test]
fn an_index_that_gives_the_order_up_to_a_limit_needs_no_scan() {
    let options = Options { scan_policy: ScanPolicy::Forbid, ..Options::default() };
    let (db, c) = numbered(options);
    c.create_index(IndexDefinition::on(["-n"]).unwrap()).unwrap();
    let find = |order| c.find(Expression::all()).order_by(order);
    for limited in [find(desc("n")).limit(5), find(asc("n")).limit(5).offset(3), find(desc("n")).page_size(5)] {
        let how = limited.explain().unwrap();
        assert_eq!((how.scan, how.sort, how.filter), (false, false, false));
        assert_eq!(limited.list().unwrap().len(), 5);
    }
    assert!(find(desc("n")).first().unwrap().is_some());
    let token = find(desc("n")).page(5).unwrap().token.unwrap();
    assert_eq!(find(desc("n")).after(token).page(5).unwrap().entities.len(), 5);
    // Without a limit all is read, and with a filter of something else perhaps all; a sort reads all in any case.
    let refused = |query: Find, problem: &str| {
        let error = query.list().unwrap_err();
        assert_eq!(error.code(), ErrorCode::ScanForbidden);
        assert!(error.message().contains(problem), "{error}");
    };
    refused(find(desc("n")), "set a limit");
    refused(c.find(field("m").eq(1)).order_by(desc("n")).limit(1), "declare an index");
    refused(find(asc("m")).limit(1), "declare an index");
    let then = db.last_sequence();
    c.put(&doc! { "n": 1 }).unwrap();
    let past = db.begin_read_at(then).unwrap().collection(c.name()).unwrap();
    refused(past.find(Expression::all()).order_by(desc("n")).limit(1), "as of an earlier commit");
}

#[test]
fn ordered_pages_stay_on_the_index_when_somebody_stored_an_array() {
    let (_db, c) = numbered(Options::default());
    c.create_index(IndexDefinition::on(["n"]).unwrap()).unwrap();
    c.put_at(id(1000), &doc! { "n": [3, 99] }).unwrap();
    let find = c.find(field("n").ge(2)).order_by(asc("n"));
    let how = find.explain().unwrap();
    assert_eq!((how.index.as_deref(), how.sort), (Some("n"), false));
    let (found, _) = all(&find, 4);
    assert_eq!(found, (2..25).chain([1000]).map(id).collect::<Vec<_>>());
    // Where the order is of the columns behind it, rows of arrays are sorted in.
    c.create_index(IndexDefinition::on(["m", "n"]).unwrap()).unwrap();
    c.put_at(id(1001), &doc! { "m": [1, 7], "n": 5 }).unwrap();
    let find = c.find(field("m").eq(1)).order_by(asc("n"));
    assert!(find.explain().unwrap().sort);
    let (found, _) = all(&find, 3);
    assert_eq!(found, [1, 4, 1001, 7, 10, 13, 16, 19, 22].map(id));
}

#[test]
fn pages_of_equal_values_go_on_by_age_in_unique_indexes_too() {
    let db = Database::open_memory().unwrap();
    let c = db.collection("c").unwrap();
    c.create_index(IndexDefinition::on(["u", "v"]).unwrap().unique()).unwrap();
    for number in 0..20_u64 {
        let v = if number % 4 == 0 { Value::Null } else { Value::from(number) };
        c.put_at(id(number), &doc! { "u": number / 10, "v": v }).unwrap();
    }
    for column in [asc("u"), desc("u")] {
        let (path, direction) = (column.path.clone(), column.direction);
        let second = entidb_core::Column { path: entidb_core::Path::field("v"), direction };
        let find = c.find(field("u").ge(0)).order_by(column).order_by(second);
        assert!(!find.explain().unwrap().sort, "{path}");
        let whole: Vec<EntityId> = find.clone().list().unwrap().iter().map(|entity| entity.id()).collect();
        for size in 1..7 {
            assert_eq!(all(&find, size).0, whole);
        }
    }
}
