// Databases in C++: databases, transactions and change feeds.
//
// Always: owners are move-only; a transaction that is not committed is aborted by its end; databases and collections may
// be used by any number of threads, everything else by one at a time. Does not know: how documents are written.
#ifndef ENTIDB_DATABASE_HPP
#define ENTIDB_DATABASE_HPP

#include "collection.hpp"
#include "document.hpp"

namespace entidb {

namespace detail {

inline std::vector<std::string> names(const Document& list) {
    std::vector<std::string> names;
    View all = list.view();
    for (const View::Entry& entry : all) names.emplace_back(entry.value.as_text());
    return names;
}

}  // namespace detail

/// When a commit returns.
enum class Durability : std::uint32_t {
    Default = ENTIDB_DURABILITY_DEFAULT,
    Durable = ENTIDB_DURABILITY_DURABLE,
    Grouped = ENTIDB_DURABILITY_GROUPED,
    None = ENTIDB_DURABILITY_NONE,
};

/// A transaction, for reading or for writing. One thread at a time; its end aborts it when it is still open.
class Transaction {
  public:
    explicit Transaction(entidb_transaction* taken) noexcept : transaction_(taken) {}

    /// The collection as this transaction sees it.
    Collection collection(std::string_view name) const {
        entidb_collection* found = nullptr;
        detail::call([&](auto error) {
            return entidb_transaction_collection(get(), detail::raw(name), name.size(), &found, error);
        });
        return Collection(found);
    }
    std::vector<std::string> collections() const {
        Buffer out;
        detail::call([&](auto error) { return entidb_transaction_collections(get(), out.out(), error); });
        return detail::names(Document(std::move(out)));
    }
    void create_collection(std::string_view name) const {
        detail::call([&](auto error) {
            return entidb_transaction_create_collection(get(), detail::raw(name), name.size(), error);
        });
    }
    void rename_collection(std::string_view from, std::string_view to) const {
        detail::call([&](auto error) {
            return entidb_transaction_rename_collection(get(), detail::raw(from), from.size(), detail::raw(to),
                                                        to.size(), error);
        });
    }
    void drop_collection(std::string_view name) const {
        detail::call([&](auto error) {
            return entidb_transaction_drop_collection(get(), detail::raw(name), name.size(), error);
        });
    }
    /// Marks this place.
    std::uint64_t savepoint() const {
        std::uint64_t savepoint = 0;
        detail::call([&](auto error) { return entidb_transaction_savepoint(get(), &savepoint, error); });
        return savepoint;
    }
    /// Undoes everything since a savepoint.
    void rollback_to(std::uint64_t savepoint) const {
        detail::call([&](auto error) { return entidb_transaction_rollback_to(get(), savepoint, error); });
    }
    /// The commit it sees, or becomes.
    std::uint64_t sequence() const {
        std::uint64_t sequence = 0;
        detail::call([&](auto error) { return entidb_transaction_sequence(get(), &sequence, error); });
        return sequence;
    }
    /// Commits and ends it.
    std::uint64_t commit(Durability durability = Durability::Default) const {
        std::uint64_t sequence = 0;
        detail::call([&](auto error) {
            return entidb_transaction_commit(get(), static_cast<std::uint32_t>(durability), &sequence, error);
        });
        return sequence;
    }
    /// Forgets the changes and ends it; fine when it is over.
    void abort() const {
        detail::call([&](auto error) { return entidb_transaction_abort(get(), error); });
    }
    bool is_open() const noexcept { return entidb_transaction_is_open(get()) != 0; }

  private:
    const entidb_transaction* get() const noexcept { return transaction_.get(); }

    detail::Owned<entidb_transaction, entidb_transaction_free> transaction_;
};

/// A reader of the change feed. One thread at a time.
class ChangeFeed {
  public:
    explicit ChangeFeed(entidb_change_feed* taken) noexcept : feed_(taken) {}

