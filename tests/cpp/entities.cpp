// Every part of entidb.hpp, used as it is meant to be, and as it is not.
#include "check.hpp"

#include <cmath>
#include <filesystem>
#include <thread>

using entidb::array;
using entidb::Bytes;
using entidb::Database;
using entidb::Entity;
using entidb::field;
using entidb::Id;
using entidb::map;
using entidb::Value;

static_assert(!std::is_copy_constructible_v<Database> && std::is_nothrow_move_constructible_v<Database>);
static_assert(!std::is_copy_constructible_v<entidb::Transaction> && !std::is_copy_constructible_v<entidb::Collection>);
static_assert(!std::is_copy_constructible_v<entidb::Cursor> && !std::is_copy_constructible_v<Entity>);
static_assert(!std::is_copy_constructible_v<entidb::ChangeFeed> && !std::is_copy_constructible_v<entidb::Buffer>);
static_assert(std::is_copy_constructible_v<entidb::Error>, "exceptions are copied");

static Id numbered(std::uint8_t number) {
    Id id;
    id.bytes[15] = number;
    return id;
}

/// 60 arrays in each other, each of which announces everything that follows: they are refused, and cost no memory.
static void claims() {
    const std::size_t heads = 60, size = 1u << 20;
    std::vector<std::uint8_t> bytes(5 * heads + size);
    for (std::size_t at = 0; at < 5 * heads; at += 5) {
        const std::size_t left = bytes.size() - at - 5;
        bytes[at] = 0x9a;
        for (int place = 0; place < 4; ++place) bytes[at + 1 + place] = static_cast<std::uint8_t>(left >> (24 - 8 * place));
    }
    const entidb::Value given = entidb::Value::encoded(Bytes(bytes));
    CHECK("claims are refused when written", thrown([&] { given.encode(); }) == ENTIDB_ERROR_TRUNCATED);
    CHECK("claims are refused when read", thrown([&] {
              for (const auto& entry : entidb::View(Bytes(bytes))) static_cast<void>(entry);
          }) == ENTIDB_ERROR_TRUNCATED);
}

