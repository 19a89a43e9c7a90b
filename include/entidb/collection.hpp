// Collections in C++: entities by id, batches, cursors and queries.
//
// Always: a cursor is lazy and of one snapshot; an entity outlives its cursor, and its database.
// Does not know: where a collection was taken from.
#ifndef ENTIDB_COLLECTION_HPP
#define ENTIDB_COLLECTION_HPP

#include "interface.hpp"
#include "query.hpp"

namespace entidb {

namespace detail {
/// A number, little-endian.
template <class T>
T little(const std::uint8_t* from) noexcept {
    T number = 0;
    for (std::size_t at = sizeof(T); at > 0; at--) number = static_cast<T>(number << 8 | from[at - 1]);
    return number;
}
}  // namespace detail

/// One entity of a batch. Without a version and a document if no entity has the id.
struct Frame {
    Id id;
    std::optional<std::uint64_t> version = {};
    std::optional<Bytes> document = {};
};

class ManualIndex;

/// Many entities in one buffer.
class Frames {
  public:
    explicit Frames(Buffer bytes) : bytes_(std::move(bytes)) {
        const std::uint8_t* at = bytes_.data();
        const std::uint8_t* end = at + bytes_.size();
        while (at != end) {
            std::uint32_t len = detail::little<std::uint32_t>(at);
            Frame frame{Id::of(at + 4)};
            if (len == UINT32_MAX) {
                at += detail::frame_absent_bytes;
            } else {
                frame.version = detail::little<std::uint64_t>(at + detail::frame_absent_bytes);
                frame.document = Bytes(at + detail::frame_head_bytes, len);
                at += detail::frame_head_bytes + static_cast<std::size_t>(len);
            }
            frames_.push_back(frame);
        }
    }

    auto begin() const noexcept { return frames_.begin(); }
    auto end() const noexcept { return frames_.end(); }
    std::size_t size() const noexcept { return frames_.size(); }
    const Frame& operator[](std::size_t position) const { return frames_.at(position); }

  private:
    Buffer bytes_;
    std::vector<Frame> frames_;
};

/// An entity as it was for a time. It must not outlive the `Versions` it is of.
struct EntityVersion {
    /// The commit that wrote it.
    std::uint64_t version = 0;
    /// The commit that replaced or deleted it; nothing for what is there now.
    std::optional<std::uint64_t> until = {};
    Bytes document = {};
};

/// Versions of one entity in one buffer, the oldest first.
class Versions {
  public:
    explicit Versions(Buffer bytes) : bytes_(std::move(bytes)) {
        const std::uint8_t* at = bytes_.data();
        const std::uint8_t* end = at + bytes_.size();
        while (at != end) {
            std::uint64_t until = detail::little<std::uint64_t>(at);
            at += detail::version_until_bytes;
            std::uint32_t len = detail::little<std::uint32_t>(at);
            EntityVersion version{detail::little<std::uint64_t>(at + detail::frame_absent_bytes)};
            if (until != 0) version.until = until;
            version.document = Bytes(at + detail::frame_head_bytes, len);
            at += detail::frame_head_bytes + static_cast<std::size_t>(len);
            versions_.push_back(version);
        }
    }

    auto begin() const noexcept { return versions_.begin(); }
    auto end() const noexcept { return versions_.end(); }
    std::size_t size() const noexcept { return versions_.size(); }
    const EntityVersion& operator[](std::size_t position) const { return versions_.at(position); }

  private:
    Buffer bytes_;
    std::vector<EntityVersion> versions_;
};

/// A lazy cursor over entities of one snapshot. Use it in a range-for, or call `next` or `next_batch`.
class Cursor {
  public:
    explicit Cursor(entidb_cursor* taken) noexcept : cursor_(taken) {}

