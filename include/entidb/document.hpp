// Documents in C++: errors, values to be written, views to be read.
//
// Always: what is written is canonical CBOR; a view reads in place and must not outlive its document.
// Does not know: databases.
#ifndef ENTIDB_DOCUMENT_HPP
#define ENTIDB_DOCUMENT_HPP

#include "../entidb.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace entidb {

/// The id of an entity: 16 bytes.
struct Id {
    std::array<std::uint8_t, 16> bytes{};

    /// The id with these 16 bytes.
    static Id of(const std::uint8_t* from) {
        Id id;
        std::memcpy(id.bytes.data(), from, id.bytes.size());
        return id;
    }
    const std::uint8_t* data() const noexcept { return bytes.data(); }
    /// Reads 32 hexadecimal digits, with or without the hyphens of a UUID.
    static Id parse(std::string_view text);
    /// The text: five groups of hexadecimal digits.
    std::string text() const;
    friend bool operator==(const Id& a, const Id& b) noexcept { return a.bytes == b.bytes; }
    friend bool operator!=(const Id& a, const Id& b) noexcept { return a.bytes != b.bytes; }
    friend bool operator<(const Id& a, const Id& b) noexcept { return a.bytes < b.bytes; }
};

/// A timestamp: microseconds since 1970 UTC.
struct Timestamp {
    std::int64_t micros = 0;

    /// The time of a clock of the standard library.
    static Timestamp of(std::chrono::system_clock::time_point at) {
        return {std::chrono::duration_cast<std::chrono::microseconds>(at.time_since_epoch()).count()};
    }
    friend bool operator==(Timestamp a, Timestamp b) noexcept { return a.micros == b.micros; }
};

/// A UUID: 16 bytes.
struct Uuid {
    std::array<std::uint8_t, 16> bytes{};
    friend bool operator==(const Uuid& a, const Uuid& b) noexcept { return a.bytes == b.bytes; }
};

/// A decimal: the mantissa times ten to the power of the exponent.
struct Decimal {
    std::int64_t mantissa = 0;
    std::int64_t exponent = 0;
    friend bool operator==(Decimal a, Decimal b) noexcept { return a.mantissa == b.mantissa && a.exponent == b.exponent; }
};

/// Bytes that another object owns.
class Bytes {
  public:
    Bytes() = default;
    Bytes(const std::uint8_t* data, std::size_t size) noexcept : data_(data), size_(size) {}
    Bytes(const std::vector<std::uint8_t>& from) noexcept : data_(from.data()), size_(from.size()) {}
    explicit Bytes(entidb_bytes lent) noexcept : data_(lent.data), size_(lent.len) {}

    const std::uint8_t* data() const noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }
    const std::uint8_t* begin() const noexcept { return data_; }
    const std::uint8_t* end() const noexcept { return size_ == 0 ? data_ : data_ + size_; }
    friend bool operator==(Bytes a, Bytes b) noexcept {
        return a.size_ == b.size_ && (a.size_ == 0 || std::memcmp(a.data_, b.data_, a.size_) == 0);
    }

  private:
    const std::uint8_t* data_ = nullptr;
    std::size_t size_ = 0;
};

/// Why a call failed.
class Error : public std::runtime_error {
  public:
    /// An error of one of the codes ENTIDB_ERROR_...
    Error(entidb_status code, const std::string& message) : std::runtime_error(message), code_(code) {}

    /// Takes over an error object of the C functions.
    static Error take(entidb_status status, entidb_error* object) {
        if (object == nullptr) return Error(status, std::string(hint_of(status)));
        Error error(status, entidb_error_message(object));
        error.os_code_ = entidb_error_os_code(object);
        error.path_ = text(entidb_error_path(object));
        error.collection_ = text(entidb_error_collection(object));
        error.index_ = text(entidb_error_index(object));
        if (const std::uint8_t* id = entidb_error_id(object)) error.id_ = Id::of(id);
        if (std::int64_t at = entidb_error_offset(object); at >= 0) error.offset_ = static_cast<std::uint64_t>(at);
        entidb_error_free(object);
        return error;
    }

