// Takes the steps of the conformance cases in C++.
//
// Format: tests/conformance/README.md. Does not know: which steps, or what they must give.
#ifndef ENTIDB_TEST_RUN_HPP
#define ENTIDB_TEST_RUN_HPP

#include "check.hpp"
#include "json.hpp"

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

namespace fs = std::filesystem;
using entidb::Collection;
using entidb::Condition;
using entidb::Database;
using entidb::Entity;
using entidb::Id;
using entidb::Query;
using entidb::Transaction;
using entidb::Value;

using Number = unsigned __int128;

inline Id id(const Json& json) {
    Number number = 0;
    for (char digit : json.text) number = number * 10 + static_cast<unsigned>(digit - '0');
    Id id;
    for (int at = 15; at >= 0; at--, number >>= 8) id.bytes[static_cast<std::size_t>(at)] = static_cast<std::uint8_t>(number);
    return id;
}

inline std::vector<Id> ids(const Json& json) {
    std::vector<Id> ids;
    for (const Json& item : json.items) ids.push_back(id(item));
    return ids;
}

inline std::string decimal(const Id& id) {
    Number number = 0;
    for (std::uint8_t byte : id.bytes) number = number << 8 | byte;
    std::string digits;
    do digits.insert(digits.begin(), static_cast<char>('0' + static_cast<int>(number % 10)));
    while (number /= 10);
    return digits;
}

inline std::string shown(const Id& id, entidb::Bytes document) { return decimal(id) + " " + hex(document); }
inline std::string shown(const Entity& entity) { return shown(entity.id(), entity.bytes()); }
inline std::string yes(bool holds) { return holds ? "true" : "false"; }

inline std::string joined(const std::vector<std::string>& parts, const char* by) {
    if (parts.empty()) return "empty";
    std::string out = parts.front();
    for (std::size_t at = 1; at < parts.size(); at++) out += by + parts[at];
    return out;
}

inline Condition condition(const Json& json) {
    const auto& parts = json.items;
    const std::string& name = parts.at(0).text;
    if (name == "all") return Condition::all();
    if (name == "not") return !condition(parts.at(1));
    if (name == "and" || name == "or") {
        Value::Array node{Value(name)};
        for (std::size_t at = 1; at < parts.size(); at++) node.push_back(condition(parts[at]).value());
        return Condition(Value(std::move(node)));
    }
    entidb::Field field(parts.at(1).text);
    if (name == "exists") return field.exists();
    if (name == "is_null") return field.is_null();
    if (name == "starts_with") return field.starts_with(parts.at(2).text);
    if (name == "between") return field.between(value(parts.at(2)), value(parts.at(3)));
    if (name == "in") {
        Value::Array operands;
        for (const Json& operand : parts.at(2).items) operands.push_back(value(operand));
        return field.in(std::move(operands));
    }
    Value operand = value(parts.at(2));
    if (name == "eq") return field == operand;
    if (name == "ne") return field != operand;
    if (name == "lt") return field < operand;
    if (name == "le") return field <= operand;
    if (name == "gt") return field > operand;
    if (name == "ge") return field >= operand;
    if (name == "contains") return field.contains(operand);
    throw std::runtime_error("no condition " + name);
}

inline Query query(const Json& json) {
    Query query(condition(json.at("where")));
    if (const Json* order = json.find("order")) {
        for (const Json& column : order->items) query.order_by(column.text);
    }
    if (const Json* limit = json.find("limit")) query.limit(limit->number());
    if (const Json* offset = json.find("offset")) query.offset(offset->number());
    return query;
}

inline entidb::Patch patch(const Json& json) {
    entidb::Patch patch;
    for (const Json& operation : json.items) {
        const std::string& name = operation.items.at(0).text;
        const std::string& path = operation.items.at(1).text;
        if (name == "remove") patch.remove(path);
        else if (name == "set") patch.set(path, value(operation.items.at(2)));
        else if (name == "increment") patch.increment(path, value(operation.items.at(2)));
        else if (name == "append") patch.append(path, value(operation.items.at(2)));
        else throw std::runtime_error("no operation " + name);
    }
    return patch;
}

