// EntiDB in C++17: owners over the C functions of entidb.h, documents, conditions and exceptions.
//
// Always: owners are move-only and free what they hold; a call that fails throws entidb::Error; views and entities
// borrow nothing that outlives their owner without saying so. Does not know: anything the C functions do not.
//
//     auto db = entidb::Database::open_memory();
//     auto notes = db.collection("notes");
//     entidb::Id id = notes.put(entidb::map({{"title", "Hello"}, {"stars", 5}}));
//     for (const entidb::Entity& note : notes.find(entidb::field("stars") >= 4)) use(note["title"].as_text());
#ifndef ENTIDB_HPP
#define ENTIDB_HPP

#include "entidb/cancel.hpp"
#include "entidb/collection.hpp"
#include "entidb/database.hpp"
#include "entidb/document.hpp"
#include "entidb/query.hpp"

#endif
