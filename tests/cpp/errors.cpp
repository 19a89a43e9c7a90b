// Provokes every code of this surface that can be provoked, in C++, and checks its name, family and hint.
//
// Always: a code is in exactly one of two lists, what provokes it or why nothing does.
#include "check.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <csignal>
#include <set>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace fs = std::filesystem;
using entidb::array;
using entidb::Collection;
using entidb::Database;
using entidb::field;
using entidb::Id;
using entidb::map;
using entidb::Value;

static fs::path home;

static Id numbered(std::uint8_t number) {
    Id id;
    id.bytes[15] = number;
    return id;
}

static Value key(std::uint8_t first) { return Value(std::vector<std::uint8_t>(32, first)); }

/// An empty folder of a name.
static fs::path fresh(const char* name) {
    fs::path path = home / name;
    fs::remove_all(path);
    return path;
}

/// A database in a folder, made and closed.
static std::string made(const char* name, const Value& options = map({})) {
    std::string path = fresh(name).string();
    Database db = Database::open(path, options);
    db.collection("c").put(numbered(1), map({{"n", 1}}));
    db.close();
    return path;
}

/// Reads bytes that are no document as one.
static void decode(std::vector<std::uint8_t> bytes) { Value::encoded(bytes).encode(); }

static std::uint32_t crc32(const char* data, std::size_t size) {
    std::uint32_t crc = ~0u;
    for (std::size_t at = 0; at < size; at++) {
        crc ^= static_cast<std::uint8_t>(data[at]);
        for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
    }
    return ~crc;
}

/// Writes over a byte of the headers of ROOT and makes their checksums right again.
static std::string changed(const std::string& path, std::size_t at, char to) {
    std::fstream root(path + "/ROOT", std::ios::in | std::ios::out | std::ios::binary);
    for (std::streamoff slot : {0, 4096}) {
        char header[128];
        root.seekg(slot);
        root.read(header, sizeof header);
        header[at] = to;
        const std::uint32_t crc = crc32(header, 124);
        for (int byte = 0; byte < 4; byte++) header[124 + byte] = static_cast<char>(crc >> 8 * byte);
        root.seekp(slot);
        root.write(header, sizeof header);
    }
    return path;
}

/// Puts another file in the place of every open file of a folder, as a failing disk would.
static void swapped(const fs::path& folder, const char* other, int flags) {
    const int with = ::open(other, flags);
    std::vector<int> open;
    for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
        std::error_code gone;
        const fs::path place = fs::read_symlink(entry.path(), gone);
        if (!gone && place.parent_path() == folder) open.push_back(std::stoi(entry.path().filename().string()));
    }
    for (int number : open) ::dup2(with, number);
    ::close(with);
}

/// What a body throws in a process of its own.
static entidb_status alone(const std::function<void()>& body) {
    int ends[2];
    if (::pipe(ends) != 0) return -1;
    const pid_t child = ::fork();
    if (child == 0) {
        const entidb_status status = thrown(body);
        const bool told = ::write(ends[1], &status, sizeof status) == sizeof status;
        ::_exit(told ? 0 : 1);
    }
    ::close(ends[1]);
    entidb_status status = -1;
    if (::read(ends[0], &status, sizeof status) != sizeof status) status = -1;
    ::close(ends[0]);
    ::waitpid(child, nullptr, 0);
    return status;
}

static void rethrown(entidb_status status) {
    if (status != ENTIDB_OK) throw entidb::Error(status, "in a process of its own");
}

using Body = std::function<void(Database&, Collection&)>;

