// Databases in C++: databases, transactions and change feeds.
//
// Always: owners are move-only; a transaction that is not committed is aborted by its end; databases and collections may
// be used by any number of threads, everything else by one at a time. Does not know: how documents are written.
#ifndef ENTIDB_DATABASE_HPP
#define ENTIDB_DATABASE_HPP

#include "collection.hpp"
#include "document.hpp"
#include "interface.hpp"

#include <functional>

namespace entidb {

namespace detail {

inline std::vector<std::string> names(const Document& list) {
    std::vector<std::string> names;
    View all = list.view();
    for (const View::Entry& entry : all) names.emplace_back(entry.value.as_text());
    return names;
}

/// A negative time is no wait.
inline std::uint64_t wait_ms(std::chrono::milliseconds wait) noexcept {
    return wait.count() > 0 ? static_cast<std::uint64_t>(wait.count()) : 0;
}

}  // namespace detail

/// A read or write transaction. One thread at a time. The destructor aborts it if it is open.
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
    /// Makes it belong to no thread: a call that waits for it waits its time, also on the thread that called it last, where
    /// it would otherwise throw DEADLOCK. For transactions of tasks that share threads.
    void detach() const {
        detail::call([&](auto error) { return entidb_transaction_detach(get(), error); });
    }
    /// Sets a savepoint.
    std::uint64_t savepoint() const {
        std::uint64_t savepoint = 0;
        detail::call([&](auto error) { return entidb_transaction_savepoint(get(), &savepoint, error); });
        return savepoint;
    }
    /// Undoes all changes since a savepoint.
    void rollback_to(std::uint64_t savepoint) const {
        detail::call([&](auto error) { return entidb_transaction_rollback_to(get(), savepoint, error); });
    }
    /// The sequence of the commit that a read transaction sees, or that a write transaction will have.
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
    /// The position in the change feed after the commit that a read transaction sees.
    std::string position() const {
        return detail::filled_text([&](auto out, auto error) { return entidb_transaction_position(get(), out, error); });
    }
    /// Aborts it: the changes are lost. Does nothing if it has ended.
    void abort() const {
        detail::call([&](auto error) { return entidb_transaction_abort(get(), error); });
    }
    /// True until it is committed or aborted; false after a move.
    bool is_open() const {
        std::int32_t open = 0;
        if (get() != nullptr) detail::call([&](auto error) { return entidb_transaction_is_open(get(), &open, error); });
        return open != 0;
    }

  private:
    const entidb_transaction* get() const noexcept { return transaction_.get(); }

    detail::Owned<entidb_transaction, entidb_transaction_free> transaction_;
};

/// One change of a batch, read in place. It must not outlive the batch.
class Change {
  public:
    Change() = default;
    explicit Change(const entidb_change& change) noexcept : change_(change) {}

    /// One of ENTIDB_CHANGE_...
    std::uint32_t kind() const noexcept { return change_.kind; }
    /// The kind by its name: `insert`, `update`, `delete`, `collection_created`, ...
    std::string_view kind_name() const noexcept {
        return detail::change_kind_words[change_.kind < std::size(detail::change_kind_words) ? change_.kind : 0];
    }
    /// The name of the collection at that commit.
    std::string_view collection() const noexcept { return text(change_.collection); }
    /// True for a change of a key of a manual index.
    bool is_key() const noexcept {
        return change_.kind == ENTIDB_CHANGE_KEY_INSERTED || change_.kind == ENTIDB_CHANGE_KEY_REMOVED;
    }
    /// The entity, also for a change of its keys; nothing for a change of a collection or an index.
    std::optional<Id> id() const {
        bool has = change_.kind <= ENTIDB_CHANGE_DELETE || is_key();
        return has ? std::optional<Id>(Id::of(change_.id)) : std::nullopt;
    }
    /// The document after an insert or update, the definition of a created index, or, for a key of a manual index, a map
    /// of `index`, the name of the index, and `key`; empty otherwise.
    Bytes document() const noexcept {
        bool has = change_.kind <= ENTIDB_CHANGE_UPDATE || change_.kind == ENTIDB_CHANGE_INDEX_CREATED || is_key();
        return has ? Bytes(change_.payload) : Bytes();
    }
    /// The document before an update or a delete, when the feed was asked for it; empty otherwise.
    Bytes before() const noexcept { return Bytes(change_.before); }
    /// A view of the document.
    View view() const { return View(document()); }
    /// The new name of a renamed collection, or the name of a dropped index; empty otherwise.
    std::string_view name() const noexcept {
        bool has = change_.kind == ENTIDB_CHANGE_COLLECTION_RENAMED || change_.kind == ENTIDB_CHANGE_INDEX_DROPPED;
        return has ? text(change_.payload) : std::string_view();
    }

