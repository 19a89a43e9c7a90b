// Queries in C++: conditions on fields, queries, patches and index definitions, encoded as documents.
//
// Always: the library checks what is built here, when it is used. Does not know: databases.
#ifndef ENTIDB_QUERY_HPP
#define ENTIDB_QUERY_HPP

#include <memory>
#include <stdexcept>
#include <type_traits>

#include "document.hpp"

namespace entidb {

namespace detail {

/// The key that stands in brackets: an integer as it is printed, or nothing for the empty name.
inline std::optional<Value> bracketed(std::string_view segment) {
    if (segment.size() < 2 || segment.back() != ']') return std::nullopt;
    std::string digits(segment.substr(1, segment.size() - 2));
    if (digits.empty()) return Value("");
    bool negative = digits[0] == '-';
    std::string_view number = std::string_view(digits).substr(negative ? 1 : 0);
    if (number.empty() || number.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
    if (number[0] == '0' && (number.size() > 1 || negative)) return std::nullopt;
    try {
        if (negative) return entidb::array({static_cast<std::int64_t>(std::stoll(digits))});
        return entidb::array({static_cast<std::uint64_t>(std::stoull(digits))});
    } catch (const std::out_of_range&) {
        return std::nullopt;
    }
}

/// The segments of a dotted path: digits are a position, an integer in brackets a key, a backslash makes the next character
/// part of a name.
inline Value path(std::string_view dotted) {
    Value::Array segments;
    std::string name;
    bool escaped = false, bracket = false;
    auto refuse = [&](const char* problem) {
        throw Error(ENTIDB_ERROR_INVALID_ARGUMENT, std::string(problem) + " in the path " + std::string(dotted));
    };
    auto end = [&] {
        if (name.empty()) refuse("a segment is empty; a field without a name is written []");
        if (bracket) {
            auto key = escaped ? std::nullopt : bracketed(name);
            if (!key) refuse("brackets hold an integer key; a name that begins with [ has \\ before it");
            segments.push_back(std::move(*key));
        } else {
            bool position = !escaped && name.find_first_not_of("0123456789") == std::string::npos;
            if (position && name.size() > 18) refuse("a position is too large");
            if (position && name.size() > 1 && name[0] == '0') refuse("a position has a leading zero");
            segments.push_back(position ? Value(std::stoull(name)) : Value(name));
        }
        name.clear();
        escaped = bracket = false;
    };
    if (dotted.empty()) return Value(segments);
    for (std::size_t at = 0; at < dotted.size(); at++) {
        if (dotted[at] == '\\') {
            if (++at == dotted.size()) refuse("nothing follows the last backslash");
            escaped = true;
            name.push_back(dotted[at]);
        } else if (dotted[at] == '.') {
            end();
        } else {
            if (dotted[at] == '[' && name.empty()) bracket = true;
            name.push_back(dotted[at]);
        }
    }
    end();
    return Value(std::move(segments));
}

}  // namespace detail

/// A condition on entities, made by `field(...)` and joined by `&&`, `||` and `!`.
///
/// Any number of conditions joined by the same operator are one group. A condition is immutable and cheap to copy.
class Condition {
  public:
    /// A condition in the form of docs/spec/query.md: an array that begins with its name.
    explicit Condition(Value node) : node_(std::make_shared<Node>(std::move(node))) {}
    /// Every entity.
    static Condition all() { return Condition(entidb::array({"true"})); }

    /// The condition in the form of docs/spec/query.md.
    Value value() const { return published(*node_); }
    friend Condition operator&&(const Condition& a, const Condition& b) { return Condition(Word::And, a, b); }
    friend Condition operator||(const Condition& a, const Condition& b) { return Condition(Word::Or, a, b); }
    friend Condition operator!(const Condition& a) {
        if (a.node_->word == Word::Not) return Condition(a.node_->left);
        return Condition(std::make_shared<Node>(Word::Not, a.node_, nullptr));
    }