    /// The next entity, if there is one.
    std::optional<Entity> next() {
        entidb_value* value = nullptr;
        entidb_status status = detail::call([&](auto error) { return entidb_cursor_next(cursor_.get(), &value, error); });
        if (status == ENTIDB_END) return std::nullopt;
        return Entity(value);
    }
    /// The next entities in one buffer; none at the end.
    Frames next_batch(std::size_t count_max, std::size_t bytes_max) {
        Buffer out;
        detail::call([&](auto error) {
            return entidb_cursor_next_batch(cursor_.get(), count_max, bytes_max, out.out(), error);
        });
        return Frames(std::move(out));
    }
    /// A page token for an entity that the last call returned, by its position there (0 after `next`). Passed to the
    /// same query, it continues behind that entity. Nothing if no result follows.
    std::optional<Buffer> token(std::size_t position = 0) {
        Buffer out;
        entidb_status status =
            detail::call([&](auto error) { return entidb_cursor_token(cursor_.get(), position, out.out(), error); });
        if (status != ENTIDB_OK) return std::nullopt;
        return out;
    }

    class Iterator {
      public:
        using iterator_category = std::input_iterator_tag;
        using value_type = Entity;
        using difference_type = std::ptrdiff_t;
        using pointer = const Entity*;
        using reference = const Entity&;

        Iterator() = default;
        explicit Iterator(Cursor& over) : over_(&over) { ++*this; }
        /// The entity; valid until the iterator moves.
        reference operator*() const noexcept { return *entity_; }
        pointer operator->() const noexcept { return &*entity_; }
        Iterator& operator++() {
            entity_ = over_->next();
            return *this;
        }
        void operator++(int) { ++*this; }
        friend bool operator==(const Iterator& a, const Iterator& b) noexcept {
            return a.entity_.has_value() == b.entity_.has_value();
        }
        friend bool operator!=(const Iterator& a, const Iterator& b) noexcept { return !(a == b); }

      private:
        Cursor* over_ = nullptr;
        std::optional<Entity> entity_;
    };
    /// Continues at the position of the cursor.
    Iterator begin() { return Iterator(*this); }
    Iterator end() noexcept { return {}; }

  private:
    detail::Owned<entidb_cursor, entidb_cursor_free> cursor_;
};

/// The bounds of a scan: `Scan().after(id).limit(10)`.
class Scan {
  public:
    /// Starts behind this id, in the direction of the scan.
    Scan& after(const Id& id) {
        after_ = id;
        return *this;
    }
    /// Scans from the highest id down.
    Scan& reverse(bool yes = true) {
        reverse_ = yes;
        return *this;
    }
    /// Returns at most `count` entities.
    Scan& limit(std::uint64_t count) {
        limit_ = count;
        return *this;
    }

  private:
    friend class Collection;
    std::optional<Id> after_;
    bool reverse_ = false;
    std::uint64_t limit_ = ENTIDB_NO_LIMIT;
};

/// A collection of entities. Any number of threads may use it at once.
class Collection {
  public:
    explicit Collection(entidb_collection* taken) noexcept : collection_(taken) {}

    /// Stores a document under a new id.
    Id put(const Input& document) const { return store(nullptr, document, ENTIDB_PUT, 0); }
    /// Stores a document under an id, whether or not it exists.
    Id put(const Id& id, const Input& document) const { return store(id.data(), document, ENTIDB_PUT, 0); }
    /// Stores a document under an id that must not exist.
    Id insert(const Id& id, const Input& document) const { return store(id.data(), document, ENTIDB_INSERT, 0); }
    /// Replaces a document that must exist.
    void replace(const Id& id, const Input& document) const { store(id.data(), document, ENTIDB_REPLACE, 0); }
    /// Replaces a document that must have this version.
    void replace(const Id& id, const Input& document, std::uint64_t version) const {
        store(id.data(), document, ENTIDB_REPLACE_VERSION, version);
    }
    /// Stores all of these documents or none.
    void put_many(const std::vector<std::pair<Id, Value>>& documents) const {
        std::vector<std::uint8_t> frames;
        for (const auto& [id, document] : documents) frame(frames, &id, document);
        store_frames(frames);
    }
    /// Stores all of these documents under new ids, or none. Returns the ids.
    std::vector<Id> put_many(const std::vector<Value>& documents) const {
        std::vector<std::uint8_t> frames;
        for (const Value& document : documents) frame(frames, nullptr, document);
        return store_frames(frames);
    }
    /// Changes parts of an entity.
    void update(const Id& id, const Patch& patch) const {
        Buffer bytes = patch.encode();
        detail::call([&](auto error) {
            return entidb_collection_update(get(), id.data(), bytes.data(), bytes.size(), error);
        });
    }