  private:
    static std::string_view text(const entidb_bytes& bytes) noexcept {
        return {reinterpret_cast<const char*>(bytes.data), bytes.len};
    }

    entidb_change change_{};
};

/// Changes of one commit, in order: all of them, or the next part of a large commit.
class ChangeBatch {
  public:
    explicit ChangeBatch(Buffer bytes) : bytes_(std::move(bytes)) {
        detail::call([&](auto error) { return entidb_change_batch_read(bytes_.data(), bytes_.size(), &head_, error); });
    }

    /// The commit.
    std::uint64_t sequence() const noexcept { return head_.sequence; }
    /// When the commit was made: microseconds since 1970-01-01 UTC, by the clock of the system.
    std::int64_t time_micros() const noexcept { return head_.time_micros; }
    /// The number of changes.
    std::size_t size() const noexcept { return head_.count; }
    /// True for the last batch of a commit. Most commits have one batch.
    bool ends_commit() const noexcept { return head_.ends_commit != 0; }
    /// The position after this batch.
    std::string_view position() const noexcept {
        return {reinterpret_cast<const char*>(head_.position.data), head_.position.len};
    }

    class Iterator;
    Iterator begin() const;
    Iterator end() const;

  private:
    Buffer bytes_;
    entidb_change_batch_head head_{};
};

class ChangeBatch::Iterator {
  public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Change;
    using difference_type = std::ptrdiff_t;
    using pointer = const Change*;
    using reference = const Change&;

    Iterator() = default;
    explicit Iterator(Bytes batch) : batch_(batch), left_(true) { ++*this; }
    reference operator*() const noexcept { return change_; }
    pointer operator->() const noexcept { return &change_; }
    Iterator& operator++() {
        entidb_change change{};
        left_ = detail::call([&](auto error) {
                    return entidb_change_batch_next(batch_.data(), batch_.size(), &offset_, &change, error);
                }) == ENTIDB_OK;
        change_ = Change(change);
        return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const Iterator& a, const Iterator& b) noexcept {
        return a.left_ == b.left_ && (!a.left_ || a.offset_ == b.offset_);
    }
    friend bool operator!=(const Iterator& a, const Iterator& b) noexcept { return !(a == b); }

  private:
    Bytes batch_;
    std::size_t offset_ = 0;
    Change change_;
    bool left_ = false;
};

inline ChangeBatch::Iterator ChangeBatch::begin() const { return Iterator(bytes_); }
inline ChangeBatch::Iterator ChangeBatch::end() const { return {}; }

/// A reader of the change feed. One thread at a time.
class ChangeFeed {
  public:
    explicit ChangeFeed(entidb_change_feed* taken) noexcept : feed_(taken) {}
    ChangeFeed(ChangeFeed&&) noexcept = default;
    ChangeFeed& operator=(ChangeFeed&& from) noexcept {
        // The waker of a feed outlives it.
        std::swap(waker_, from.waker_);
        std::swap(feed_, from.feed_);
        return *this;
    }

    /// The next changes. Waits up to `wait` for a commit and returns nothing if none comes. After an error the feed
    /// keeps its position.
    std::optional<ChangeBatch> next(std::chrono::milliseconds wait = std::chrono::milliseconds(0)) {
        Buffer out;
        std::uint64_t wait_ms = detail::wait_ms(wait);
        entidb_status status =
            detail::call([&](auto error) { return entidb_change_feed_next(feed_.get(), wait_ms, out.out(), error); });
        if (status == ENTIDB_TIMEOUT) return std::nullopt;
        return ChangeBatch(std::move(out));
    }
    /// Closes it: a call that waits in another thread, and every later one, throws CLOSED. Closing again does
    /// nothing.
    void close() const {
        detail::call([&](auto error) { return entidb_change_feed_close(feed_.get(), error); });
    }
    /// Sets what is called once after `next` found nothing: at the first commit since then, or when this or the database is
    /// closed. An empty function removes it. It runs on any thread, must not block, throw or call EntiDB.
    void on_ready(std::function<void()> waker) {
        if (!waker) {
            detail::call([&](auto error) { return entidb_change_feed_set_waker(feed_.get(), nullptr, nullptr, error); });
            waker_.reset();
            return;
        }
        auto next = std::make_unique<std::function<void()>>(std::move(waker));
        auto wake = [](void* given) { (*static_cast<std::function<void()>*>(given))(); };
        detail::call([&](auto error) { return entidb_change_feed_set_waker(feed_.get(), wake, next.get(), error); });
        waker_ = std::move(next);
    }
    /// From the next batch on, gives updates and deletes the document as it was before them, too.
    void with_before() {
        detail::call([&](auto error) { return entidb_change_feed_with_before(feed_.get(), error); });
    }
    /// Makes the next call return the last batch again.
    void unread() {
        detail::call([&](auto error) { return entidb_change_feed_unread(feed_.get(), error); });
    }
    /// The position after the last batch. Store it to continue there later.
    std::string position() const {
        return detail::filled_text([&](auto out, auto error) { return entidb_change_feed_position(feed_.get(), out, error); });
    }