  private:
    enum class Word { None, And, Or, Not };
    struct Node;
    using Shared = std::shared_ptr<Node>;

    struct Node {
        explicit Node(Value is) : leaf(std::move(is)) {}
        Node(Word joined, Shared a, Shared b) : word(joined), left(std::move(a)), right(std::move(b)) {}
        Node(const Node&) = delete;
        Node& operator=(const Node&) = delete;
        /// Frees a long chain without a call for each link.
        ~Node() {
            std::vector<Shared> rest;
            rest.push_back(std::move(left));
            rest.push_back(std::move(right));
            while (!rest.empty()) {
                Shared next = std::move(rest.back());
                rest.pop_back();
                if (next && next.use_count() == 1) {
                    rest.push_back(std::move(next->left));
                    rest.push_back(std::move(next->right));
                }
            }
        }

        Word word = Word::None;
        Value leaf;
        Shared left;
        Shared right;
    };

    explicit Condition(Shared node) : node_(std::move(node)) {}
    Condition(Word word, const Condition& a, const Condition& b)
        : node_(std::make_shared<Node>(word, a.node_, b.node_)) {}

    static Value published(const Node& root) {
        if (root.word == Word::None) return root.leaf;
        Value::Array node;
        if (root.word == Word::Not) {
            node.push_back("not");
            node.push_back(published(*root.left));
            return Value(std::move(node));
        }
        node.push_back(root.word == Word::And ? "and" : "or");
        std::vector<const Node*> rest{root.right.get(), root.left.get()};
        while (!rest.empty()) {
            const Node* next = rest.back();
            rest.pop_back();
            if (next->word == root.word) {
                rest.push_back(next->right.get());
                rest.push_back(next->left.get());
            } else {
                node.push_back(published(*next));
            }
        }
        return Value(std::move(node));
    }

    Shared node_;
};

/// A field of a document, for conditions.
class Field {
  public:
    explicit Field(std::string_view dotted) : path_(detail::path(dotted)) {}

    Condition operator==(const Value& operand) const { return node("eq", operand); }
    Condition operator!=(const Value& operand) const { return node("ne", operand); }
    Condition operator<(const Value& operand) const { return node("lt", operand); }
    Condition operator<=(const Value& operand) const { return node("le", operand); }
    Condition operator>(const Value& operand) const { return node("gt", operand); }
    Condition operator>=(const Value& operand) const { return node("ge", operand); }
    /// The array contains the operand.
    Condition contains(const Value& operand) const { return node("contains", operand); }
    /// The value is one of these.
    Condition in(Value::Array operands) const { return node("in", Value(std::move(operands))); }
    /// From low to high, both included.
    Condition between(const Value& low, const Value& high) const {
        return Condition(entidb::array({"between", path_, low, high}));
    }
    /// The text begins with this.
    Condition starts_with(std::string_view text) const { return node("starts_with", text); }
    /// The field exists, also with null.
    Condition exists() const { return Condition(entidb::array({"exists", path_})); }
    /// The field exists and is null.
    Condition is_null() const { return Condition(entidb::array({"is_null", path_})); }

  private:
    Condition node(const char* name, const Value& operand) const {
        return Condition(entidb::array({name, path_, operand}));
    }

    Value path_;
};

/// The field at a dotted path: `address.city`, `tags.0`.
inline Field field(std::string_view dotted) { return Field(dotted); }

/// A condition with an order and bounds on the results.
class Query {
  public:
    /// Every entity.
    Query() : Query(Condition::all()) {}
    Query(Condition where) : where_(std::move(where)) {}