    /// The next commit, waiting for one: a map of `sequence` and `changes`. Nothing when the wait ends.
    std::optional<Document> next(std::chrono::milliseconds wait = std::chrono::milliseconds(0)) {
        Buffer out;
        std::uint64_t wait_ms = wait.count() > 0 ? static_cast<std::uint64_t>(wait.count()) : 0;
        entidb_status status =
            detail::call([&](auto error) { return entidb_change_feed_next(feed_.get(), wait_ms, out.out(), error); });
        if (status == ENTIDB_TIMEOUT) return std::nullopt;
        return Document(std::move(out));
    }
    /// The sequence of the last commit given.
    std::uint64_t position() const noexcept { return entidb_change_feed_position(feed_.get()); }

  private:
    detail::Owned<entidb_change_feed, entidb_change_feed_free> feed_;
};

/// How thoroughly to verify.
enum class Verify : std::uint32_t { Quick = ENTIDB_VERIFY_QUICK, Full = ENTIDB_VERIFY_FULL };

/// An open database. Any number of threads may use it at once.
class Database {
  public:
    explicit Database(entidb_database* taken) noexcept : database_(taken) {}

    /// Opens the database in a folder, making it when there is none. Options by name: `map({{"durability", "none"}})`.
    static Database open(std::string_view path, const Value& options = Value(Value::Map())) {
        Buffer named = options.encode();
        return made([&](auto out, auto error) {
            return entidb_database_open_named(detail::raw(path), path.size(), named.data(), named.size(), out, error);
        });
    }
    /// Opens with the options of C.
    static Database open(std::string_view path, const entidb_open_options& options) {
        return made([&](auto out, auto error) {
            return entidb_database_open(detail::raw(path), path.size(), &options, out, error);
        });
    }
    /// Opens a database in memory.
    static Database open_memory(const Value& options = Value(Value::Map())) {
        Buffer named = options.encode();
        return made([&](auto out, auto error) {
            return entidb_database_open_memory(named.data(), named.size(), out, error);
        });
    }

    /// Closes it for every handle on it: what is not durable yet is flushed. Closing twice is fine.
    void close() const {
        detail::call([&](auto error) { return entidb_database_close(get(), error); });
    }
    bool is_closed() const noexcept { return entidb_database_is_closed(get()) != 0; }

    /// The collection of a name; it comes into being with its first entity.
    Collection collection(std::string_view name) const {
        entidb_collection* found = nullptr;
        detail::call([&](auto error) {
            return entidb_database_collection(get(), detail::raw(name), name.size(), &found, error);
        });
        return Collection(found);
    }
    std::vector<std::string> collections() const {
        return detail::names(document([&](auto out, auto error) { return entidb_database_collections(get(), out, error); }));
    }
    void create_collection(std::string_view name) const {
        detail::call([&](auto error) {
            return entidb_database_create_collection(get(), detail::raw(name), name.size(), error);
        });
    }
    void rename_collection(std::string_view from, std::string_view to) const {
        detail::call([&](auto error) {
            return entidb_database_rename_collection(get(), detail::raw(from), from.size(), detail::raw(to), to.size(), error);
        });
    }
    void drop_collection(std::string_view name) const {
        detail::call([&](auto error) {
            return entidb_database_drop_collection(get(), detail::raw(name), name.size(), error);
        });
    }

    /// Begins to read the database as it is now.
    Transaction begin_read() const {
        entidb_transaction* begun = nullptr;
        detail::call([&](auto error) { return entidb_database_begin_read(get(), &begun, error); });
        return Transaction(begun);
    }
    /// Begins to change the database, waiting for another writer as the options say, or as given.
    Transaction begin_write(std::optional<std::chrono::milliseconds> wait = {}) const {
        entidb_transaction* begun = nullptr;
        std::uint64_t wait_ms = wait ? static_cast<std::uint64_t>(wait->count()) : UINT64_MAX;
        detail::call([&](auto error) { return entidb_database_begin_write(get(), wait_ms, &begun, error); });
        return Transaction(begun);
    }
    /// Runs a function in a write transaction: commits when it returns, aborts when it throws. Gives what it gives.
    template <class Body>
    auto write(Body&& body, Durability durability = Durability::Default) const {
        Transaction transaction = begin_write();
        if constexpr (std::is_void_v<std::invoke_result_t<Body, Transaction&>>) {
            body(transaction);
            transaction.commit(durability);
        } else {
            auto result = body(transaction);
            transaction.commit(durability);
            return result;
        }
    }