static const std::map<entidb_status, Body>& given() {
    static const std::map<entidb_status, Body> bodies{
        {ENTIDB_ERROR_INVALID_ARGUMENT, [](auto& db, auto&) { db.create_collection(""); }},
        {ENTIDB_ERROR_INVALID_HANDLE, [](auto& db, auto&) { auto moved = std::move(db); db.collections(); }},
        {ENTIDB_ERROR_UNKNOWN_OPTION, [](auto&, auto&) { Database::open_memory(map({{"durabilty", "none"}})); }},
        {ENTIDB_ERROR_TOO_LARGE, [](auto&, auto&) {
             Database::open_memory(map({{"entity_bytes_max", 1024}})).collection("c").put(map({{"x", std::string(5000, 'y')}}));
         }},
        {ENTIDB_ERROR_UNSUPPORTED, [](auto&, auto& c) { c.put(map({})); auto walk = c.scan(); walk.next(); walk.token(); }},
        {ENTIDB_ERROR_CONCURRENT_USE, [](auto& db, auto&) {
             auto feed = db.changes();
             std::thread waiter([&] { thrown([&] { feed.next(std::chrono::seconds(2)); }); });
             entidb_status found = ENTIDB_OK;
             for (int tries = 0; tries < 1000 && found == ENTIDB_OK; tries++) {
                 std::this_thread::sleep_for(std::chrono::milliseconds(1));
                 found = thrown([&] { feed.next(); });
             }
             waiter.join();
             rethrown(found);
         }},
        {ENTIDB_ERROR_COLLECTION_NOT_FOUND, [](auto& db, auto&) { db.drop_collection("none"); }},
        {ENTIDB_ERROR_COLLECTION_EXISTS, [](auto& db, auto&) { db.create_collection("x"); db.create_collection("x"); }},
        {ENTIDB_ERROR_INDEX_NOT_FOUND, [](auto&, auto& c) { c.put(map({})); c.drop_index("none"); }},
        {ENTIDB_ERROR_INDEX_EXISTS, [](auto&, auto& c) { c.create_index(entidb::Index("a").name("i")); c.create_index(entidb::Index("b").name("i")); }},
        {ENTIDB_ERROR_DATABASE_LOCKED, [](auto&, auto&) { auto first = Database::open(fresh("locked").string()); Database::open((home / "locked").string()); }},
        {ENTIDB_ERROR_BUSY, [](auto& db, auto&) { auto tx = db.begin_write(); db.begin_write(std::chrono::milliseconds(0)); }},
        {ENTIDB_ERROR_DEADLOCK, [](auto& db, auto& c) { auto tx = db.begin_write(); c.put(map({})); }},
        {ENTIDB_ERROR_CLOSED, [](auto& db, auto& c) { db.close(); c.count(); }},
        {ENTIDB_ERROR_READ_ONLY, [](auto& db, auto&) { auto tx = db.begin_read(); tx.collection("c").put(map({})); }},
        {ENTIDB_ERROR_FORKED, [](auto&, auto& c) { rethrown(alone([&] { c.count(); })); }},
        {ENTIDB_ERROR_FORKED, [](auto& db, auto&) { rethrown(alone([&] { db.last_sequence(); })); }},
        {ENTIDB_ERROR_FORKED, [](auto& db, auto&) { rethrown(alone([&] { db.is_closed(); })); }},
        {ENTIDB_ERROR_FORKED, [](auto& db, auto&) { auto tx = db.begin_read(); rethrown(alone([&] { tx.is_open(); })); }},
        {ENTIDB_ERROR_GAP, [](auto& db, auto& c) { const auto before = db.position(); c.put(map({})); db.trim_changes(db.last_sequence()); db.changes(before); }},
        {ENTIDB_ERROR_SNAPSHOT_EXPIRED, [](auto& db, auto& c) { const auto then = db.last_sequence(); c.put(map({})); db.trim_changes(db.last_sequence()); db.begin_read_at(then); }},
        {ENTIDB_ERROR_CANCELLED, [](auto& db, auto&) {
             struct Forget { ~Forget() { entidb_interrupt_set(nullptr, nullptr); } } forget;
             entidb_interrupt_set([](void*) -> int32_t { return 1; }, nullptr);
             db.wait_durable(db.last_sequence() + 1000, std::chrono::hours(1));
         }},
        {ENTIDB_ERROR_CANCELLED, [](auto& db, auto&) {
             entidb::Cancel token;
             auto entered = token.enter();
             std::thread other([&] { token.cancel(); });
             other.join();
             db.changes(db.position()).next(std::chrono::hours(1));
         }},
        {ENTIDB_ERROR_CLOSED, [](auto& db, auto&) {
             auto feed = db.changes(db.position());
             std::thread other([&] { std::this_thread::sleep_for(std::chrono::milliseconds(5)); feed.close(); });
             struct Join { std::thread& thread; ~Join() { thread.join(); } } join{other};
             feed.next(std::chrono::hours(1));
         }},
        {ENTIDB_ERROR_TIMEOUT, [](auto& db, auto&) {
             entidb::Cancel deadline(std::chrono::milliseconds(5));
             auto entered = deadline.enter();
             db.changes(db.position()).next(std::chrono::hours(1));
         }},
        {ENTIDB_ERROR_TIMEOUT, [](auto& db, auto&) { db.wait_durable(db.last_sequence() + 1000, std::chrono::milliseconds(5)); }},
        {ENTIDB_ERROR_IN_USE, [](auto& db, auto&) { auto tx = db.begin_write(); db.close(); }},
        {ENTIDB_ERROR_PERMISSION_DENIED, [](auto&, auto&) {
             fs::create_directory(fresh("closed"));
             ::chmod((home / "closed").c_str(), 0555);
             // Root may write everywhere, so it becomes nobody first.
             rethrown(alone([] {
                 if (::geteuid() == 0 && ::setuid(65534) != 0) return;
                 Database::open((home / "closed/d").string());
             }));
         }},
        {ENTIDB_ERROR_NOT_A_DIRECTORY, [](auto&, auto&) { std::ofstream(fresh("file")) << "x"; Database::open((home / "file").string()); }},
        {ENTIDB_ERROR_NOT_A_REGULAR_FILE, [](auto&, auto&) {
             const std::string path = made("linked");
             fs::rename(path + "/ROOT", fresh("moved"));
             fs::create_symlink(home / "moved", path + "/ROOT");
             Database::open(path);
         }},
        {ENTIDB_ERROR_DATABASE_NOT_FOUND, [](auto&, auto&) { Database::open(fresh("none").string(), map({{"create", false}})); }},
        {ENTIDB_ERROR_TOO_MANY_OPEN_FILES, [](auto&, auto&) {
             const fs::path path = fresh("many");
             rethrown(alone([&] {
                 const rlimit few{5, 5};
                 ::setrlimit(RLIMIT_NOFILE, &few);
                 Database::open(path.string());
             }));
         }},
        {ENTIDB_ERROR_NO_SPACE, [](auto&, auto&) {
             const fs::path path = fresh("small");
             rethrown(alone([&] {
                 // A file that may not grow and a disk that has no space fail in the same way.
                 const rlimit small{1024, 1024};
                 ::signal(SIGXFSZ, SIG_IGN);
                 ::setrlimit(RLIMIT_FSIZE, &small);
                 Database::open(path.string());
             }));
         }},
        {ENTIDB_ERROR_TARGET_NOT_EMPTY, [](auto& db, auto&) { fs::create_directories(fresh("full") / "x"); db.backup((home / "full").string()); }},
        {ENTIDB_ERROR_CORRUPT, [](auto&, auto&) {
             const std::string path = fresh("damaged").string();
             {
                 auto db = Database::open(path);
                 for (int n = 0; n < 100; n++) db.collection("c").put(map({{"n", n}, {"pad", std::string(100, 'x')}}));
                 db.checkpoint();
                 db.close();
             }
             for (const auto& entry : fs::directory_iterator(path + "/seg")) {
                 std::fstream segment(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
                 segment.seekg(200);
                 const char byte = static_cast<char>(segment.get() ^ 1);
                 segment.seekp(200);
                 segment.put(byte);
             }
             auto walk = Database::open(path).collection("c").scan();
             while (walk.next()) {}
         }},
        {ENTIDB_ERROR_TAMPERED, [](auto&, auto&) { Database::open(changed(made("tampered"), 52, 1)); }},
        {ENTIDB_ERROR_FORMAT_TOO_NEW, [](auto&, auto&) { Database::open(changed(made("newer"), 8, 2)); }},
        {ENTIDB_ERROR_NOT_A_DATABASE, [](auto&, auto&) { fs::create_directories(fresh("other") / "x"); Database::open((home / "other").string()); }},
        {ENTIDB_ERROR_WRONG_KEY, [](auto&, auto&) { Database::open(made("keyed", map({{"key", key(1)}})), map({{"key", key(2)}})); }},
        {ENTIDB_ERROR_ENCRYPTION_REQUIRED, [](auto&, auto&) { Database::open(made("keyed", map({{"key", key(1)}}))); }},
        {ENTIDB_ERROR_NOT_ENCRYPTED, [](auto&, auto&) { Database::open(made("plain"), map({{"key", key(1)}})); }},
        {ENTIDB_ERROR_TRUNCATED, [](auto&, auto&) { decode({0x82}); }},
        {ENTIDB_ERROR_NOT_CANONICAL, [](auto&, auto&) { decode({0x18, 0x01}); }},
        {ENTIDB_ERROR_TOO_DEEP, [](auto&, auto& c) {
             Value deep(1);
             for (int level = 0; level < 70; level++) deep = array({deep});
             c.put(map({{"d", deep}}));
         }},
        {ENTIDB_ERROR_DUPLICATE_KEY, [](auto&, auto& c) { c.put(map({{"a", 1}, {"a", 2}})); }},
        {ENTIDB_ERROR_INVALID_UTF8, [](auto&, auto&) { decode({0x61, 0xff}); }},
        {ENTIDB_ERROR_TRAILING_BYTES, [](auto&, auto&) { decode({0x00, 0x00}); }},
        {ENTIDB_ERROR_UNSUPPORTED_ITEM, [](auto&, auto&) { decode({0xf7}); }},
        {ENTIDB_ERROR_INVALID_TAG_CONTENT, [](auto&, auto&) { decode({0xd8, 0x25, 0x41, 0x00}); }},
        {ENTIDB_ERROR_INVALID_KEY, [](auto&, auto&) { decode({0xa1, 0xf4, 0x00}); }},
        {ENTIDB_ERROR_NUMBER_OUT_OF_RANGE, [](auto&, auto& c) {
             c.put(numbered(9), map({{"n", UINT64_MAX}}));
             c.update(numbered(9), entidb::Patch().increment("n", 1));
         }},
        {ENTIDB_ERROR_WRONG_TYPE, [](auto&, auto& c) { c.put(numbered(9), map({{"n", "x"}})); c.get(numbered(9))->at("n")->as_int(); }},
        {ENTIDB_ERROR_MALFORMED, [](auto&, auto&) { decode({0x1c}); }},
        {ENTIDB_ERROR_DOCUMENT_TOO_LARGE, [](auto&, auto&) {
             std::vector<std::uint8_t> bytes(5 + (5 << 24));
             bytes[0] = 0x5a;
             bytes[1] = 5;
             decode(std::move(bytes));
         }},
        {ENTIDB_ERROR_PATCH_MISMATCH, [](auto&, auto& c) { c.put(numbered(9), map({{"l", array({1})}})); c.update(numbered(9), entidb::Patch().set("l.9", 1)); }},
        {ENTIDB_ERROR_QUERY_INVALID, [](auto&, auto& c) { c.find_count(entidb::Condition(array({"like"}))); }},
        {ENTIDB_ERROR_SCAN_FORBIDDEN, [](auto&, auto&) {
             auto strict = Database::open_memory(map({{"scan_policy", "forbid"}}));
             strict.collection("c").put(map({}));
             strict.collection("c").find(field("a") == 1).next();
         }},
        {ENTIDB_ERROR_PAGE_TOKEN_INVALID, [](auto&, auto& c) {
             c.put(map({}));
             const std::vector<std::uint8_t> token{'x'};
             c.find(entidb::Query().after(entidb::Bytes(token))).next();
         }},
        {ENTIDB_ERROR_QUERY_TOO_LARGE, [](auto&, auto&) {
             auto small = Database::open_memory(map({{"sort_bytes_max", 65536}}));
             std::vector<Value> documents;
             for (int n = 0; n < 2000; n++) documents.push_back(map({{"a", n}, {"pad", std::string(200, 'x')}}));
             small.collection("c").put_many(documents);
             auto walk = small.collection("c").find(entidb::Query().order_by("a"));
             while (walk.next()) {}
         }},
        {ENTIDB_ERROR_TRANSACTION_ENDED, [](auto& db, auto&) { auto tx = db.begin_write(); tx.abort(); tx.commit(); }},
        {ENTIDB_ERROR_ALREADY_EXISTS, [](auto&, auto& c) { c.insert(numbered(1), map({})); c.insert(numbered(1), map({})); }},
        {ENTIDB_ERROR_ENTITY_NOT_FOUND, [](auto&, auto& c) { c.replace(numbered(1), map({})); }},
        {ENTIDB_ERROR_VERSION_MISMATCH, [](auto&, auto& c) { c.put(numbered(1), map({})); c.replace(numbered(1), map({}), 999); }},
        {ENTIDB_ERROR_UNIQUE_VIOLATION, [](auto&, auto& c) { c.create_index(entidb::Index("a").unique()); c.put(map({{"a", 1}})); c.put(map({{"a", 1}})); }},
        {ENTIDB_ERROR_LIMIT_REACHED, [](auto&, auto&) {
             auto small = Database::open_memory(map({{"database_bytes_max", 1 << 20}, {"compression", "none"}}));
             for (auto c = small.collection("c");;) c.put(map({{"pad", std::string(100000, 'x')}}));
         }},
        {ENTIDB_ERROR_SAVEPOINT_NOT_FOUND, [](auto& db, auto&) {
             auto tx = db.begin_write();
             auto outer = tx.savepoint(), inner = tx.savepoint();
             tx.rollback_to(outer);
             tx.rollback_to(inner);
         }},
    };
    return bodies;
}

/// Codes that nothing here provokes; those that wait for a feature are no codes of this library yet.
static const std::map<entidb_status, const char*>& not_given() {
    static const std::map<entidb_status, const char*> reasons{
        {ENTIDB_ERROR_LIBRARY_MISMATCH, "the packages of other languages give it"},
        {ENTIDB_ERROR_IO, "below, by a fault"},
        {ENTIDB_ERROR_WRITES_STOPPED, "below, by a fault"},
        {ENTIDB_ERROR_DATABASE_REPLACED, "below, by a folder that is moved"},
        {ENTIDB_ERROR_COMMIT_UNKNOWN, "below, by a fault"},
        {ENTIDB_ERROR_OUT_OF_MEMORY, "the address sanitizer needs the memory a limit would take; Python provokes it"},
        {ENTIDB_ERROR_READ_ONLY_STORAGE, "it takes a file system mounted for reading only; the tests of the storage have one"},
        {ENTIDB_ERROR_FORMAT_TOO_OLD, "there is one format"},
        {ENTIDB_ERROR_UNREPRESENTABLE, "what C++ cannot say it cannot ask to be stored"},
        {ENTIDB_ERROR_FOREIGN_HANDLE, "a savepoint is a number in C and C++, and a number of another transaction is not found"},
        {ENTIDB_ERROR_CONFLICT, "there are no optimistic transactions yet"},
        {ENTIDB_ERROR_INTERNAL, "it would be a defect"},
        {ENTIDB_ERROR_PANIC, "it would be a defect; the tests of the C functions cause one"},
    };
    return reasons;
}

/// An error has the code, and with it a name, a hint and a sentence.
static bool judged(entidb_status code, const std::function<void()>& body) {
    try {
        body();
    } catch (const entidb::Error& error) {
        const std::string_view what = error.what();
        const bool whole = !error.name().empty() && !error.hint().empty() && !what.empty() && what.back() != '.';
        if (error.code() != code || !whole) std::printf("# %d %s: %s\n", error.code(), std::string(error.name()).c_str(), error.what());
        return error.code() == code && whole;
    }
    std::printf("# nothing was thrown\n");
    return false;
}

static std::string name_of(entidb_status code) { return std::string(entidb::Error(code, "").name()); }

/// The codes of the table that wait for no feature, by number.
static std::set<entidb_status> due(const fs::path& root) {
    std::set<entidb_status> codes;
    std::ifstream file(root / "docs/spec/errors.toml");
    entidb_status number = 0;
    for (std::string line; std::getline(file, line);) {
        if (line.rfind("[[", 0) == 0) number = 0;
        if (line.rfind("code = ", 0) == 0 || line.rfind("number = ", 0) == 0) number = std::atoi(line.c_str() + line.find("= ") + 2);
        if (number >= 100) codes.insert(number);
        if (line.rfind("planned", 0) == 0 || line.rfind("retired", 0) == 0) codes.erase(number), number = 0;
    }
    return codes;
}

static void faults() {
    auto other = Database::open(fresh("flush").string());
    auto more = other.collection("c");
    more.put(numbered(1), map({}));
    // It takes every byte and cannot flush.
    swapped(home / "flush/wal", "/dev/null", O_RDWR);
    CHECK("a flush that fails is COMMIT_UNKNOWN", judged(ENTIDB_ERROR_COMMIT_UNKNOWN, [&] { more.put(map({})); }));
    CHECK("after it writes are WRITES_STOPPED", judged(ENTIDB_ERROR_WRITES_STOPPED, [&] { more.put(map({})); }));
    CHECK("and reading goes on", more.exists(numbered(1)));
    {
        auto moved = Database::open(fresh("moved").string());
        moved.collection("c").put(numbered(1), map({}));
        fs::rename(home / "moved", fresh("elsewhere"));
        CHECK("a moved folder is DATABASE_REPLACED", judged(ENTIDB_ERROR_DATABASE_REPLACED, [&] { moved.checkpoint(); }));
        CHECK("and takes no writes", judged(ENTIDB_ERROR_DATABASE_REPLACED, [&] { moved.collection("c").put(map({})); }));
        CHECK("and is read", moved.collection("c").exists(numbered(1)));
    }
    {
        auto filled = Database::open(fresh("read").string(), map({{"durability", "none"}}));
        for (int n = 0; n < 2000; n++) filled.collection("c").put(map({{"pad", std::string(1000, 'x')}}));
        filled.checkpoint();
        filled.close();
    }
    auto third = Database::open((home / "read").string());
    // The file is open once something was read from it, and the rest is in no cache yet.
    third.collection("c").scan(entidb::Scan().limit(1)).next();
    swapped(home / "read/seg", "/dev/null", O_WRONLY);
    CHECK("a read that fails is IO", judged(ENTIDB_ERROR_IO, [&] { auto walk = third.collection("c").scan(); while (walk.next()) {} }));
}

int main() {
    home = fs::temp_directory_path() / ("entidb-cpp-errors-" + std::to_string(::getpid()));
    fs::create_directories(home);
    ::chmod(home.c_str(), 0755);
    for (const auto& [code, body] : given()) {
        auto db = Database::open_memory();
        auto collection = db.collection("c");
        const std::string claim = name_of(code) + " is thrown with its name and a hint";
        CHECK(claim.c_str(), judged(code, [&] { body(db, collection); }));
        CHECK("and is in no other list", not_given().count(code) == 0);
    }
    {
        auto db = Database::open_memory();
        auto collection = db.collection("c");
        collection.put(numbered(1), map({{"n", 7}}));
        const auto entity = collection.get(numbered(1));
        const entidb_status read = alone([&] {
            if (entity->id() != numbered(1) || entity->version() == 0 || entity->bytes().size() == 0) throw entidb::Error(1, "it is not what was read");
        });
        CHECK("an entity that was read is read in a forked child", read == ENTIDB_OK);
    }
#ifdef __linux__
    faults();
#endif
    const char* root = std::getenv("ENTIDB_ROOT");
    std::set<entidb_status> listed;
    for (const auto& entry : given()) listed.insert(entry.first);
    for (const auto& entry : not_given()) listed.insert(entry.first);
    for (entidb_status code : due(root == nullptr ? "." : root)) {
        if (listed.erase(code) == 0) CHECK((name_of(code) + " is provoked or has its reason").c_str(), false);
    }
    CHECK("what is listed is a code", listed.empty());
    fs::remove_all(home);
    return finish();
}