    /// One of ENTIDB_ERROR_...
    entidb_status code() const noexcept { return code_; }
    /// The name of the code, such as `DATABASE_LOCKED`.
    std::string_view name() const noexcept {
        std::size_t size = 0;
        const std::uint8_t* data = entidb_code_name(code_, &size);
        return {reinterpret_cast<const char*>(data), size};
    }
    /// What a caller can do about errors of this code.
    std::string_view hint() const noexcept { return hint_of(code_); }
    /// The error number of the operating system, or 0.
    int os_code() const noexcept { return os_code_; }
    /// The path of the database or file concerned, or nothing.
    const std::string& path() const noexcept { return path_; }
    /// The collection concerned, or nothing.
    const std::string& collection() const noexcept { return collection_; }
    /// The index concerned, or nothing.
    const std::string& index() const noexcept { return index_; }
    /// The entity concerned; for a unique violation the one that has the key.
    const std::optional<Id>& id() const noexcept { return id_; }
    /// The byte offset in the file or in the bytes passed in.
    const std::optional<std::uint64_t>& offset() const noexcept { return offset_; }

  private:
    static std::string text(const char* from) { return from == nullptr ? std::string() : std::string(from); }
    static std::string_view hint_of(entidb_status code) noexcept {
        std::size_t size = 0;
        const std::uint8_t* data = entidb_code_hint(code, &size);
        return {reinterpret_cast<const char*>(data), size};
    }

    entidb_status code_;
    int os_code_ = 0;
    std::string path_, collection_, index_;
    std::optional<Id> id_;
    std::optional<std::uint64_t> offset_;
};

namespace detail {

inline const std::uint8_t* raw(std::string_view text) noexcept {
    return reinterpret_cast<const std::uint8_t*>(text.data());
}

/// Calls a function whose last argument is `out_error`. Returns outcomes and throws errors.
template <class Call>
entidb_status call(Call&& make) {
    entidb_error* error = nullptr;
    entidb_status status = make(&error);
    if (status >= ENTIDB_ERROR_INVALID_ARGUMENT) throw Error::take(status, error);
    return status;
}

template <class T, void (*Free)(T*)>
struct Freeing {
    void operator()(T* handle) const noexcept { Free(handle); }
};

/// Owns a handle of C.
template <class T, void (*Free)(T*)>
using Owned = std::unique_ptr<T, Freeing<T, Free>>;

}  // namespace detail

/// A buffer of the library, freed with its owner.
class Buffer {
  public:
    Buffer() = default;
    explicit Buffer(entidb_buffer taken) noexcept : taken_(taken) {}
    Buffer(Buffer&& from) noexcept : taken_(std::exchange(from.taken_, entidb_buffer{})) {}
    Buffer& operator=(Buffer&& from) noexcept {
        std::swap(taken_, from.taken_);
        return *this;
    }
    ~Buffer() { entidb_buffer_free(&taken_); }

    const std::uint8_t* data() const noexcept { return taken_.data; }
    std::size_t size() const noexcept { return taken_.len; }
    operator Bytes() const noexcept { return {taken_.data, taken_.len}; }
    /// The out-pointer for a C function. Frees the current content.
    entidb_buffer* out() noexcept {
        entidb_buffer_free(&taken_);
        return &taken_;
    }

  private:
    entidb_buffer taken_{};
};

namespace detail {

/// Calls a function that fills a buffer with text.
template <class Call>
std::string filled_text(Call&& make) {
    Buffer out;
    call([&](auto error) { return make(out.out(), error); });
    return {reinterpret_cast<const char*>(out.data()), out.size()};
}

}  // namespace detail

/// A value to be written: null, a bool, a number, text, bytes, a timestamp, an id, an array or a map.
class Value {
  public:
    using Array = std::vector<Value>;
    using Map = std::vector<std::pair<std::string, Value>>;