    /// The entity with this id, if there is one.
    std::optional<Entity> get(const Id& id) const {
        entidb_value* value = nullptr;
        entidb_status status =
            detail::call([&](auto error) { return entidb_collection_get(get(), id.data(), &value, error); });
        if (status == ENTIDB_NOT_FOUND) return std::nullopt;
        return Entity(value);
    }
    /// The entity as it was after an earlier commit, given by its sequence, if there was one.
    std::optional<Entity> get_as_of(const Id& id, std::uint64_t sequence) const {
        entidb_value* value = nullptr;
        entidb_status status = detail::call(
            [&](auto error) { return entidb_collection_get_as_of(get(), id.data(), sequence, &value, error); });
        if (status == ENTIDB_NOT_FOUND) return std::nullopt;
        return Entity(value);
    }
    /// Versions the entity has had, the oldest first: about 1 MiB of those that were written after a commit. Go on after the
    /// version given last until none come.
    Versions history(const Id& id, std::uint64_t after = 0) const {
        Buffer out;
        detail::call([&](auto error) { return entidb_collection_history(get(), id.data(), after, out.out(), error); });
        return Versions(std::move(out));
    }
    /// The entities with these ids, from one snapshot and in the order of the ids.
    Frames get_many(const std::vector<Id>& ids) const {
        Buffer out;
        detail::call([&](auto error) {
            return entidb_collection_get_many(get(), flat(ids), ids.size(), out.out(), error);
        });
        return Frames(std::move(out));
    }
    bool exists(const Id& id) const {
        std::int32_t exists = 0;
        detail::call([&](auto error) { return entidb_collection_exists(get(), id.data(), &exists, error); });
        return exists != 0;
    }
    /// The exact number of entities.
    std::uint64_t count() const {
        std::uint64_t count = 0;
        detail::call([&](auto error) { return entidb_collection_count(get(), &count, error); });
        return count;
    }
    /// Deletes an entity, and returns whether it existed. With a version, the entity must have it.
    bool remove(const Id& id, std::optional<std::uint64_t> version = {}) const {
        return detail::call([&](auto error) {
            if (version) return entidb_collection_delete_version(get(), id.data(), *version, error);
            return entidb_collection_delete(get(), id.data(), error);
        }) == ENTIDB_OK;
    }
    /// Deletes these entities, and returns how many existed.
    std::uint64_t remove_many(const std::vector<Id>& ids) const {
        std::uint64_t count = 0;
        detail::call([&](auto error) {
            return entidb_collection_delete_many(get(), flat(ids), ids.size(), &count, error);
        });
        return count;
    }

    /// Creates an index and builds it. False if the same index exists already.
    bool create_index(const Index& index) const {
        Buffer bytes = index.encode();
        std::int32_t created = 0;
        detail::call([&](auto error) {
            return entidb_collection_create_index(get(), bytes.data(), bytes.size(), &created, error);
        });
        return created != 0;
    }
    void drop_index(std::string_view name) const {
        detail::call([&](auto error) {
            return entidb_collection_drop_index(get(), detail::raw(name), name.size(), error);
        });
    }
    /// The indexes: an array of maps with `name`, `kind`, `columns`, `unique` and `multi`.
    Document indexes() const {
        Buffer out;
        detail::call([&](auto error) { return entidb_collection_indexes(get(), out.out(), error); });
        return Document(std::move(out));
    }
    /// A map of `id`, `name`, `entities` and `indexes`. `id` is the number of the collection, which never changes, and is absent before
    /// the collection is created; `name` is its name now; `indexes` is an array of maps with `index`, `kind`, `rows` and `exact`.
    Document stats() const {
        Buffer out;
        detail::call([&](auto error) { return entidb_collection_stats(get(), out.out(), error); });
        return Document(std::move(out));
    }

    /// The manual index of this name. It must not outlive the collection.
    ManualIndex manual_index(std::string name) const;