class Run {
  public:
    /// Opens the database in a folder, or in memory when there is none.
    Run(const fs::path& folder, const Json* options) : folder_(folder), db_(nullptr) {
        if (options != nullptr) options_ = options->members;
        open(folder);
    }
    void close() {
        transactions_.clear();
        db_.close();
    }
    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;
    ~Run() {
        std::error_code ignored;
        for (const fs::path& place : places_) fs::remove_all(place, ignored);
    }

    std::string step(const Json& step) {
        const std::string& what = step.at("do").text;
        try {
            if (what == "begin" || what == "commit" || what == "abort" || what == "savepoint" || what == "rollback") {
                return transact(what, step);
            }
            if (step.find("in") != nullptr) return entities(what, step);
            return whole(what, step);
        } catch (const entidb::Error& error) {
            return "error " + std::string(error.name());
        }
    }

  private:
    void open(const fs::path& folder) {
        Value options{Value::Map()};
        for (const auto& [name, held] : options_) options.set(name, value(held));
        db_ = folder.empty() ? Database::open_memory(options) : Database::open(folder.string(), options);
    }
    Transaction* transaction(const Json& step) {
        const Json* name = step.find("tx");
        return name == nullptr ? nullptr : &transactions_.at(name->text);
    }
    std::optional<std::uint64_t> version(const Json& step) const {
        const Json* name = step.find("if");
        return name == nullptr ? std::nullopt : std::optional<std::uint64_t>(versions_.at(name->text));
    }

    std::uint64_t commit(const Json& step, const char* field) const { return commits_.at(step.at(field).text); }

    std::string transact(const std::string& what, const Json& step) {
        if (what == "begin") {
            Transaction begun = !step.is("read") ? db_.begin_write(std::chrono::milliseconds(0))
                                : step.find("at")  ? db_.begin_read_at(commit(step, "at"))
                                                   : db_.begin_read();
            transactions_.insert_or_assign(step.at("as").text, std::move(begun));
        } else if (what == "commit") {
            transaction(step)->commit();
        } else if (what == "abort") {
            transaction(step)->abort();
        } else if (what == "savepoint") {
            savepoints_[step.at("as").text] = transaction(step)->savepoint();
        } else {
            transaction(step)->rollback_to(savepoints_.at(step.at("to").text));
        }
        return "ok";
    }

    std::string whole(const std::string& what, const Json& step) {
        Transaction* in = transaction(step);
        auto name = [&](const char* field) { return step.at(field).text; };
        if (what == "collections") return joined(in ? in->collections() : db_.collections(), ", ");
        if (what == "verify") return yes(db_.verify()["ok"].as_bool());
        if (what == "config") return config(name("name"));
        if (what == "changes") return changes(name("since"), step.is("before"));
        if (what == "create_collection") in ? in->create_collection(name("name")) : db_.create_collection(name("name"));
        else if (what == "drop_collection") in ? in->drop_collection(name("name")) : db_.drop_collection(name("name"));
        else if (what == "rename_collection") in ? in->rename_collection(name("from"), name("to")) : db_.rename_collection(name("from"), name("to"));
        else if (what == "mark") commits_[name("as")] = db_.last_sequence();
        else if (what == "trim") db_.trim_changes(commit(step, "through"));
        else if (what == "checkpoint" || what == "compact") {
            auto done = what == "checkpoint" ? db_.checkpoint() : db_.compact();
            if (step.is("report")) return report(done);
        } else if (what.rfind("key_", 0) == 0) return keys_of_database(what, step);
        else if (what == "backup") return report(db_.backup(place(step, "to")));
        else if (what == "validate_backup") return yes(Database::validate_backup(place(step, "from"), options_of(step))["ok"].as_bool());
        else if (what == "restore") return report(Database::restore(place(step, "from"), place(step, "to"), options_of(step)));
        else if (what == "restore_memory") {
            close();
            db_ = Database::restore_memory(place(step, "from"), options_of(step));
        } else if (what == "damage") damage(place(step, "place"));
        else if (what == "close") db_.close();
        else if (what == "reopen") reopen(step);
        else throw std::runtime_error("no step " + what);
        return "ok";
    }