    Value(std::nullptr_t = nullptr) {}
    Value(bool flag) : held_(flag) {}
    template <class T, std::enable_if_t<std::is_integral_v<T> && !std::is_same_v<T, bool>, int> = 0>
    Value(T number) {
        if constexpr (std::is_signed_v<T>) {
            held_ = static_cast<std::int64_t>(number);
        } else {
            held_ = static_cast<std::uint64_t>(number);
        }
    }
    Value(double real) : held_(real) {}
    Value(const char* text) : held_(std::string(text)) {}
    Value(std::string_view text) : held_(std::string(text)) {}
    Value(std::string text) : held_(std::move(text)) {}
    Value(Bytes bytes) : held_(std::vector<std::uint8_t>(bytes.begin(), bytes.end())) {}
    Value(std::vector<std::uint8_t> bytes) : held_(std::move(bytes)) {}
    Value(Timestamp moment) : held_(moment) {}
    Value(Id id) : held_(id) {}
    Value(Array items) : held_(std::move(items)) {}
    Value(Map entries) : held_(std::move(entries)) {}

    /// An encoded value.
    static Value encoded(Bytes document) {
        Value value;
        value.held_ = Encoded{{document.begin(), document.end()}};
        return value;
    }

    Value(Uuid uuid) : held_(uuid) {}
    Value(Decimal decimal) : held_(decimal) {}
    Value(const std::vector<float>& vector) : held_(vector) {}
    /// A value under a tag of CBOR.
    static Value tagged(std::uint64_t tag, const Value& value) {
        Value made;
        made.held_ = Tagged{tag, std::make_shared<const Value>(value)};
        return made;
    }

    /// Adds an item to an array. A null becomes an array first.
    Value& push(Value item) {
        if (std::holds_alternative<std::nullptr_t>(held_)) held_ = Array();
        std::get<Array>(held_).push_back(std::move(item));
        return *this;
    }
    /// Adds an entry to a map. A null becomes a map first.
    Value& set(std::string key, Value value) {
        if (std::holds_alternative<std::nullptr_t>(held_)) held_ = Map();
        std::get<Map>(held_).emplace_back(std::move(key), std::move(value));
        return *this;
    }

    /// The canonical encoding.
    Buffer encode() const {
        entidb_encoder* made = nullptr;
        detail::call([&](auto error) { return entidb_encoder_new(&made, error); });
        detail::Owned<entidb_encoder, entidb_encoder_free> encoder(made);
        write(made);
        Buffer out;
        detail::call([&](auto error) { return entidb_encoder_finish(made, out.out(), error); });
        return out;
    }

  private:
    struct Encoded {
        std::vector<std::uint8_t> bytes;
    };

    struct Tagged {
        std::uint64_t tag;
        std::shared_ptr<const Value> value;
    };