static void documents() {
    const std::vector<std::uint8_t> blob{0, 255, 7};
    const Id id = numbered(9);
    entidb::Document doc(map({{"text", "häßlich"}, {"yes", true}, {"no", nullptr}, {"int", -5}, {"big", UINT64_MAX},
                              {"real", 1.5}, {"bytes", Bytes(blob)}, {"at", entidb::Timestamp{1234567}}, {"id", id},
                              {"list", array({1, "two", array({3})})}, {"a.b", map({{"c", 2u}})}})
                             .encode());
    CHECK("text is read", doc["text"].as_text() == "häßlich");
    CHECK("a bool is read", doc["yes"].as_bool());
    CHECK("null is read", doc["no"].is_null());
    CHECK("an integer is read", doc["int"].as_int() == -5);
    CHECK("an integer is a double where one is wanted", doc["int"].as_double() == -5.0);
    CHECK("an integer beyond int64_t is read", doc["big"].as_uint() == UINT64_MAX);
    CHECK("it is no int64_t", thrown([&] { doc["big"].as_int(); }) == ENTIDB_ERROR_WRONG_TYPE);
    CHECK("a negative one is no uint64_t", thrown([&] { doc["int"].as_uint(); }) == ENTIDB_ERROR_WRONG_TYPE);
    CHECK("a float is read", doc["real"].as_double() == 1.5);
    CHECK("bytes are read", doc["bytes"].as_bytes() == Bytes(blob));
    CHECK("a timestamp is read", doc["at"].as_timestamp() == entidb::Timestamp{1234567});
    CHECK("an id is read as one", doc["id"].kind() == ENTIDB_KIND_ID && doc["id"].as_id().text().size() == 36);
    const entidb::Uuid uuid{{1, 2, 3}};
    const std::vector<float> floats{0.5f, -1.0f};
    const auto typed_bytes = map({{"uuid", uuid}, {"price", entidb::Decimal{-1299, -2}}, {"vector", floats}, {"tagged", entidb::Value::tagged(4711, 7)}}).encode();
    const entidb::View typed{Bytes(typed_bytes)};
    CHECK("values of every type are read as they were written", typed["uuid"].as_uuid() == uuid && (typed["price"].as_decimal() == entidb::Decimal{-1299, -2}) && typed["vector"].as_floats() == floats && typed["tagged"].tag() == 4711 && typed["tagged"].tagged().as_int() == 7);
    CHECK("and as nothing else", thrown([&] { typed["price"].as_uuid(); }) == ENTIDB_ERROR_WRONG_TYPE && thrown([&] { typed["uuid"].as_floats(); }) == ENTIDB_ERROR_WRONG_TYPE);
    auto maker = Database::open_memory();
    const auto made = maker.new_id();
    CHECK("an id survives its text", entidb::Id::parse(made.text()) == made && made < maker.new_id() && thrown([&] { entidb::Id::parse("none"); }) == ENTIDB_ERROR_INVALID_ARGUMENT);
    CHECK("positions are part of a path", doc["list.2.0"].as_int() == 3 && doc["list"]["1"].as_text() == "two");
    CHECK("a backslash makes a dot part of a name", doc["a\\.b.c"].as_int() == 2);
    CHECK("a bad path is refused", thrown([&] { doc.at("a..b"); }) != ENTIDB_OK);
    CHECK("what is not there is nothing", !doc.at("none") && !doc.at("text.deeper"));
    CHECK("asking for it all the same throws", thrown([&] { doc["none"]; }) == ENTIDB_ERROR_WRONG_TYPE);
    CHECK("another type throws", thrown([&] { doc["text"].as_int(); }) == ENTIDB_ERROR_WRONG_TYPE);

    entidb::View whole = doc.view();
    CHECK("the whole is a map with its size", whole.is_map() && whole.size() == 11);
    std::size_t entries = 0;
    bool all = true;
    for (const auto& [key, value] : whole) {
        entries++;
        std::string path;
        for (char c : key.as_text()) path += c == '.' ? std::string("\\.") : std::string(1, c);
        all = all && doc.at(path) && doc.at(path)->kind() == value.kind();
    }
    CHECK("a walk gives every entry once", entries == 11 && all);
    std::int64_t items = 0;
    entidb::View list = doc["list"];
    for (const auto& item : list) items += item.key.is_null() ? 1 : 100;
    CHECK("a walk over an array gives items without keys", items == 3);
    CHECK("a walk over a scalar is empty", doc["int"].begin() == doc["int"].end());
    entidb::Document nothing(map({}).encode());
    CHECK("a walk over an empty map is empty", nothing.view().begin() == nothing.view().end());

    CHECK("the order of writing is no matter", Bytes(map({{"a", 1}, {"b", 2}}).encode()) == Bytes(map({{"b", 2}, {"a", 1}}).encode()));
    CHECK("a key twice is refused", thrown([] { map({{"a", 1}, {"a", 2}}).encode(); }) == ENTIDB_ERROR_DUPLICATE_KEY);
    CHECK("text that is not UTF-8 spoils the document", thrown([] { array({1, "\xff"}).encode(); }) == ENTIDB_ERROR_INVALID_ARGUMENT);
    CHECK("so does a key", thrown([] { map({{"\xff", 1}}).encode(); }) == ENTIDB_ERROR_INVALID_ARGUMENT);
    CHECK("an encoded part that is no document spoils it", thrown([&] { array({Value::encoded(Bytes(blob))}).encode(); }) >= ENTIDB_ERROR_TRUNCATED);
    entidb::Buffer inner = map({{"n", 1}}).encode();
    CHECK("an encoded part is taken as it is", Bytes(array({Value::encoded(inner)}).encode()) == Bytes(array({map({{"n", 1}})}).encode()));
    Value built;
    for (int i = 0; i < 300; i++) built.push(Value().set("n", i));
    CHECK("values are built step by step", entidb::Document(built.encode())["299.n"].as_int() == 299);
    const std::vector<std::uint8_t> damaged{0xa2, 0x61, 'a', 0x01};
    CHECK("damage is an error with its offset", thrown([&] { entidb::View v{Bytes(damaged)}; }) == ENTIDB_ERROR_TRUNCATED);
}