    /// The folder of a place.
    std::string place(const Json& step, const char* field) {
        fs::path path = folder_.string() + "-" + step.at(field).text;
        if (std::find(places_.begin(), places_.end(), path) == places_.end()) {
            fs::remove_all(path);
            places_.push_back(path);
        }
        return path.string();
    }
    static entidb::Options options_of(const Json& step) {
        Value options{Value::Map()};
        if (const Json* given = step.find("options")) {
            for (const auto& [name, held] : given->members) options.set(name, value(held));
        }
        return options;
    }
    static std::string report(const entidb::Document& report) {
        std::vector<std::string> fields;
        for (const auto& entry : report.view()) {
            std::string name(entry.key.as_text());
            std::int64_t number = entry.value.as_int();
            fields.push_back(name + " " + (name == "sequence" ? std::to_string(number) : number > 0 ? "+" : "0"));
        }
        std::sort(fields.begin(), fields.end());
        return joined(fields, ", ");
    }
    static void damage(const fs::path& place) {
        fs::path largest;
        for (const auto& entry : fs::directory_iterator(place / "seg")) {
            if (largest.empty() || entry.file_size() > fs::file_size(largest)) largest = entry.path();
        }
        auto middle = static_cast<std::streamoff>(fs::file_size(largest) / 2);
        std::fstream file(largest, std::ios::binary | std::ios::in | std::ios::out);
        file.seekg(middle);
        char byte = static_cast<char>(~file.get());
        file.seekp(middle);
        file.put(byte);
    }
    std::string keys_of_database(const std::string& what, const Json& step) {
        // What a key lends its bytes from.
        ByteVector bytes[2];
        auto key = [&](const char* field, int at) {
            const Json& given = step.at(field);
            const Json* raw = given.find("$bytes");
            bytes[at] = raw != nullptr ? unhex(raw->text) : ByteVector(given.text.begin(), given.text.end());
            return raw != nullptr ? entidb::Key::raw(entidb::Bytes(bytes[at])) : entidb::Key::password(given.text);
        };
        if (what == "key_add") db_.add_key(key("key", 0), key("new", 1));
        else if (what == "key_change") db_.change_key(key("key", 0), key("new", 1));
        else if (what == "key_remove") db_.remove_key(key("key", 0));
        else if (what == "key_rotate") db_.rotate_key();
        else if (what == "key_rekey") return yes(db_.rekey());
        else {
            std::vector<std::string> slots;
            auto list = db_.keys();
            for (const auto& entry : list.view()) {
                slots.push_back(std::to_string(entry.value["slot"].as_int()) + " " + std::string(entry.value["kind"].as_text()));
            }
            return joined(slots, ", ");
        }
        return "ok";
    }

    std::string config(const std::string& name) {
        auto options = db_.config();
        auto value = options[name];
        if (value.kind() == ENTIDB_KIND_TEXT) return std::string(value.as_text());
        if (value.kind() == ENTIDB_KIND_BOOL) return yes(value.as_bool());
        return std::to_string(value.as_int());
    }

    void reopen(const Json& step) {
        close();
        // Put back also when the database does not open.
        struct Kept {
            std::vector<std::pair<std::string, Json>>& options;
            std::vector<std::pair<std::string, Json>> before;
            ~Kept() { options = std::move(before); }
        } kept{options_, options_};
        if (const Json* more = step.find("options")) {
            for (const auto& [name, held] : more->members) {
                options_.erase(std::remove_if(options_.begin(), options_.end(), [&](const auto& option) { return option.first == name; }), options_.end());
                options_.emplace_back(name, held);
            }
        }
        open(step.find("place") != nullptr ? fs::path(place(step, "place")) : folder_);
    }