    // What a piece has to complain about, the encoder says again when it is finished.
    void write(entidb_encoder* to) const {
        std::visit([to](const auto& held) { write(to, held); }, held_);
    }
    static void write(entidb_encoder* to, std::nullptr_t) { entidb_encoder_null(to); }
    static void write(entidb_encoder* to, bool flag) { entidb_encoder_bool(to, flag ? 1 : 0); }
    static void write(entidb_encoder* to, std::int64_t number) { entidb_encoder_int(to, number); }
    static void write(entidb_encoder* to, std::uint64_t number) { entidb_encoder_uint(to, number); }
    static void write(entidb_encoder* to, double real) { entidb_encoder_double(to, real); }
    static void write(entidb_encoder* to, const std::string& text) {
        entidb_encoder_text(to, detail::raw(text), text.size());
    }
    static void write(entidb_encoder* to, const std::vector<std::uint8_t>& bytes) {
        entidb_encoder_bytes(to, bytes.data(), bytes.size());
    }
    static void write(entidb_encoder* to, Timestamp moment) { entidb_encoder_timestamp(to, moment.micros); }
    static void write(entidb_encoder* to, const Id& id) { entidb_encoder_id(to, id.data()); }
    static void write(entidb_encoder* to, const Uuid& uuid) { entidb_encoder_uuid(to, uuid.bytes.data()); }
    static void write(entidb_encoder* to, Decimal decimal) { entidb_encoder_decimal(to, decimal.mantissa, decimal.exponent); }
    static void write(entidb_encoder* to, const std::vector<float>& vector) {
        std::vector<std::uint8_t> bytes;
        bytes.reserve(vector.size() * 4);
        for (float element : vector) {
            std::uint32_t bits = 0;
            std::memcpy(&bits, &element, sizeof bits);
            for (int shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<std::uint8_t>(bits >> shift));
        }
        entidb_encoder_vector(to, ENTIDB_VECTOR_F32, bytes.data(), bytes.size());
    }
    static void write(entidb_encoder* to, const Tagged& tagged) {
        entidb_encoder_begin_tag(to, tagged.tag);
        tagged.value->write(to);
        entidb_encoder_end(to);
    }
    static void write(entidb_encoder* to, const Encoded& whole) {
        entidb_encoder_document(to, whole.bytes.data(), whole.bytes.size());
    }
    static void write(entidb_encoder* to, const Array& items) {
        entidb_encoder_begin_array(to, items.size());
        for (const Value& item : items) item.write(to);
        entidb_encoder_end(to);
    }
    static void write(entidb_encoder* to, const Map& entries) {
        entidb_encoder_begin_map(to, entries.size());
        for (const auto& [key, value] : entries) {
            entidb_encoder_key(to, detail::raw(key), key.size());
            value.write(to);
        }
        entidb_encoder_end(to);
    }

    std::variant<std::nullptr_t, bool, std::int64_t, std::uint64_t, double, std::string, std::vector<std::uint8_t>,
                 Timestamp, Id, Uuid, Decimal, std::vector<float>, Tagged, Encoded, Array, Map>
        held_ = nullptr;
};

inline Id Id::parse(std::string_view text) {
    Id id;
    detail::call([&](auto error) { return entidb_id_parse(detail::raw(text), text.size(), id.bytes.data(), error); });
    return id;
}

inline std::string Id::text() const {
    char text[ENTIDB_ID_TEXT_BYTES];
    detail::call([&](auto error) { return entidb_id_text(bytes.data(), text, error); });
    return text;
}

/// An array of values.
inline Value array(std::initializer_list<Value> items) { return Value(Value::Array(items)); }
/// A map of keys and values, in any order.
inline Value map(std::initializer_list<Value::Map::value_type> entries) { return Value(Value::Map(entries)); }

/// One value of a document, read in place. It must not outlive the document.
class View {
  public:
    View() = default;
    explicit View(const entidb_item& item) noexcept : item_(item) {}
    /// The whole of a document.
    explicit View(Bytes document) {
        detail::call([&](auto error) {
            return entidb_document_lookup(document.data(), document.size(), nullptr, 0, &item_, error);
        });
    }

    /// One of ENTIDB_KIND_...
    std::uint32_t kind() const noexcept { return item_.kind; }
    bool is_null() const noexcept { return item_.kind == ENTIDB_KIND_NULL; }
    bool is_map() const noexcept { return item_.kind == ENTIDB_KIND_MAP; }
    bool is_array() const noexcept { return item_.kind == ENTIDB_KIND_ARRAY; }