    /// Reads the changes committed after a sequence; 0 begins at the first.
    ChangeFeed changes(std::uint64_t since = 0) const {
        entidb_change_feed* feed = nullptr;
        detail::call([&](auto error) { return entidb_database_changes(get(), since, &feed, error); });
        return ChangeFeed(feed);
    }
    /// Removes changes up to and including a sequence from the feed.
    void trim_changes(std::uint64_t through) const {
        detail::call([&](auto error) { return entidb_database_trim_changes(get(), through, error); });
    }
    /// The sequence of the newest commit.
    std::uint64_t last_sequence() const noexcept { return entidb_database_last_sequence(get()); }
    /// Waits until a commit is on stable storage.
    void wait_durable(std::uint64_t sequence, std::chrono::milliseconds wait) const {
        auto wait_ms = static_cast<std::uint64_t>(wait.count());
        detail::call([&](auto error) { return entidb_database_wait_durable(get(), sequence, wait_ms, error); });
    }
    /// Puts the newest writes into segments and cuts the log.
    void checkpoint() const {
        detail::call([&](auto error) { return entidb_database_checkpoint(get(), error); });
    }
    /// Merges all segments.
    void compact() const {
        detail::call([&](auto error) { return entidb_database_compact(get(), error); });
    }
    /// Checks everything: a map of `ok`, `problems` and counts.
    Document verify(Verify level = Verify::Full) const {
        return document([&](auto out, auto error) {
            return entidb_database_verify(get(), static_cast<std::uint32_t>(level), out, error);
        });
    }
    /// Copies the database as it is into a new folder, which opens as a database.
    void backup(std::string_view path) const {
        detail::call([&](auto error) { return entidb_database_backup(get(), detail::raw(path), path.size(), error); });
    }
    /// Counters and sizes by name.
    Document stats() const {
        return document([&](auto out, auto error) { return entidb_database_stats(get(), out, error); });
    }
    /// The options in force, by name.
    Document config() const {
        return document([&](auto out, auto error) { return entidb_database_config(get(), out, error); });
    }
    /// What opening found.
    Document open_report() const {
        return document([&](auto out, auto error) { return entidb_database_open_report(get(), out, error); });
    }

  private:
    const entidb_database* get() const noexcept { return database_.get(); }

    template <class Call>
    static Database made(Call&& call) {
        if (entidb_abi_version() / 1000 != ENTIDB_ABI_VERSION / 1000) {
            throw Error(ENTIDB_ERROR_LIBRARY_MISMATCH, "the header and the library speak different versions of the C ABI");
        }
        entidb_database* database = nullptr;
        detail::call([&](auto error) { return call(&database, error); });
        return Database(database);
    }
    template <class Call>
    static Document document(Call&& call) {
        Buffer out;
        detail::call([&](auto error) { return call(out.out(), error); });
        return Document(std::move(out));
    }

    detail::Owned<entidb_database, entidb_database_free> database_;
};

/// The version of the library, such as `0.1.0`.
inline std::string_view version() noexcept {
    std::size_t size = 0;
    const std::uint8_t* data = entidb_version(&size);
    return {reinterpret_cast<const char*>(data), size};
}

/// Whether the library has a feature: `encryption`, `file`, `memory`, `change_feed`.
inline bool has_feature(std::string_view name) noexcept {
    return entidb_has_feature(detail::raw(name), name.size()) != 0;
}

}  // namespace entidb

#endif