    std::string changes(const std::string& name, bool before) {
        auto feed = feeds_.find(name);
        if (feed == feeds_.end()) feed = feeds_.emplace(name, db_.changes()).first;
        if (before) feed->second.with_before();
        std::vector<std::string> commits;
        while (auto batch = feed->second.next()) {
            std::vector<std::string> parts;
            for (const auto& change : *batch) {
                std::string text = std::string(change.kind_name()) + " " + std::string(change.collection());
                if (auto id = change.id()) text += " " + decimal(*id);
                if (change.kind() <= ENTIDB_CHANGE_UPDATE || change.is_key()) text += " " + hex(change.document());
                if (change.before().size() > 0) text += " before " + hex(change.before());
                parts.push_back(text);
            }
            commits.push_back(joined(parts, " + "));
        }
        return joined(commits, " | ");
    }

    std::string entities(const std::string& what, const Json& step) {
        Transaction* in = transaction(step);
        const std::string& name = step.at("in").text;
        Collection collection = in ? in->collection(name) : db_.collection(name);
        auto which = [&] { return id(step.at("id")); };
        auto document = [&] { return value(step.at("doc")); };
        if (what == "put") collection.put(which(), document());
        else if (what == "insert") collection.insert(which(), document());
        else if (what == "replace") {
            if (auto only = version(step)) collection.replace(which(), document(), *only);
            else collection.replace(which(), document());
        } else if (what == "update") collection.update(which(), patch(step.at("patch")));
        else if (what == "put_many") {
            std::vector<std::pair<Id, Value>> documents;
            for (const Json& pair : step.at("docs").items) documents.emplace_back(id(pair.items.at(0)), value(pair.items.at(1)));
            collection.put_many(documents);
        } else if (what == "drop_index") collection.drop_index(step.at("name").text);
        else return answer(what, step, collection);
        return "ok";
    }

    std::string answer(const std::string& what, const Json& step, const Collection& collection) {
        if (what == "delete") return yes(collection.remove(id(step.at("id")), version(step)));
        if (what == "delete_many") return std::to_string(collection.remove_many(ids(step.at("ids"))));
        if (what == "exists") return yes(collection.exists(id(step.at("id"))));
        if (what == "count") return std::to_string(collection.count());
        if (what == "find_count") return std::to_string(collection.find_count(query(step.at("query"))));
        if (what == "find_delete") return std::to_string(collection.find_remove(query(step.at("query"))));
        if (what.size() > 4 && step.find("index") != nullptr) return keys(what, step, collection);
        if (what == "explain") return std::string(collection.explain(query(step.at("query")))["text"].as_text());
        std::vector<std::string> all;
        if (what == "get") {
            const Id which = id(step.at("id"));
            auto found = step.find("at") ? collection.get_as_of(which, commit(step, "at")) : collection.get(which);
            if (const Json* under = step.find("remember"); under != nullptr && found) versions_[under->text] = found->version();
            return found ? shown(*found) : "none";
        }
        if (what == "history") {
            const Id which = id(step.at("id"));
            auto versions = collection.history(which);
            while (versions.size() > 0) {
                for (const auto& version : versions) all.push_back(shown(which, version.document) + (version.until ? " ended" : ""));
                versions = collection.history(which, versions[versions.size() - 1].version);
            }
            return joined(all, "; ");
        }
        if (what == "get_many") {
            for (const auto& frame : collection.get_many(ids(step.at("ids")))) {
                all.push_back(frame.document ? shown(frame.id, *frame.document) : "none");
            }
        } else if (what == "scan") {
            entidb::Scan bounds;
            if (const Json* after = step.find("after")) bounds.after(id(*after));
            if (const Json* limit = step.find("limit")) bounds.limit(limit->number());
            bounds.reverse(step.is("reverse"));
            for (const Entity& entity : collection.scan(bounds)) all.push_back(shown(entity));
        } else if (what == "create_index") {
            std::vector<std::string> columns;
            if (const Json* fields = step.find("fields")) {
                for (const Json& field : fields->items) columns.push_back(field.text);
            }
            entidb::Index index = step.find("kind") ? entidb::Index::manual("") : entidb::Index(std::move(columns));
            if (const Json* name = step.find("name")) index.name(name->text);
            index.unique(step.is("unique")).multi(step.is("multi"));
            return yes(collection.create_index(index));
        } else if (what == "indexes") {
            auto list = collection.indexes();
            for (const auto& entry : list.view()) all.emplace_back(entry.value["name"].as_text());
            return joined(all, ", ");
        } else if (what == "collection_stats") {
            auto stats = collection.stats();
            std::string text = stats.at("id") ? std::to_string(stats["id"].as_int()) : "none";
            text += " " + std::string(stats["name"].as_text()) + " " + std::to_string(stats["entities"].as_int());
            for (const auto& entry : stats["indexes"]) {
                const auto& index = entry.value;
                text += "; " + std::string(index["index"].as_text()) + " " + std::string(index["kind"].as_text()) + " " + std::to_string(index["rows"].as_int());
            }
            return text;
        } else if (what == "find" || what == "find_ids") {
            return find(step, collection, what == "find_ids");
        } else {
            throw std::runtime_error("no step " + what);
        }
        return joined(all, "; ");
    }

