// JSON as the test files are written in, read into a tree, and the values its `$` objects stand for.
//
// Always: numbers are whole numbers; what is not JSON throws. Does not know: cases or vectors.
// Format: tests/vectors/README.md, "Values".
#ifndef ENTIDB_TEST_JSON_HPP
#define ENTIDB_TEST_JSON_HPP

#include <algorithm>
#include <cstdlib>
#include <entidb.hpp>
#include <stdexcept>

struct Json {
    enum class Kind { Null, Bool, Number, Text, Array, Object } kind = Kind::Null;
    bool flag = false;
    /// The text, or the digits of a number.
    std::string text = {};
    std::vector<Json> items = {};
    std::vector<std::pair<std::string, Json>> members = {};

    const Json* find(const std::string& name) const {
        for (const auto& [key, value] : members) {
            if (key == name) return &value;
        }
        return nullptr;
    }
    const Json& at(const std::string& name) const {
        const Json* found = find(name);
        if (found == nullptr) throw std::runtime_error("no field " + name);
        return *found;
    }
    bool is(const std::string& name) const {
        const Json* found = find(name);
        return found != nullptr && found->flag;
    }
    std::uint64_t number() const { return std::strtoull(text.c_str(), nullptr, 10); }
};

class JsonReader {
  public:
    explicit JsonReader(std::string_view from) : at_(from.data()), end_(from.data() + from.size()) {}

    Json document() {
        Json json = value();
        space();
        if (at_ != end_) fail("something follows the document");
        return json;
    }

  private:
    [[noreturn]] void fail(const char* problem) const {
        throw std::runtime_error(std::string("JSON: ") + problem + " before: " + std::string(at_, std::min(end_, at_ + 40)));
    }
    void space() {
        while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) at_++;
    }
    bool take(std::string_view word) {
        if (static_cast<std::size_t>(end_ - at_) < word.size() || std::string_view(at_, word.size()) != word) return false;
        at_ += word.size();
        return true;
    }
    void need(char wanted) {
        space();
        if (at_ == end_ || *at_ != wanted) fail("another character was wanted");
        at_++;
    }
    Json value() {
        space();
        Json json;
        if (take("null")) return json;
        if (take("true") || take("false")) {
            json.kind = Json::Kind::Bool;
            json.flag = at_[-2] == 'u';
        } else if (at_ != end_ && *at_ == '"') {
            json.kind = Json::Kind::Text;
            json.text = string();
        } else if (take("[")) {
            json.kind = Json::Kind::Array;
            space();
            if (take("]")) return json;
            do json.items.push_back(value());
            while (more(']'));
        } else if (take("{")) {
            json.kind = Json::Kind::Object;
            space();
            if (take("}")) return json;
            do {
                space();
                std::string key = string();
                need(':');
                json.members.emplace_back(std::move(key), value());
            } while (more('}'));
        } else {
            json.kind = Json::Kind::Number;
            if (take("-")) json.text = "-";
            while (at_ != end_ && *at_ >= '0' && *at_ <= '9') json.text += *at_++;
            if (json.text.empty() || json.text == "-") fail("a value was wanted");
            if (at_ != end_ && (*at_ == '.' || *at_ == 'e' || *at_ == 'E')) fail("numbers are whole; floats are $float");
        }
        return json;
    }
    bool more(char end) {
        space();
        if (take(",")) return true;
        need(end);
        return false;
    }
    unsigned hex4() {
        if (end_ - at_ < 4) fail("four digits were wanted");
        unsigned number = static_cast<unsigned>(std::strtoul(std::string(at_, 4).c_str(), nullptr, 16));
        at_ += 4;
        return number;
    }
    std::string string() {
        need('"');
        std::string out;
        while (at_ != end_ && *at_ != '"') {
            char c = *at_++;
            if (c != '\\') {
                out += c;
                continue;
            }
            if (at_ == end_) fail("nothing follows a backslash");
            switch (c = *at_++) {
                case 'n': out += '\n'; break;
                case 't': out += '\t'; break;
                case 'r': out += '\r'; break;
                case 'b': out += '\b'; break;
                case 'f': out += '\f'; break;
                case 'u': {
                    unsigned point = hex4();
                    if (point >= 0xd800 && point < 0xdc00 && take("\\u")) point = 0x10000 + ((point - 0xd800) << 10) + (hex4() - 0xdc00);
                    append(out, point);
                    break;
                }
                default: out += c;
            }
        }
        need('"');
        return out;
    }
    static void append(std::string& out, unsigned point) {
        if (point < 0x80) {
            out += static_cast<char>(point);
        } else if (point < 0x800) {
            out += static_cast<char>(0xc0 | point >> 6);
            out += static_cast<char>(0x80 | (point & 0x3f));
        } else if (point < 0x10000) {
            out += static_cast<char>(0xe0 | point >> 12);
            out += static_cast<char>(0x80 | (point >> 6 & 0x3f));
            out += static_cast<char>(0x80 | (point & 0x3f));
        } else {
            out += static_cast<char>(0xf0 | point >> 18);
            out += static_cast<char>(0x80 | (point >> 12 & 0x3f));
            out += static_cast<char>(0x80 | (point >> 6 & 0x3f));
            out += static_cast<char>(0x80 | (point & 0x3f));
        }
    }

    const char* at_;
    const char* end_;
};