    bool as_bool() const { return need(ENTIDB_KIND_BOOL, "a bool").number != 0; }
    std::int64_t as_int() const { return need(ENTIDB_KIND_INT, "an integer of 64 bits").number; }
    std::uint64_t as_uint() const {
        if (item_.kind == ENTIDB_KIND_UINT) return static_cast<std::uint64_t>(item_.number);
        std::int64_t number = need(ENTIDB_KIND_INT, "an integer of at least 0").number;
        if (number < 0) throw Error(ENTIDB_ERROR_WRONG_TYPE, "an integer of at least 0 was asked for, a negative one found");
        return static_cast<std::uint64_t>(number);
    }
    /// A float; integers are converted.
    double as_double() const {
        if (item_.kind == ENTIDB_KIND_INT) return static_cast<double>(item_.number);
        if (item_.kind == ENTIDB_KIND_UINT) return static_cast<double>(static_cast<std::uint64_t>(item_.number));
        return need(ENTIDB_KIND_DOUBLE, "a number").real;
    }
    std::string_view as_text() const {
        const entidb_bytes& text = need(ENTIDB_KIND_TEXT, "text").bytes;
        return {reinterpret_cast<const char*>(text.data), text.len};
    }
    Bytes as_bytes() const { return Bytes(need(ENTIDB_KIND_BYTES, "bytes").bytes); }
    Timestamp as_timestamp() const { return {need(ENTIDB_KIND_TIMESTAMP, "a timestamp").number}; }
    Id as_id() const { return Id::of(need(ENTIDB_KIND_ID, "an id").bytes.data); }
    Uuid as_uuid() const {
        Uuid uuid;
        std::memcpy(uuid.bytes.data(), need(ENTIDB_KIND_UUID, "a UUID").bytes.data, uuid.bytes.size());
        return uuid;
    }
    Decimal as_decimal() const {
        const entidb_item& item = need(ENTIDB_KIND_DECIMAL, "a decimal");
        return {item.number, item.detail};
    }
    /// The elements of a vector of 32-bit floats.
    std::vector<float> as_floats() const {
        const entidb_item& item = need(ENTIDB_KIND_VECTOR, "a vector");
        if (item.detail != ENTIDB_VECTOR_F32) throw Error(ENTIDB_ERROR_WRONG_TYPE, "a vector of 32-bit floats was asked for, another kind found");
        std::vector<float> elements(item.bytes.len / 4);
        for (std::size_t i = 0; i < elements.size(); i++) {
            std::uint32_t bits = 0;
            for (std::size_t byte = 0; byte < 4; byte++) bits |= static_cast<std::uint32_t>(item.bytes.data[i * 4 + byte]) << (8 * byte);
            std::memcpy(&elements[i], &bits, sizeof bits);
        }
        return elements;
    }
    /// The tag of a tagged value.
    std::uint64_t tag() const { return static_cast<std::uint64_t>(need(ENTIDB_KIND_TAGGED, "a tagged value").number); }
    /// The value under the tag of a tagged value.
    View tagged() const { return View(Bytes(need(ENTIDB_KIND_TAGGED, "a tagged value").bytes)); }
    /// The encoding of a map, an array, or a value without a type in C++; empty for values that the other functions
    /// read.
    Bytes encoded() const noexcept {
        bool lent = item_.kind == ENTIDB_KIND_MAP || item_.kind == ENTIDB_KIND_ARRAY || item_.kind == ENTIDB_KIND_OTHER;
        return lent ? Bytes(item_.bytes) : Bytes();
    }
    /// The number of entries of a map or items of an array; 0 for other values.
    std::size_t size() const noexcept { return is_map() || is_array() ? static_cast<std::size_t>(item_.number) : 0; }

    /// The value at a dotted path (`address.city`, `tags.0`), if there is one.
    std::optional<View> at(std::string_view path) const { return lookup(encoded(), path); }
    /// The value at a dotted path; throws when there is none.
    View operator[](std::string_view path) const { return needed(at(path), path); }

    /// A key and a value; the key is null in an array.
    struct Entry;
    class Iterator;
    /// Iterates over the entries of a map or the items of an array.
    Iterator begin() const;
    Iterator end() const;

    static std::optional<View> lookup(Bytes document, std::string_view path) {
        if (document.empty()) return std::nullopt;
        entidb_item found{};
        entidb_status status = detail::call([&](auto error) {
            return entidb_document_lookup(document.data(), document.size(), detail::raw(path), path.size(), &found, error);
        });
        return status == ENTIDB_OK ? std::optional<View>(View(found)) : std::nullopt;
    }
    static View needed(std::optional<View> found, std::string_view path) {
        if (!found) throw Error(ENTIDB_ERROR_WRONG_TYPE, "the document has nothing at " + std::string(path));
        return *found;
    }