template <class Owner>
constexpr bool moves_only = std::is_nothrow_move_constructible_v<Owner> && std::is_nothrow_move_assignable_v<Owner> && !std::is_copy_constructible_v<Owner> && !std::is_copy_assignable_v<Owner>;
static_assert(moves_only<Database> && moves_only<entidb::Transaction> && moves_only<entidb::Collection> && moves_only<entidb::Cursor>);
static_assert(moves_only<Entity> && moves_only<entidb::ChangeFeed> && moves_only<entidb::Buffer> && moves_only<entidb::Document>);

/// A document as deep as one may be is read by the feed as it was written: the feed adds nothing around it.
static void the_past() {
    auto db = Database::open_memory();
    auto notes = db.collection("notes");
    const Id id = notes.put(map({{"n", 1}}));
    const std::uint64_t then = db.last_sequence();
    const std::string since = db.position();
    notes.put(id, map({{"n", 2}}));
    CHECK("an entity is read as it was", notes.get_as_of(id, then)->version() == then);
    CHECK("and the database", db.begin_read_at(then).sequence() == then);
    auto versions = notes.history(id);
    CHECK("with the versions it had", versions.size() == 2 && versions[0].until == then + 1 && !versions[1].until);
    auto feed = db.changes(since);
    feed.with_before();
    auto batch = feed.next();
    CHECK("the feed gives the document before", batch && batch->time_micros() > 0 && batch->begin()->before().size() == versions[0].document.size());
}

static void deep_changes() {
    auto db = Database::open_memory();
    Value nested = map({{"leaf", 1}});
    for (int depth = 1; depth < 64; ++depth) nested = map({{"in", nested}});
    db.collection("deep").put(nested);
    auto batch = db.changes().next();
    CHECK("a deep document is in the feed", batch && batch->size() == 2);
    for (const auto& change : *batch) {
        if (change.kind() != ENTIDB_CHANGE_INSERT) continue;
        entidb::View inner = change.view();
        int depth = 0;
        for (auto next = inner.at("in"); next; next = inner.at("in")) inner = *next, ++depth;
        CHECK("and read to its leaf", depth == 63 && inner["leaf"].as_int() == 1);
    }
}

static void keys_in_the_feed() {
    auto db = Database::open_memory();
    auto notes = db.collection("notes");
    notes.create_index(entidb::Index::manual("by"));
    const Id id = notes.put(map({}));
    auto feed = db.changes(db.position());
    notes.manual_index("by").insert(Value("k"), id);
    notes.manual_index("by").remove(Value("k"), id);
    for (std::uint32_t kind : {ENTIDB_CHANGE_KEY_INSERTED, ENTIDB_CHANGE_KEY_REMOVED}) {
        auto batch = feed.next();
        CHECK("the feed tells of a key", batch && batch->size() == 1 && batch->begin()->kind() == kind && batch->begin()->is_key());
        CHECK("of an entity in an index", batch->begin()->id() == id && batch->begin()->view()["index"].as_text() == "by" && batch->begin()->view()["key"].as_text() == "k");
    }
}