    /// A cursor over the entities in the order of their ids.
    Cursor scan(const Scan& bounds = {}) const {
        entidb_cursor* cursor = nullptr;
        const std::uint8_t* after = bounds.after_ ? bounds.after_->data() : nullptr;
        detail::call([&](auto error) {
            return entidb_collection_scan(get(), after, bounds.reverse_ ? 1 : 0, bounds.limit_, &cursor, error);
        });
        return Cursor(cursor);
    }
    /// A cursor over the results of a query.
    Cursor find(const Query& query) const {
        entidb_cursor* cursor = nullptr;
        ask(query, [&](auto data, auto size, auto error) {
            return entidb_collection_find(get(), data, size, &cursor, error);
        });
        return Cursor(cursor);
    }
    /// The number of results of a query.
    std::uint64_t find_count(const Query& query) const {
        std::uint64_t count = 0;
        ask(query, [&](auto data, auto size, auto error) {
            return entidb_collection_find_count(get(), data, size, &count, error);
        });
        return count;
    }
    /// Deletes the results of a query, and returns how many there were.
    std::uint64_t find_remove(const Query& query) const {
        std::uint64_t count = 0;
        ask(query, [&](auto data, auto size, auto error) {
            return entidb_collection_find_delete(get(), data, size, &count, error);
        });
        return count;
    }
    /// The plan of a query: a map of `index`, `ranges`, `scan`, `sort` and more, and `text`, which says the same in
    /// words.
    Document explain(const Query& query) const {
        Buffer out;
        ask(query, [&](auto data, auto size, auto error) {
            return entidb_collection_find_explain(get(), data, size, out.out(), error);
        });
        return Document(std::move(out));
    }

  private:
    const entidb_collection* get() const noexcept { return collection_.get(); }

    Id store(const std::uint8_t* id, const Input& document, std::uint32_t mode, std::uint64_t version) const {
        Id stored;
        Bytes bytes = document.bytes();
        detail::call([&](auto error) {
            return entidb_collection_put(get(), id, bytes.data(), bytes.size(), mode, version, stored.bytes.data(), error);
        });
        return stored;
    }
    static void frame(std::vector<std::uint8_t>& frames, const Id* id, const Value& document) {
        Buffer bytes = document.encode();
        if (bytes.size() >= UINT32_MAX) throw Error(ENTIDB_ERROR_TOO_LARGE, "a document is too large for a batch; put it alone");
        for (int shift = 0; shift < 32; shift += 8) frames.push_back(static_cast<std::uint8_t>(bytes.size() >> shift));
        frames.push_back(id == nullptr ? 0 : 1);
        if (id != nullptr) frames.insert(frames.end(), id->bytes.begin(), id->bytes.end());
        frames.insert(frames.end(), bytes.data(), bytes.data() + bytes.size());
    }
    std::vector<Id> store_frames(const std::vector<std::uint8_t>& frames) const {
        Buffer out;
        detail::call([&](auto error) {
            return entidb_collection_put_many(get(), frames.data(), frames.size(), out.out(), error);
        });
        std::vector<Id> ids;
        for (std::size_t at = 0; at < out.size(); at += 16) ids.push_back(Id::of(out.data() + at));
        return ids;
    }
    static const std::uint8_t* flat(const std::vector<Id>& ids) noexcept {
        static_assert(sizeof(Id) == 16, "ids lie side by side");
        return ids.empty() ? nullptr : ids.front().data();
    }
    template <class Call>
    static void ask(const Query& query, Call&& call) {
        Buffer bytes = query.encode();
        detail::call([&](auto error) { return call(bytes.data(), bytes.size(), error); });
    }

    detail::Owned<entidb_collection, entidb_collection_free> collection_;
};

/// A range of the keys of a manual index: `KeyRange().from("a").below("b").limit(10)`. A side without a bound ends where values of
/// another type than the other bound begin.
class KeyRange {
  public:
    /// Begins at this key.
    KeyRange& from(Value key) { return bound(from_, from_open_, std::move(key), false); }
    /// Begins after this key.
    KeyRange& above(Value key) { return bound(from_, from_open_, std::move(key), true); }
    /// Ends with this key.
    KeyRange& to(Value key) { return bound(to_, to_open_, std::move(key), false); }
    /// Ends before this key.
    KeyRange& below(Value key) { return bound(to_, to_open_, std::move(key), true); }
    /// Goes from the last key to the first.
    KeyRange& reverse(bool yes = true) {
        reverse_ = yes;
        return *this;
    }
    /// Ends after this number of keys. A call returns at most ENTIDB_KEYS_MAX.
    KeyRange& limit(std::uint64_t count) {
        limit_ = count;
        return *this;
    }
    /// Continues after this key of this entity.
    KeyRange& after(Value key, Id id) {
        after_ = std::pair<Value, Id>{std::move(key), id};
        return *this;
    }