  private:
    std::unique_ptr<std::function<void()>> waker_;
    detail::Owned<entidb_change_feed, entidb_change_feed_free> feed_;
};

/// How thoroughly to verify.
enum class Verify : std::uint32_t { Quick = ENTIDB_VERIFY_QUICK, Full = ENTIDB_VERIFY_FULL };

/// A key of 32 bytes or a password. It borrows the bytes.
class Key {
  public:
    static Key raw(Bytes key) noexcept { return Key({key.data(), key.size(), nullptr, 0}); }
    static Key password(std::string_view password) noexcept {
        return Key({nullptr, 0, detail::raw(password), password.size()});
    }

    /// The key for the C functions.
    const entidb_key& lent() const noexcept { return key_; }

  private:
    explicit Key(const entidb_key& key) noexcept : key_(key) {}

    entidb_key key_;
};

/// An open database. Any number of threads may use it at once.
class Database {
  public:
    explicit Database(entidb_database* taken) noexcept : database_(taken) {}

    /// Opens the database in a folder, making it when there is none: `Database::open(path, Options().read_only())`.
    static Database open(std::string_view path, const Options& options = {}) {
        Buffer named = options.encode();
        return made([&](auto out, auto error) {
            return entidb_database_open(detail::raw(path), path.size(), named.data(), named.size(), out, error);
        });
    }
    /// Opens a database in memory.
    static Database open_memory(const Options& options = {}) {
        Buffer named = options.encode();
        return made([&](auto out, auto error) {
            return entidb_database_open_memory(named.data(), named.size(), out, error);
        });
    }

    /// Closes the database for all of its handles, and flushes every commit. Closing again does nothing.
    void close() const {
        detail::call([&](auto error) { return entidb_database_close(get(), error); });
    }
    /// Like `close`, without waiting: calls of other threads end with `CLOSED`, and an open write transaction is
    /// aborted.
    void close_now() const {
        detail::call([&](auto error) { return entidb_database_close_now(get(), error); });
    }
    /// True after a close, and after a move.
    bool is_closed() const {
        std::int32_t closed = 1;
        if (get() != nullptr) detail::call([&](auto error) { return entidb_database_is_closed(get(), &closed, error); });
        return closed != 0;
    }

    /// The collection with this name. It is created with its first entity.
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

    /// An id that no other call makes, in the order of time, for an entity that is stored later.
    Id new_id() const {
        Id id;
        detail::call([&](auto error) { return entidb_database_new_id(get(), id.bytes.data(), error); });
        return id;
    }

    /// Begins a read transaction: a snapshot of the database as it is now.
    Transaction begin_read() const {
        entidb_transaction* begun = nullptr;
        detail::call([&](auto error) { return entidb_database_begin_read(get(), &begun, error); });
        return Transaction(begun);
    }
    /// Begins a read transaction on the database as it was after an earlier commit, given by its sequence. Queries in it
    /// scan all entities, because indexes hold the newest commit only.
    Transaction begin_read_at(std::uint64_t sequence) const {
        entidb_transaction* begun = nullptr;
        detail::call([&](auto error) { return entidb_database_begin_read_at(get(), sequence, &begun, error); });
        return Transaction(begun);
    }
    /// Begins a write transaction. Waits while another one is open, for `lock_timeout_ms` of the options unless
    /// `wait` is given. A negative time is no wait.
    Transaction begin_write(std::optional<std::chrono::milliseconds> wait = {}) const {
        entidb_transaction* begun = nullptr;
        std::uint64_t wait_ms = wait ? detail::wait_ms(*wait) : ENTIDB_DEFAULT;
        detail::call([&](auto error) { return entidb_database_begin_write(get(), wait_ms, &begun, error); });
        return Transaction(begun);
    }
    /// Runs a function in a write transaction: commits when it returns, aborts when it throws. Returns the result of
    /// the function.
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