using ByteVector = std::vector<std::uint8_t>;

inline ByteVector unhex(const std::string& digits) {
    ByteVector bytes;
    for (std::size_t at = 0; at + 1 < digits.size(); at += 2) {
        bytes.push_back(static_cast<std::uint8_t>(std::strtoul(digits.substr(at, 2).c_str(), nullptr, 16)));
    }
    return bytes;
}

inline std::string hex(entidb::Bytes bytes) {
    static const char digits[] = "0123456789abcdef";
    std::string out;
    for (std::uint8_t byte : bytes) {
        out += digits[byte >> 4];
        out += digits[byte & 15];
    }
    return out;
}

/// The head of a CBOR item: its major type and a number in the shortest form.
inline ByteVector head(unsigned major, std::uint64_t number) {
    auto type = static_cast<std::uint8_t>(major << 5);
    if (number < 24) return {static_cast<std::uint8_t>(type | number)};
    int width = number < 1u << 8 ? 0 : number < 1u << 16 ? 1 : number < std::uint64_t(1) << 32 ? 2 : 3;
    ByteVector bytes{static_cast<std::uint8_t>(type | (24 + width))};
    for (int shift = (8 << width) - 8; shift >= 0; shift -= 8) bytes.push_back(static_cast<std::uint8_t>(number >> shift));
    return bytes;
}

inline entidb::Value value(const Json& json);

/// The bytes of an integer of up to 128 bits; beyond 64 it is a bignum, which only decimals may hold.
inline ByteVector integer_bytes(const std::string& digits) {
    bool negative = digits[0] == '-';
    unsigned __int128 number = 0;
    for (char digit : digits.substr(negative ? 1 : 0)) number = number * 10 + static_cast<unsigned>(digit - '0');
    if (negative) number -= 1;
    if (number <= UINT64_MAX) return head(negative ? 1 : 0, static_cast<std::uint64_t>(number));
    ByteVector magnitude;
    for (; number > 0; number >>= 8) magnitude.insert(magnitude.begin(), static_cast<std::uint8_t>(number));
    ByteVector bytes = head(6, negative ? 3 : 2), length = head(2, magnitude.size());
    bytes.insert(bytes.end(), length.begin(), length.end());
    bytes.insert(bytes.end(), magnitude.begin(), magnitude.end());
    return bytes;
}