    Buffer encode() const {
        Value::Map fields{{"from_open", from_open_}, {"to_open", to_open_}, {"reverse", reverse_}};
        if (from_) fields.emplace_back("from", *from_);
        if (to_) fields.emplace_back("to", *to_);
        if (limit_) fields.emplace_back("limit", *limit_);
        if (after_) fields.emplace_back("after", Value::Array{after_->first, Value(after_->second)});
        return Value(std::move(fields)).encode();
    }

  private:
    KeyRange& bound(std::optional<Value>& side, bool& is_open, Value key, bool open) {
        side = std::move(key);
        is_open = open;
        return *this;
    }

    std::optional<Value> from_;
    std::optional<Value> to_;
    bool from_open_ = false;
    bool to_open_ = false;
    bool reverse_ = false;
    std::optional<std::uint64_t> limit_;
    std::optional<std::pair<Value, Id>> after_;
};

/// The keys of an index of the kind "manual": any value, or an array of values where a key has several parts. A key goes with its
/// entity, in the same commit.
class ManualIndex {
  public:
    ManualIndex(const entidb_collection* collection, std::string name)
        : collection_(collection), name_(std::move(name)) {
        size();
    }

    /// Gives an entity a key; false when it has the key already.
    bool insert(const Input& key, const Id& id) const {
        std::int32_t inserted = 0;
        detail::call([&](auto error) {
            Bytes bytes = key.bytes();
            return entidb_collection_insert_key(collection_, detail::raw(name_), name_.size(), bytes.data(), bytes.size(),
                                                id.data(), &inserted, error);
        });
        return inserted != 0;
    }
    /// Takes a key from an entity; false when it has no such key.
    bool remove(const Input& key, const Id& id) const {
        std::int32_t removed = 0;
        detail::call([&](auto error) {
            Bytes bytes = key.bytes();
            return entidb_collection_remove_key(collection_, detail::raw(name_), name_.size(), bytes.data(), bytes.size(),
                                                id.data(), &removed, error);
        });
        return removed != 0;
    }
    /// The ids of the entities that have a key, sorted.
    std::vector<Id> lookup(const Input& key) const {
        Buffer out;
        detail::call([&](auto error) {
            Bytes bytes = key.bytes();
            return entidb_collection_lookup_key(collection_, detail::raw(name_), name_.size(), bytes.data(), bytes.size(),
                                                out.out(), error);
        });
        std::vector<Id> ids;
        for (std::size_t at = 0; at < out.size(); at += 16) ids.push_back(Id::of(out.data() + at));
        return ids;
    }
    /// Keys in order, all of one state, many at a time by `Cursor::next_batch`: each document is a key, each id that of its
    /// entity.
    Cursor scan(const KeyRange& range = {}) const {
        Buffer asked = range.encode();
        entidb_cursor* cursor = nullptr;
        detail::call([&](auto error) {
            return entidb_collection_scan_keys(collection_, detail::raw(name_), name_.size(), asked.data(), asked.size(),
                                               &cursor, error);
        });
        return Cursor(cursor);
    }
    /// Keys in order: an array of arrays of a key and the 16 bytes of an id. At most ENTIDB_KEYS_MAX, as they are at this call.
    Document range(const KeyRange& range = {}) const {
        Buffer asked = range.encode();
        Buffer out;
        detail::call([&](auto error) {
            return entidb_collection_range_keys(collection_, detail::raw(name_), name_.size(), asked.data(), asked.size(),
                                                out.out(), error);
        });
        return Document(std::move(out));
    }
    /// The number of keys, of all entities together.
    std::uint64_t size() const {
        std::uint64_t count = 0;
        detail::call([&](auto error) {
            return entidb_collection_count_keys(collection_, detail::raw(name_), name_.size(), &count, error);
        });
        return count;
    }

  private:
    const entidb_collection* collection_;
    std::string name_;
};

inline ManualIndex Collection::manual_index(std::string name) const { return ManualIndex(get(), std::move(name)); }

}  // namespace entidb

#endif