  private:
    const entidb_item& need(std::uint32_t kind, const char* wanted) const {
        if (item_.kind == kind) return item_;
        static constexpr const char* names[] = {"null",  "a bool",   "an integer", "an integer beyond int64_t", "a float", "text",
                                                "bytes", "an array", "a map",      "a timestamp", "another type", "an id",
                                                "a UUID", "a decimal", "a vector", "a tagged value"};
        const char* found = item_.kind < std::size(names) ? names[item_.kind] : "another type";
        throw Error(ENTIDB_ERROR_WRONG_TYPE, std::string(wanted) + " was asked for, " + found + " found");
    }

    entidb_item item_{};
};

struct View::Entry {
    View key, value;
};

class View::Iterator {
  public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Entry;
    using difference_type = std::ptrdiff_t;
    using pointer = const Entry*;
    using reference = const Entry&;

    Iterator() = default;
    explicit Iterator(Bytes document) : document_(document), left_(true) { ++*this; }
    reference operator*() const noexcept { return entry_; }
    pointer operator->() const noexcept { return &entry_; }
    Iterator& operator++() {
        entidb_item key{}, value{};
        entidb_status status = detail::call([&](auto error) {
            return entidb_document_next(document_.data(), document_.size(), &offset_, &key, &value, error);
        });
        left_ = status == ENTIDB_OK;
        if (left_) entry_ = {View(key), View(value)};
        return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const Iterator& a, const Iterator& b) noexcept {
        return a.left_ == b.left_ && (!a.left_ || a.offset_ == b.offset_);
    }
    friend bool operator!=(const Iterator& a, const Iterator& b) noexcept { return !(a == b); }

  private:
    Bytes document_;
    std::size_t offset_ = 0;
    Entry entry_;
    bool left_ = false;
};

inline View::Iterator View::begin() const { return is_map() || is_array() ? Iterator(encoded()) : Iterator(); }
inline View::Iterator View::end() const { return {}; }

/// A document from the library, such as a report or statistics.
class Document {
  public:
    Document() = default;
    explicit Document(Buffer bytes) : bytes_(std::move(bytes)) {}

    Bytes bytes() const noexcept { return bytes_; }
    View view() const { return View(bytes_); }
    std::optional<View> at(std::string_view path) const { return View::lookup(bytes_, path); }
    View operator[](std::string_view path) const { return View::needed(at(path), path); }

  private:
    Buffer bytes_;
};

/// A document as an argument: a value, which is encoded, or encoded bytes.
class Input {
  public:
    Input(const Value& value) : owned_(value.encode()), bytes_(owned_) {}
    Input(const Buffer& encoded) noexcept : bytes_(encoded) {}
    Input(const Document& document) noexcept : bytes_(document.bytes()) {}
    explicit Input(Bytes encoded) noexcept : bytes_(encoded) {}
    Bytes bytes() const noexcept { return bytes_; }

  private:
    Buffer owned_;
    Bytes bytes_;
};

/// An entity that was read. Its bytes never change, and are valid as long as the object.
class Entity {
  public:
    explicit Entity(entidb_value* taken) noexcept : value_(taken) {}

    Id id() const { return Id::of(entidb_value_id(value_.get())); }
    /// The sequence of the commit that wrote it.
    std::uint64_t version() const noexcept { return entidb_value_version(value_.get()); }
    /// The document, canonical CBOR.
    Bytes bytes() const noexcept {
        entidb_bytes lent{};
        entidb_value_bytes(value_.get(), &lent);
        return Bytes(lent);
    }
    View view() const { return View(bytes()); }
    /// The value at a dotted path, if there is one.
    std::optional<View> at(std::string_view path) const { return View::lookup(bytes(), path); }
    /// The value at a dotted path; throws when there is none.
    View operator[](std::string_view path) const { return View::needed(at(path), path); }

  private:
    detail::Owned<entidb_value, entidb_value_free> value_;
};

}  // namespace entidb

#endif