    static std::string keys(const std::string& what, const Json& step, const Collection& collection) {
        entidb::ManualIndex index = collection.manual_index(step.at("index").text);
        if (what == "insert_key") return yes(index.insert(value(step.at("key")), id(step.at("id"))));
        if (what == "remove_key") return yes(index.remove(value(step.at("key")), id(step.at("id"))));
        if (what == "count_keys") return std::to_string(index.size());
        std::vector<std::string> all;
        if (what == "lookup_key") {
            for (const Id& found : index.lookup(value(step.at("key")))) all.push_back(decimal(found));
            return joined(all, ", ");
        }
        entidb::KeyRange range;
        if (const Json* from = step.find("from")) step.is("from_open") ? range.above(value(*from)) : range.from(value(*from));
        if (const Json* to = step.find("to")) step.is("to_open") ? range.below(value(*to)) : range.to(value(*to));
        if (const Json* limit = step.find("limit")) range.limit(limit->number());
        range.reverse(step.is("reverse"));
        auto found = index.range(range);
        for (const auto& pair : found.view()) all.push_back(decimal(Id::of(pair.value["1"].as_bytes().data())));
        return joined(all, ", ");
    }

    static std::string find(const Json& step, const Collection& collection, bool only_ids) {
        Query asked = query(step.at("query"));
        std::vector<Entity> found;
        if (const Json* pages = step.find("pages")) {
            asked.page(pages->number());
            for (bool ended = false; !ended;) {
                auto cursor = collection.find(asked);
                std::optional<entidb::Buffer> token;
                while (auto entity = cursor.next()) {
                    found.push_back(std::move(*entity));
                    token = cursor.token();
                }
                ended = !token;
                if (token) asked.after(*token);
            }
        } else {
            auto cursor = collection.find(asked);
            while (auto entity = cursor.next()) found.push_back(std::move(*entity));
        }
        std::vector<std::string> all;
        if (only_ids) std::sort(found.begin(), found.end(), [](const Entity& a, const Entity& b) { return a.id() < b.id(); });
        for (const Entity& entity : found) all.push_back(only_ids ? decimal(entity.id()) : shown(entity));
        return joined(all, only_ids ? " " : "; ");
    }

    fs::path folder_;
    std::vector<std::pair<std::string, Json>> options_;
    Database db_;
    std::vector<fs::path> places_;
    std::map<std::string, std::uint64_t> savepoints_, versions_, commits_;
    std::map<std::string, entidb::ChangeFeed> feeds_;
    std::map<std::string, Transaction> transactions_;
};

/// A folder that is not there yet and goes with this object.
struct Scratch {
    fs::path path;
    explicit Scratch(const std::string& name) : path(fs::temp_directory_path() / ("entidb-" + name)) { fs::remove_all(path); }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    ~Scratch() {
        std::error_code ignored;
        fs::remove_all(path, ignored);
    }
};

inline std::string text_of(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error("cannot read " + path.string());
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

#endif
