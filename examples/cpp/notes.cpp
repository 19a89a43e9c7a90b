// Notes in a database: written, found by what they hold, changed only together, and there after a reopen.
#include <entidb.hpp>
#include <iostream>

using entidb::field;
using entidb::map;

static void show(const entidb::Collection& notes) {
    for (const entidb::Entity& note : notes.find(entidb::Query(field("stars") >= 4).order_by("-stars"))) {
        std::cout << note["stars"].as_int() << " stars: " << note["title"].as_text() << '\n';
    }
}

int main() try {
    {
        auto db = entidb::Database::open("notes.entidb");
        auto notes = db.collection("notes");
        notes.create_index("stars");

        // Each put outside a transaction is a transaction of its own, on stable storage when the call returns.
        entidb::Id milk = notes.put(map({{"title", "buy milk"}, {"stars", 3}}));
        notes.put(map({{"title", "write the letter"}, {"stars", 4}}));
        notes.put(map({{"title", "call Ada"}, {"stars", 5}}));
        show(notes);
        std::cout << notes.explain(field("stars") >= 4)["text"].as_text() << '\n';

        notes.update(milk, entidb::Patch().increment("stars", 2).append("tags", "shop"));
        std::cout << "milk has " << (*notes.get(milk))["stars"].as_int() << " stars now\n";

        // All of a transaction or nothing: an exception aborts it.
        try {
            db.write([](entidb::Transaction& tx) {
                auto count = tx.collection("notes").find_remove(entidb::Condition::all());
                throw std::runtime_error(std::to_string(count) + " notes deleted, and kept after all");
            });
        } catch (const std::runtime_error& error) {
            std::cout << error.what() << '\n';
        }

        // What happened, in order.
        auto feed = db.changes();
        while (auto batch = feed.next()) {
            for (const auto& change : *batch) std::cout << change.kind_name() << ' ';
        }
        std::cout << '\n';
        db.close();
    }
    auto db = entidb::Database::open("notes.entidb");
    auto count = db.collection("notes").count();
    std::cout << count << " notes after a reopen\n";
    db.close();
    return count == 3 ? 0 : 1;
} catch (const entidb::Error& error) {
    std::cerr << error.name() << ": " << error.what() << "; " << error.hint() << '\n';
    return 1;
}