    /// Sorts by a field, descending with `-` before it. Further calls sort entities that are equal so far.
    Query& order_by(std::string_view column) {
        bool descending = !column.empty() && column[0] == '-';
        order_.push_back(entidb::array({detail::path(column.substr(descending ? 1 : 0)), descending}));
        return *this;
    }
    /// Returns at most `count` results, on all pages together.
    Query& limit(std::uint64_t count) {
        limit_ = count;
        return *this;
    }
    /// Skips the first `count` results, before the first page only.
    Query& offset(std::uint64_t count) {
        offset_ = count;
        return *this;
    }
    /// Returns at most `count` results on a page. The token of the last one continues on the next page.
    Query& page(std::uint64_t count) {
        page_ = count;
        return *this;
    }
    /// Continues behind the entity of a page token of the same query.
    Query& after(Bytes token) {
        after_ = std::vector<std::uint8_t>(token.begin(), token.end());
        return *this;
    }

    /// The query in the form of docs/spec/query.md.
    Buffer encode() const {
        Value::Map fields{{"v", 1}, {"filter", where_.value()}};
        if (!order_.empty()) fields.emplace_back("order", order_);
        if (limit_) fields.emplace_back("limit", *limit_);
        if (offset_ > 0) fields.emplace_back("offset", offset_);
        if (page_) fields.emplace_back("page", *page_);
        if (after_) fields.emplace_back("after", *after_);
        return Value(std::move(fields)).encode();
    }

  private:
    Condition where_;
    Value::Array order_;
    std::optional<std::uint64_t> limit_;
    std::uint64_t offset_ = 0;
    std::optional<std::uint64_t> page_;
    std::optional<std::vector<std::uint8_t>> after_;
};

/// Changes to one document, applied in order, all or none.
class Patch {
  public:
    /// Sets the value at a path, and creates missing maps on the way.
    Patch& set(std::string_view path, Value value) { return add(0, path, std::move(value)); }
    /// Removes the value at a path, if there is one.
    Patch& remove(std::string_view path) {
        operations_.push_back(entidb::array({1, detail::path(path)}));
        return *this;
    }
    /// Adds to the number at a path. A missing number counts as zero.
    Patch& increment(std::string_view path, Value by) { return add(2, path, std::move(by)); }
    /// Appends a value to the array at a path. A missing array counts as empty.
    Patch& append(std::string_view path, Value value) { return add(3, path, std::move(value)); }

    Buffer encode() const { return Value(operations_).encode(); }

  private:
    Patch& add(int code, std::string_view path, Value value) {
        operations_.push_back(entidb::array({code, detail::path(path), std::move(value)}));
        return *this;
    }

    Value::Array operations_;
};

/// The declaration of an index on fields: `Index("city", "-joined").unique()`.
class Index {
  public:
    /// Fields at dotted paths, in this order; `-` before a path orders it descending.
    template <class... Paths, class = std::enable_if_t<(sizeof...(Paths) > 0) && (std::is_convertible_v<const Paths&, std::string_view> && ...)>>
    Index(const Paths&... paths) : columns_{std::string(std::string_view(paths))...} {}
    /// Fields in a list.
    explicit Index(std::vector<std::string> columns) : columns_(std::move(columns)) {}

    /// An index whose keys come from the program, see `Collection::manual_index`.
    static Index manual(std::string_view name) {
        Index index{std::vector<std::string>()};
        index.kind_ = "manual";
        return index.name(name);
    }

    /// Names the index. Without a name it is made from the columns.
    Index& name(std::string_view name) {
        name_ = name;
        return *this;
    }
    /// Refuses two entities with the same key.
    Index& unique(bool yes = true) {
        unique_ = yes;
        return *this;
    }
    /// Gives an array one entry for each element.
    Index& multi(bool yes = true) {
        multi_ = yes;
        return *this;
    }

    Buffer encode() const {
        Value::Array paths(columns_.begin(), columns_.end());
        Value::Map fields{{"kind", kind_}, {"columns", std::move(paths)}, {"unique", unique_}, {"multi", multi_}};
        if (!name_.empty()) fields.emplace_back("name", name_);
        return Value(std::move(fields)).encode();
    }

  private:
    std::vector<std::string> columns_;
    std::string kind_ = "ordered";
    std::string name_;
    bool unique_ = false;
    bool multi_ = false;
};

}  // namespace entidb

#endif