    /// A reader of the changes after a position, or of all changes that are kept. A position of another history of
    /// the database throws GAP.
    ChangeFeed changes(std::string_view since = {}) const {
        entidb_change_feed* feed = nullptr;
        detail::call([&](auto error) { return entidb_database_changes(get(), detail::raw(since), since.size(), &feed, error); });
        return ChangeFeed(feed);
    }
    /// The position in the change feed after the newest commit. To copy the data and then follow it, use the position
    /// of the transaction that reads the copy.
    std::string position() const {
        return detail::filled_text([&](auto out, auto error) { return entidb_database_position(get(), out, error); });
    }
    /// Removes the changes up to and including a sequence from the feed.
    void trim_changes(std::uint64_t through) const {
        detail::call([&](auto error) { return entidb_database_trim_changes(get(), through, error); });
    }
    /// The sequence of the newest commit.
    std::uint64_t last_sequence() const {
        std::uint64_t sequence = 0;
        detail::call([&](auto error) { return entidb_database_last_sequence(get(), &sequence, error); });
        return sequence;
    }
    /// Waits until a commit is on stable storage.
    void wait_durable(std::uint64_t sequence, std::chrono::milliseconds wait) const {
        std::uint64_t wait_ms = detail::wait_ms(wait);
        detail::call([&](auto error) { return entidb_database_wait_durable(get(), sequence, wait_ms, error); });
    }
    /// Writes the data in the log to segments, and shortens the log.
    Document checkpoint() const {
        return document([&](auto out, auto error) { return entidb_database_checkpoint(get(), out, error); });
    }
    /// Merges all segments and removes old versions and deleted data.
    Document compact() const {
        return document([&](auto out, auto error) { return entidb_database_compact(get(), out, error); });
    }
    /// Checks the database: a map of `ok`, `problems` and counts.
    Document verify(Verify level = Verify::Full) const {
        return document([&](auto out, auto error) {
            return entidb_database_verify(get(), static_cast<std::uint32_t>(level), out, error);
        });
    }
    /// Copies the database, as of one commit, to a new folder, which is a database of its own.
    Document backup(std::string_view path) const {
        return document([&](auto out, auto error) { return entidb_database_backup(get(), detail::raw(path), path.size(), out, error); });
    }
    /// Checks a backup, or any database that is not open: the report of `verify`. Of the options it uses the key.
    static Document validate_backup(std::string_view backup, const Options& options = {}) {
        Buffer named = options.encode();
        return document([&](auto out, auto error) {
            return entidb_backup_validate(detail::raw(backup), backup.size(), named.data(), named.size(), out, error);
        });
    }
    /// Restores a backup into a new or empty folder, after checking it. Of the options it uses the key.
    static Document restore(std::string_view backup, std::string_view path, const Options& options = {}) {
        Buffer named = options.encode();
        return document([&](auto out, auto error) {
            return entidb_backup_restore(detail::raw(backup), backup.size(), detail::raw(path), path.size(), named.data(), named.size(), out, error);
        });
    }
    /// Restores a backup into memory, after checking it, and opens it.
    static Database restore_memory(std::string_view backup, const Options& options = {}) {
        Buffer named = options.encode();
        return made([&](auto out, auto error) {
            return entidb_backup_open_memory(detail::raw(backup), backup.size(), named.data(), named.size(), out, error);
        });
    }
    /// The keys and passwords that open it, an array of maps. Nothing says what they are.
    Document keys() const {
        return document([&](auto out, auto error) { return entidb_database_keys(get(), out, error); });
    }
    /// Replaces a key or password, by one that does not open the database yet. No data is rewritten.
    void change_key(const Key& from, const Key& to) const {
        detail::call([&](auto error) { return entidb_database_change_key(get(), &from.lent(), &to.lent(), error); });
    }
    /// Adds a key or password that does not open the database yet; `existing` is one that does. A database has at most eight.
    void add_key(const Key& existing, const Key& added) const {
        detail::call([&](auto error) { return entidb_database_add_key(get(), &existing.lent(), &added.lent(), error); });
    }
    /// Removes a key or password. The last one cannot be removed.
    void remove_key(const Key& key) const {
        detail::call([&](auto error) { return entidb_database_remove_key(get(), &key.lent(), error); });
    }
    /// Encrypts every new file with a new data key. Keys and passwords that open the database stay valid.
    void rotate_key() const {
        detail::call([&](auto error) { return entidb_database_rotate_key(get(), error); });
    }
    /// Rewrites the whole database with a new data key and erases the old ones. False if an open cursor or a backup
    /// still reads old files: then call it again later.
    bool rekey() const {
        std::int32_t complete = 0;
        detail::call([&](auto error) { return entidb_database_rekey(get(), &complete, error); });
        return complete != 0;
    }
    /// Counters and sizes by name.
    Document stats() const {
        return document([&](auto out, auto error) { return entidb_database_stats(get(), out, error); });
    }
    /// The options in use, by name.
    Document config() const {
        return document([&](auto out, auto error) { return entidb_database_config(get(), out, error); });
    }
    /// The report of opening.
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