static void entities(const Database& db) {
    auto notes = db.collection("notes");
    const Id id = notes.put(map({{"title", "Hello"}, {"n", 1}}));
    CHECK("a put makes an id", id != Id());
    auto found = notes.get(id);
    CHECK("a get finds it", found && (*found)["title"].as_text() == "Hello" && found->id() == id);
    notes.replace(id, map({{"title", "New"}, {"n", 2}}), found->version());
    CHECK("an entity keeps what it was", (*found)["n"].as_int() == 1 && notes.get(id)->at("n")->as_int() == 2);
    CHECK("a stale version is refused", thrown([&] { notes.replace(id, map({}), found->version()); }) == ENTIDB_ERROR_VERSION_MISMATCH);
    CHECK("a delete of a stale version is refused", thrown([&] { notes.remove(id, found->version()); }) == ENTIDB_ERROR_VERSION_MISMATCH);
    CHECK("a get of nothing is nothing", !notes.get(numbered(200)) && !notes.exists(numbered(200)) && notes.exists(id));
    CHECK("a replace of nothing is refused", thrown([&] { notes.replace(numbered(200), map({})); }) == ENTIDB_ERROR_ENTITY_NOT_FOUND);
    try {
        notes.insert(id, map({}));
        CHECK("an insert over an entity throws", false);
    } catch (const entidb::Error& error) {
        CHECK("the error tells all", error.code() == ENTIDB_ERROR_ALREADY_EXISTS && error.name() == "ALREADY_EXISTS" && error.collection() == "notes" && error.id() == id && !error.hint().empty() && error.what()[0] != 0);
        CHECK("and nothing that is not so", error.path().empty() && error.index().empty() && !error.offset() && error.os_code() == 0);
    }
    const std::vector<std::uint8_t> not_canonical{0x18, 0x01};
    try {
        notes.put(entidb::Input(Bytes(not_canonical)));
        CHECK("bytes that are not canonical are refused", false);
    } catch (const entidb::Error& error) {
        CHECK("bytes that are not canonical are refused, at an offset", error.code() == ENTIDB_ERROR_NOT_CANONICAL && error.offset() == 0u);
    }
    notes.update(id, entidb::Patch().set("a.b", "c").increment("n", 40).append("tags", "x").remove("title"));
    found = notes.get(id);
    CHECK("a patch changes parts", found->at("a.b")->as_text() == "c" && (*found)["n"].as_int() == 42 && (*found)["tags.0"].as_text() == "x" && !found->at("title"));

    std::vector<std::pair<Id, Value>> many;
    for (std::uint8_t i = 1; i <= 20; i++) many.emplace_back(numbered(i), map({{"n", i}, {"odd", i % 2 == 1}, {"tags", array({i % 3, "t"})}}));
    notes.put_many(many);
    CHECK("a batch is stored", notes.count() == 21);
    CHECK("a batch makes ids", notes.put_many(std::vector<Value>{map({{"n", 100}}), map({{"n", 101}})}).size() == 2);
    auto frames = notes.get_many({numbered(3), numbered(99), numbered(4)});
    CHECK("many are read in order", frames.size() == 3 && frames[0].id == numbered(3) && !frames[1].document && frames[1].id == numbered(99) && !frames[1].version && frames[0].version && entidb::View(*frames[2].document)["n"].as_int() == 4);
    CHECK("many are removed", notes.remove_many({numbered(1), numbered(1), numbered(99), numbered(2)}) == 2);
    CHECK("no entity has version 0", thrown([&] { notes.remove(numbered(3), 0); }) == ENTIDB_ERROR_VERSION_MISMATCH && notes.exists(numbered(3)));
    CHECK("a removal says whether", notes.remove(numbered(3)) && !notes.remove(numbered(3)));

    CHECK("an index is made once", notes.create_index("n") && !notes.create_index(entidb::Index("n")));
    CHECK("a multi index is made", notes.create_index(entidb::Index("tags").name("by_tag").multi()));
    CHECK("a unique one over duplicates is not", thrown([&] { notes.create_index(entidb::Index("odd").unique()); }) == ENTIDB_ERROR_UNIQUE_VIOLATION);
    CHECK("indexes are listed", notes.indexes().view().size() == 2);
    std::vector<std::int64_t> seen;
    for (const Entity& note : notes.find(entidb::Query(field("n") >= 5 && !(field("n") > 9)).order_by("-n"))) seen.push_back(note["n"].as_int());
    CHECK("a find gives them in order", (seen == std::vector<std::int64_t>{9, 8, 7, 6, 5}));
    CHECK("conditions count", notes.find_count(field("n").in({5, 6, 500}) || field("n") == 7) == 3);
    CHECK("a range counts", notes.find_count(field("n").between(10, 12)) == 3 && notes.find_count(field("n") < 5) == 1 && notes.find_count(field("n") <= 5) == 2);
    CHECK("a query without a condition is of all", notes.find_count(entidb::Query()) == notes.count() && notes.find_count(entidb::Query().limit(3)) == 3);
    CHECK("what an array holds is found", notes.find_count(field("tags").contains("t") && field("n") != 20) == 16);
    CHECK("existence is asked", notes.find_count(field("odd").exists()) == 17 && notes.find_count(field("odd").is_null()) == 0);
    CHECK("text beginnings are asked", notes.find_count(field("a.b").starts_with("c")) == 1 && notes.find_count(entidb::Condition::all()) == 20);
    entidb::Condition joined = field("n") == 5;
    for (int number = 0; number < 10'000; number++) joined = number % 2 == 0 ? joined || field("n") == 100'000 + number : field("n") == -number || joined;
    CHECK("ten thousand conditions join in a loop", notes.find_count(joined) == 1);
    CHECK("a plan names its index", notes.explain(field("n") == 5)["index"].as_text() == "n");
    CHECK("a query nobody knows is refused", thrown([&] { notes.find_count(entidb::Condition(array({"like"}))); }) == ENTIDB_ERROR_QUERY_INVALID);

    seen.clear();
    entidb::Query pages = field("n") < 50;
    pages.order_by("n").page(6);
    for (;;) {
        auto cursor = notes.find(pages);
        std::optional<entidb::Buffer> token;
        while (auto note = cursor.next()) {
            seen.push_back((*note)["n"].as_int());
            token = cursor.token();
        }
        if (!token) break;
        pages.after(*token);
    }
    CHECK("pages give every answer once, and the last has no token though it is full", seen.size() == 18 && seen.front() == 4 && seen.back() == 42);
    auto cursor = notes.find(entidb::Query(field("n") < 50).offset(2).limit(10));
    auto first = cursor.next_batch(4, 1 << 20), second = cursor.next_batch(100, 1 << 20), third = cursor.next_batch(1, 1);
    CHECK("batches go on where the last ended", first.size() == 4 && second.size() == 6 && third.size() == 0);

    std::vector<Id> ids;
    std::vector<Entity> kept;
    auto scan = notes.scan(entidb::Scan().after(numbered(10)).reverse().limit(3));
    for (auto entity = scan.next(); entity; entity = scan.next()) {
        ids.push_back(entity->id());
        kept.push_back(std::move(*entity));
    }
    CHECK("a scan goes backwards from an id", (ids == std::vector<Id>{numbered(9), numbered(8), numbered(7)}));
    CHECK("entities outlive their cursor's steps", kept[0]["n"].as_int() == 9 && kept[2]["n"].as_int() == 7);
    CHECK("a scan has no page token", thrown([&] { scan.token(); }) == ENTIDB_ERROR_UNSUPPORTED);
    CHECK("answers are removed", notes.find_remove(field("n") >= 100) == 2);
    notes.create_index(entidb::Index::manual("keys").unique());
    auto keys = notes.manual_index("keys");
    Id holder = notes.scan().begin()->id();
    CHECK("a key is given once", keys.insert(Value("b"), holder) && !keys.insert(Value("b"), holder));
    CHECK("and another", keys.insert(Value(Value::Array{1, "x"}), holder) && keys.insert(Value(7), holder) && keys.size() == 3);
    CHECK("a key is looked up", keys.lookup(Value("b")) == std::vector<Id>{holder} && keys.lookup(Value("c")).empty());
    auto ranged = keys.range();
    CHECK("keys come in their order", ranged.view().size() == 3 && ranged["0.0"].as_int() == 7 && ranged["1.0"].as_text() == "b");
    entidb::KeyRange rest;
    rest.after(7, holder).limit(1);
    CHECK("and go on after one", keys.range(rest)["0.0"].as_text() == "b" && keys.range(rest).view().size() == 1);
    auto walk = keys.scan();
    std::size_t walked = 0;
    for (auto batch = walk.next_batch(2, 1024); batch.size() > 0; batch = walk.next_batch(2, 1024)) {
        for (const auto& frame : batch) {
            walked += frame.id == holder ? 1 : 0;
            keys.insert(Value(static_cast<std::int64_t>(100 + walked)), holder);
        }
    }
    CHECK("a walk over keys does not see what it adds", walked == 3 && keys.size() == 6);
    CHECK("and is read by batches", thrown([&] { keys.scan().next(); }) == ENTIDB_ERROR_UNSUPPORTED);
    CHECK("a key is taken once", keys.remove(Value("b"), holder) && !keys.remove(Value("b"), holder));
    CHECK("an index of another kind has no keys", thrown([&] { notes.manual_index("n"); }) == ENTIDB_ERROR_INVALID_ARGUMENT);
    notes.drop_index("keys");
    notes.drop_index("by_tag");
    CHECK("an index is dropped once", thrown([&] { notes.drop_index("by_tag"); }) == ENTIDB_ERROR_INDEX_NOT_FOUND);
}

static void wakers(const Database& db) {
    int told = 0;
    auto feed = db.changes(db.position());
    feed.on_ready([&told] { ++told; });
    CHECK("a reader that did not look is not told", db.collection("wakers").put(map({})) != Id() && told == 0 && feed.next());
    CHECK("one that found nothing is told once", !feed.next() && db.collection("wakers").put(map({})) != Id() && told == 1 && db.collection("wakers").put(map({})) != Id() && told == 1);
    auto moved = std::move(feed);
    while (moved.next()) {
    }
    CHECK("also after it was moved", db.collection("wakers").put(map({})) != Id() && told == 2 && moved.next());
    moved.on_ready({});
    CHECK("and never without a waker", !moved.next() && db.collection("wakers").put(map({})) != Id() && told == 2);
    db.drop_collection("wakers");
}

static void transactions(const Database& db) {
    auto people = db.collection("people");
    const std::string since = db.position();
    auto feed = db.changes(since);
    const int given = db.write([&](entidb::Transaction& tx) {
        tx.collection("people").put(numbered(1), map({{"name", "Ada"}}));
        auto mark = tx.savepoint();
        tx.collection("people").put(numbered(2), map({{"name", "Eve"}}));
        CHECK("a transaction reads its own writes", tx.collection("people").count() == 2);
        CHECK("nobody else does", people.count() == 0);
        tx.rollback_to(mark);
        return 7;
    });
    CHECK("the closure commits and gives its result", given == 7 && people.count() == 1);
    bool passed_on = false;
    try {
        db.write([&](entidb::Transaction& tx) {
            tx.collection("people").put(map({}));
            throw std::logic_error("mine");
        });
    } catch (const std::logic_error&) {
        passed_on = true;
    }
    CHECK("an exception aborts and goes on", passed_on && people.count() == 1);
    auto read = db.begin_read();
    auto before = read.collection("people");
    people.put(numbered(3), map({{"name", "Bob"}}));
    CHECK("a read transaction sees one moment", before.count() == 1 && people.count() == 2);
    CHECK("it refuses writes", thrown([&] { before.put(map({})); }) == ENTIDB_ERROR_READ_ONLY);
    read.abort();
    CHECK("after its end it refuses", !read.is_open() && thrown([&] { before.count(); }) == ENTIDB_ERROR_TRANSACTION_ENDED);
    auto write = db.begin_write();
    CHECK("a thread does not wait for itself", thrown([&] { db.begin_write(std::chrono::milliseconds(1)); }) == ENTIDB_ERROR_DEADLOCK);
    write.detach();
    CHECK("unless the transaction belongs to no thread", thrown([&] { db.begin_write(std::chrono::milliseconds(1)); }) == ENTIDB_ERROR_BUSY);
    CHECK("a second writer waits as long as told", thrown([&] { db.begin_write(std::chrono::milliseconds(0)); }) == ENTIDB_ERROR_BUSY);
    CHECK("a wait below zero is no wait", thrown([&] { db.begin_write(std::chrono::milliseconds(-1)); }) == ENTIDB_ERROR_BUSY);
    CHECK("close refuses while a writer is open", thrown([&] { db.close(); }) == ENTIDB_ERROR_IN_USE);
    write.create_collection("a");
    write.rename_collection("a", "b");
    CHECK("collections are listed in a transaction", write.collections().size() == db.collections().size() + 1);
    write.drop_collection("b");
    const auto sequence = write.sequence();
    CHECK("a commit has the sequence it said", write.commit(entidb::Durability::Durable) >= sequence - 1);
    CHECK("a second commit is refused", thrown([&] { write.commit(); }) == ENTIDB_ERROR_TRANSACTION_ENDED);
    { auto forgotten = db.begin_write(); forgotten.collection("people").put(map({})); }
    CHECK("a transaction that goes out of scope is aborted", people.count() == 2);

    auto batch = feed.next();
    CHECK("the feed gives changes", batch && batch->size() >= 1 && batch->ends_commit() && batch->begin()->collection() == "people");
    CHECK("and where it is", feed.position() == batch->position() && std::stoull(feed.position()) == batch->sequence());
    feed.unread();
    auto again = feed.next();
    CHECK("a batch is given again", again && again->sequence() == batch->sequence() && db.changes(since).next()->sequence() == batch->sequence());
    while (feed.next()) {}
    CHECK("and then waits in vain", !feed.next(std::chrono::milliseconds(5)));

    db.create_collection("c");
    CHECK("a collection is there once", thrown([&] { db.create_collection("c"); }) == ENTIDB_ERROR_COLLECTION_EXISTS);
    db.rename_collection("c", "d");
    db.drop_collection("d");
    CHECK("dropped is dropped", thrown([&] { db.drop_collection("d"); }) == ENTIDB_ERROR_COLLECTION_NOT_FOUND);
    std::thread threads[4];
    for (int t = 0; t < 4; t++) threads[t] = std::thread([&db, t] {
        auto mine = db.collection("threads");
        for (int i = 0; i < 25; i++) mine.put(map({{"t", t}, {"i", i}}));
    });
    for (auto& thread : threads) thread.join();
    CHECK("threads share a database", db.collection("threads").count() == 100);
}

static void maintenance() {
    namespace fs = std::filesystem;
    fs::path folder = fs::temp_directory_path() / ("entidb-cpp-" + std::to_string(std::chrono::steady_clock::now().time_since_epoch().count()));
    fs::path copy = folder.string() + "-copy";
    {
        auto db = Database::open(folder.string(), map({{"durability", "grouped"}}));
        CHECK("opening reports", db.open_report()["created"].as_bool());
        CHECK("options are read back", db.config()["durability"].as_text() == "grouped");
        db.collection("notes").put(numbered(1), map({{"n", 1}}));
        db.wait_durable(db.last_sequence(), std::chrono::seconds(10));
        db.checkpoint();
        db.compact();
        CHECK("verify finds nothing wrong", db.verify()["ok"].as_bool() && db.verify(entidb::Verify::Quick)["ok"].as_bool());
        CHECK("there are statistics", db.stats().view().size() > 0);
        db.backup(copy.string());
        CHECK("a backup does not write over one", thrown([&] { db.backup(copy.string()); }) == ENTIDB_ERROR_TARGET_NOT_EMPTY);
        const std::string before = db.position();
        db.collection("notes").put(map({{"n", 9}}));
        const std::string beyond = db.position();
        CHECK("a read transaction knows its position", db.begin_read().position() == beyond);
        CHECK("a plain database has no keys", thrown([&] { db.rotate_key(); }) == ENTIDB_ERROR_NOT_ENCRYPTED && thrown([&] { db.rekey(); }) == ENTIDB_ERROR_NOT_ENCRYPTED);
        {
            const std::vector<std::uint8_t> first(32, 1), second(32, 2);
            auto secret = entidb::Database::open_memory(entidb::map({{"key", entidb::Bytes(first)}}));
            secret.change_key(entidb::Key::raw(first), entidb::Key::raw(second));
            secret.add_key(entidb::Key::raw(second), entidb::Key::raw(first));
            secret.remove_key(entidb::Key::raw(first));
            CHECK("keys are changed, added and taken away", thrown([&] { secret.remove_key(entidb::Key::raw(first)); }) == ENTIDB_ERROR_WRONG_KEY && secret.rekey());
        }
        db.trim_changes(db.last_sequence());
        CHECK("trimmed changes are a gap", thrown([&] { db.changes(before); }) == ENTIDB_ERROR_GAP);
        {
            auto restored = Database::open(copy.string());
            CHECK("a position beyond the backup is a gap in it", thrown([&] { restored.changes(beyond); }) == ENTIDB_ERROR_GAP);
            restored.collection("notes").put(map({{"n", 10}}));
            CHECK("also once it went another way", thrown([&] { restored.changes(beyond); }) == ENTIDB_ERROR_GAP);
            restored.close();
        }
        CHECK("a second open is refused", thrown([&] { Database::open(folder.string()); }) == ENTIDB_ERROR_DATABASE_LOCKED);
        auto notes = db.collection("notes");
        auto note = notes.get(numbered(1));
        db.close();
        db.close();
        CHECK("after close everything says so", db.is_closed() && thrown([&] { notes.count(); }) == ENTIDB_ERROR_CLOSED && thrown([&] { db.begin_read(); }) == ENTIDB_ERROR_CLOSED);
        CHECK("an entity lives on", (*note)["n"].as_int() == 1);
    }
    auto options = entidb::Options().create(false).read_only().lock_timeout_ms(7).durability(entidb::Durability::Grouped);
    {
        auto db = Database::open(copy.string(), options);
        auto config = db.config();
        CHECK("its options are read back", config["lock_timeout_ms"].as_int() == 7 && config["read_only"].as_bool() && config["durability"].as_text() == "grouped");
        CHECK("the backup opens, read-only", db.collection("notes").count() == 2 && thrown([&] { db.collection("notes").put(map({})); }) == ENTIDB_ERROR_READ_ONLY);
    }
    CHECK("what is not there is not opened", thrown([&] { Database::open((folder / "none").string(), options); }) == ENTIDB_ERROR_DATABASE_NOT_FOUND);
    CHECK("an option set twice has its last value", Database::open_memory(entidb::Options().memory_bytes(1 << 21).memory_bytes(1 << 22)).config()["memory_bytes"].as_int() == 1 << 22);
    CHECK("a value out of bounds names them", thrown([&] { Database::open_memory(entidb::Options().compression(entidb::Compression::None).memory_bytes(1)); }) == ENTIDB_ERROR_INVALID_ARGUMENT);
    CHECK("an option nobody knows is refused", thrown([&] { Database::open(folder.string(), map({{"readonly", true}})); }) == ENTIDB_ERROR_UNKNOWN_OPTION);
    fs::remove_all(folder);
    fs::remove_all(copy);
}

int main() {
    CHECK("the library has a version", !entidb::version().empty() && entidb::has_feature("memory") && !entidb::has_feature("magic"));
    documents();
    claims();
    the_past();
    deep_changes();
    keys_in_the_feed();
    auto db = Database::open_memory();
    entities(db);
    wakers(db);
    transactions(db);
    auto moved = std::move(db);
    CHECK("what was moved from says so", db.is_closed() && thrown([&] { db.collection("x"); }) == ENTIDB_ERROR_INVALID_HANDLE);
    CHECK("what was moved to works", moved.collection("people").count() == 2);
    moved.close();
    maintenance();
    return finish();
}