inline entidb::Value integer(const std::string& digits) {
    if (digits.size() < 19) return entidb::Value(std::strtoll(digits.c_str(), nullptr, 10));
    if (digits[0] != '-') return entidb::Value(std::strtoull(digits.c_str(), nullptr, 10));
    return entidb::Value::encoded(integer_bytes(digits));
}

/// A tag and its content, as bytes: for the types C++ has no writer for.
inline entidb::Value tagged(std::uint64_t tag, const entidb::Value& content) {
    ByteVector bytes = head(6, tag);
    entidb::Buffer inner = content.encode();
    bytes.insert(bytes.end(), inner.data(), inner.data() + inner.size());
    return entidb::Value::encoded(bytes);
}

/// A map with keys that are not all text: its entries in the order of their encoded keys.
inline entidb::Value keyed(const Json& pairs) {
    std::vector<std::pair<ByteVector, ByteVector>> entries;
    auto bytes = [](const Json& part) {
        entidb::Buffer encoded = value(part).encode();
        return ByteVector(encoded.data(), encoded.data() + encoded.size());
    };
    for (const Json& pair : pairs.items) entries.emplace_back(bytes(pair.items.at(0)), bytes(pair.items.at(1)));
    std::sort(entries.begin(), entries.end());
    ByteVector out = head(5, entries.size());
    for (const auto& [key, held] : entries) {
        out.insert(out.end(), key.begin(), key.end());
        out.insert(out.end(), held.begin(), held.end());
    }
    return entidb::Value::encoded(out);
}

inline entidb::Value special(const std::string& kind, const Json& content) {
    if (kind == "$int") return integer(content.text);
    if (kind == "$float") return entidb::Value(std::strtod(content.text.c_str(), nullptr));
    if (kind == "$bytes") return entidb::Value(unhex(content.text));
    if (kind == "$timestamp") return entidb::Value(entidb::Timestamp{std::strtoll(content.text.c_str(), nullptr, 10)});
    if (kind == "$id") return entidb::Value(entidb::Id::of(unhex(content.text).data()));
    if (kind == "$uuid") return tagged(37, entidb::Value(unhex(content.text)));
    if (kind == "$map") return keyed(content);
    if (kind == "$tag") return tagged(std::strtoull(content.items.at(0).text.c_str(), nullptr, 10), value(content.items.at(1)));
    if (kind == "$decimal") {
        ByteVector bytes = head(6, 4), pair = head(4, 2);
        bytes.insert(bytes.end(), pair.begin(), pair.end());
        for (std::size_t part : {1, 0}) {
            ByteVector number = integer_bytes(content.items.at(part).text);
            bytes.insert(bytes.end(), number.begin(), number.end());
        }
        return entidb::Value::encoded(bytes);
    }
    if (kind == "$vector") {
        const std::string& element = content.items.at(0).text;
        std::uint64_t tag = element == "i8" ? 72 : element == "f16" ? 84 : element == "f32" ? 85 : 86;
        return tagged(tag, entidb::Value(unhex(content.items.at(1).text)));
    }
    throw std::runtime_error("no kind of value " + kind);
}

/// The value a piece of JSON stands for.
inline entidb::Value value(const Json& json) {
    switch (json.kind) {
        case Json::Kind::Null: return {};
        case Json::Kind::Bool: return entidb::Value(json.flag);
        case Json::Kind::Number: return integer(json.text);
        case Json::Kind::Text: return entidb::Value(json.text);
        case Json::Kind::Array: {
            entidb::Value::Array items;
            for (const Json& item : json.items) items.push_back(value(item));
            return entidb::Value(std::move(items));
        }
        case Json::Kind::Object: break;
    }
    if (!json.members.empty() && json.members.front().first.rfind('$', 0) == 0) {
        return special(json.members.front().first, json.members.front().second);
    }
    entidb::Value::Map entries;
    for (const auto& [key, held] : json.members) entries.emplace_back(key, value(held));
    return entidb::Value(std::move(entries));
}

#endif
