/* Every function on collections, values and cursors, used as it is meant to be. */
#include "check.h"

static const uint8_t ID[16] = {7};

int main(void) {
    entidb_database *db = NULL;
    entidb_collection *notes = NULL;
    entidb_error *error = NULL;
    CHECK("a database opens in memory", entidb_database_open_memory(NULL, 0, &db, &error) == ENTIDB_OK && error == NULL);
    CHECK("a collection is taken", entidb_database_collection(db, BYTES("notes"), &notes, &error) == ENTIDB_OK);

    entidb_buffer one = document(1, "one"), two = document(2, "two");
    uint8_t id[16] = {0}, zero[16] = {0};
    CHECK("a put makes an id", entidb_collection_put(notes, NULL, one.data, one.len, ENTIDB_PUT, 0, id, &error) == ENTIDB_OK && memcmp(id, zero, 16) != 0);
    CHECK("a put takes an id", entidb_collection_put(notes, ID, two.data, two.len, ENTIDB_PUT, 0, NULL, &error) == ENTIDB_OK);
    CHECK("an insert over an entity is refused", entidb_collection_put(notes, ID, one.data, one.len, ENTIDB_INSERT, 0, NULL, &error) == ENTIDB_ERROR_ALREADY_EXISTS);
    CHECK("the error names the collection", strcmp(entidb_error_collection(error), "notes") == 0);
    CHECK("the error names the entity", entidb_error_id(error) != NULL && memcmp(entidb_error_id(error), ID, 16) == 0);
    CHECK("the error says what to do", strlen(entidb_error_message(error)) > 20);
    CHECK("the code is that of the call", take(&error) == ENTIDB_ERROR_ALREADY_EXISTS);

    entidb_value *value = NULL;
    entidb_bytes bytes;
    CHECK("a get finds it", entidb_collection_get(notes, ID, &value, &error) == ENTIDB_OK && value != NULL);
    entidb_value_bytes(value, &bytes);
    CHECK("the document is what was put", bytes.len == two.len && memcmp(bytes.data, two.data, two.len) == 0);
    CHECK("the value has its id", memcmp(entidb_value_id(value), ID, 16) == 0);
    uint64_t version = entidb_value_version(value);
    CHECK("the value has a version", version > 0);
    CHECK("a replace with that version succeeds", entidb_collection_put(notes, ID, one.data, one.len, ENTIDB_REPLACE_VERSION, version, NULL, &error) == ENTIDB_OK);
    CHECK("a second one is refused", entidb_collection_put(notes, ID, one.data, one.len, ENTIDB_REPLACE_VERSION, version, NULL, NULL) == ENTIDB_ERROR_VERSION_MISMATCH);
    entidb_value_bytes(value, &bytes);
    CHECK("a value read before keeps its bytes", number_at(bytes.data, bytes.len, "n") == 2);
    entidb_value_free(value);
    CHECK("a replace of nothing is refused", entidb_collection_put(notes, zero, one.data, one.len, ENTIDB_REPLACE, 0, NULL, NULL) == ENTIDB_ERROR_ENTITY_NOT_FOUND);

    int32_t exists = -1;
    uint64_t count = 0;
    CHECK("exists says yes", entidb_collection_exists(notes, ID, &exists, &error) == ENTIDB_OK && exists == 1);
    CHECK("exists says no", entidb_collection_exists(notes, zero, &exists, &error) == ENTIDB_OK && exists == 0);
    CHECK("the count is exact", entidb_collection_count(notes, &count, &error) == ENTIDB_OK && count == 2);
    CHECK("a get of nothing is an outcome, not an error", entidb_collection_get(notes, zero, &value, &error) == ENTIDB_NOT_FOUND && value == NULL && error == NULL);

    /* [[0, ["n"], 41]] would be opaque here; the patch comes as its encoding: set n to 41. */
    entidb_encoder *encoder = NULL;
    entidb_buffer many = {0};
    uint8_t frame[256];
    size_t at = 0;
    for (int i = 0; i < 3; i++) {
        entidb_buffer doc = document(10 + i, "many");
        uint32_t len = (uint32_t)doc.len;
        memcpy(frame + at, &len, 4);
        at += 4;
        frame[at++] = 1;
        memset(frame + at, 0, 16);
        frame[at + 15] = (uint8_t)(100 + i);
        at += 16;
        memcpy(frame + at, doc.data, doc.len);
        at += doc.len;
        entidb_buffer_free(&doc);
    }
    CHECK("put_many stores all", entidb_collection_put_many(notes, frame, at, &many, &error) == ENTIDB_OK && many.len == 48);
    CHECK("the ids come back", many.data[15] == 100 && many.data[47] == 102);
    entidb_buffer frames = {0};
    CHECK("get_many frames them", entidb_collection_get_many(notes, many.data, 3, &frames, &error) == ENTIDB_OK && frames.len > 3 * 28);
    entidb_buffer_free(&frames);
    CHECK("half a frame is refused", entidb_collection_put_many(notes, frame, at - 1, &frames, NULL) == ENTIDB_ERROR_TRUNCATED);

    entidb_buffer index = definition("n", 1);
    int32_t created = 0;
    CHECK("an index is made over what is there, and a duplicate refused", entidb_collection_create_index(notes, index.data, index.len, &created, &error) == ENTIDB_ERROR_UNIQUE_VIOLATION && strcmp(entidb_error_index(error), "n") == 0);
    take(&error);
    CHECK("no entity has version 0", entidb_collection_delete_version(notes, ID, 0, &error) == ENTIDB_ERROR_VERSION_MISMATCH);
    take(&error);
    CHECK("the duplicate goes", entidb_collection_delete(notes, ID, &error) == ENTIDB_OK);
    CHECK("now the index is made", entidb_collection_create_index(notes, index.data, index.len, &created, &error) == ENTIDB_OK && created == 1);
    CHECK("again it is there", entidb_collection_create_index(notes, index.data, index.len, &created, &error) == ENTIDB_OK && created == 0);
    entidb_buffer listed = {0};
    entidb_item item;
    CHECK("indexes are listed", entidb_collection_indexes(notes, &listed, &error) == ENTIDB_OK && entidb_document_lookup(listed.data, listed.len, BYTES("0.name"), &item, NULL) == ENTIDB_OK && item.kind == ENTIDB_KIND_TEXT && item.bytes.len == 1);
    entidb_buffer_free(&listed);
    CHECK("a collection says its number and the rows of its indexes", entidb_collection_stats(notes, &listed, &error) == ENTIDB_OK && entidb_document_lookup(listed.data, listed.len, BYTES("id"), &item, NULL) == ENTIDB_OK && item.kind == ENTIDB_KIND_INT && item.number > 0 && entidb_document_lookup(listed.data, listed.len, BYTES("indexes.0.rows"), &item, NULL) == ENTIDB_OK && item.kind == ENTIDB_KIND_INT);
    entidb_buffer_free(&listed);

    entidb_buffer manual = {0}, pairs = {0}, holders = {0};
    entidb_encoder *shape = NULL;
    CHECK("a definition is written", entidb_encoder_new(&shape, &error) == ENTIDB_OK && entidb_encoder_begin_map(shape, 2) == ENTIDB_OK
        && entidb_encoder_key(shape, BYTES("kind")) == ENTIDB_OK && entidb_encoder_text(shape, BYTES("manual")) == ENTIDB_OK
        && entidb_encoder_key(shape, BYTES("name")) == ENTIDB_OK && entidb_encoder_text(shape, BYTES("keys")) == ENTIDB_OK
        && entidb_encoder_end(shape) == ENTIDB_OK && entidb_encoder_finish(shape, &manual, &error) == ENTIDB_OK);
    entidb_encoder_free(shape);
    uint64_t key_count = 0;
    int32_t inserted = 0;
    const uint8_t *holder = many.data;
    CHECK("a manual index is made", entidb_collection_create_index(notes, manual.data, manual.len, &created, &error) == ENTIDB_OK && created == 1);
    CHECK("an entity is given a key", entidb_collection_insert_key(notes, BYTES("keys"), BYTES("\x61k"), holder, &inserted, &error) == ENTIDB_OK && inserted == 1);
    CHECK("once", entidb_collection_insert_key(notes, BYTES("keys"), BYTES("\x61k"), holder, &inserted, &error) == ENTIDB_OK && inserted == 0);
    CHECK("the key leads to it", entidb_collection_lookup_key(notes, BYTES("keys"), BYTES("\x61k"), &holders, &error) == ENTIDB_OK && holders.len == 16 && memcmp(holders.data, holder, 16) == 0);
    CHECK("keys are listed", entidb_collection_range_keys(notes, BYTES("keys"), BYTES("\xa0"), &pairs, &error) == ENTIDB_OK && entidb_document_lookup(pairs.data, pairs.len, BYTES("0.1"), &item, NULL) == ENTIDB_OK && item.kind == ENTIDB_KIND_BYTES && item.bytes.len == 16);
    entidb_cursor *walk = NULL;
    entidb_value *none = NULL;
    entidb_buffer walked = {0};
    CHECK("keys are walked over", entidb_collection_scan_keys(notes, BYTES("keys"), BYTES("\xa0"), &walk, &error) == ENTIDB_OK);
    CHECK("not one by one", entidb_cursor_next(walk, &none, NULL) == ENTIDB_ERROR_UNSUPPORTED && none == NULL);
    CHECK("but in batches", entidb_cursor_next_batch(walk, 10, 1 << 20, &walked, &error) == ENTIDB_OK && walked.len == 30 && memcmp(walked.data + 28, "\x61k", 2) == 0);
    entidb_buffer_free(&walked);
    CHECK("up to the end", entidb_cursor_next_batch(walk, 10, 1, &walked, &error) == ENTIDB_END);
    entidb_cursor_free(walk);
    CHECK("and counted", entidb_collection_count_keys(notes, BYTES("keys"), &key_count, &error) == ENTIDB_OK && key_count == 1);
    CHECK("a key is taken away", entidb_collection_remove_key(notes, BYTES("keys"), BYTES("\x61k"), holder, NULL, &error) == ENTIDB_OK);
    CHECK("another kind takes none", entidb_collection_count_keys(notes, BYTES("n"), &key_count, NULL) == ENTIDB_ERROR_INVALID_ARGUMENT);
    CHECK("half a value is no key", entidb_collection_lookup_key(notes, BYTES("keys"), BYTES("\x62k"), &frames, NULL) == ENTIDB_ERROR_TRUNCATED);
    entidb_buffer_free(&manual);
    entidb_buffer_free(&pairs);
    entidb_buffer_free(&holders);

    entidb_buffer ask = query("ge", "n", 11);
    entidb_cursor *cursor = NULL;
    CHECK("a find gives a cursor", entidb_collection_find(notes, ask.data, ask.len, &cursor, &error) == ENTIDB_OK);
    CHECK("the first answer", entidb_cursor_next(cursor, &value, &error) == ENTIDB_OK);
    entidb_value_bytes(value, &bytes);
    CHECK("comes in index order", number_at(bytes.data, bytes.len, "n") == 11);
    entidb_value_free(value);
    entidb_buffer token = {0};
    CHECK("it has a page token", entidb_cursor_token(cursor, 0, &token, &error) == ENTIDB_OK && token.len > 0);
    CHECK("a position beyond has none", entidb_cursor_token(cursor, 5, &frames, &error) == ENTIDB_NOT_FOUND);
    CHECK("the rest comes as a batch", entidb_cursor_next_batch(cursor, 10, 1 << 20, &frames, &error) == ENTIDB_OK && frames.len > 28);
    CHECK("then the end", entidb_cursor_next(cursor, &value, &error) == ENTIDB_END && value == NULL && error == NULL);
    CHECK("after the last answer there is no page", entidb_cursor_token(cursor, 0, &listed, &error) == ENTIDB_END);
    entidb_buffer_free(&listed);
    CHECK("and again the end", entidb_cursor_next_batch(cursor, 10, 1, &listed, &error) == ENTIDB_END);
    entidb_buffer_free(&frames);
    entidb_buffer_free(&token);
    entidb_cursor_free(cursor);
    CHECK("a find is counted", entidb_collection_find_count(notes, ask.data, ask.len, &count, &error) == ENTIDB_OK && count == 2);
    entidb_buffer explanation = {0};
    CHECK("a find is explained", entidb_collection_find_explain(notes, ask.data, ask.len, &explanation, &error) == ENTIDB_OK && entidb_document_lookup(explanation.data, explanation.len, BYTES("index"), &item, NULL) == ENTIDB_OK && item.bytes.len == 1 && item.bytes.data[0] == 'n');
    entidb_buffer_free(&explanation);
    CHECK("a scan walks in reverse", entidb_collection_scan(notes, NULL, 1, 2, &cursor, &error) == ENTIDB_OK && entidb_cursor_next(cursor, &value, &error) == ENTIDB_OK);
    entidb_value_free(value);
    CHECK("a scan has no token", entidb_cursor_token(cursor, 0, &token, NULL) == ENTIDB_ERROR_UNSUPPORTED);
    entidb_cursor_free(cursor);
    CHECK("what a find gives is removed", entidb_collection_find_delete(notes, ask.data, ask.len, &count, &error) == ENTIDB_OK && count == 2);
    CHECK("delete_many counts what was there", entidb_collection_delete_many(notes, many.data, 3, &count, &error) == ENTIDB_OK && count == 1);
    CHECK("a delete of nothing is an outcome", entidb_collection_delete(notes, ID, &error) == ENTIDB_NOT_FOUND && error == NULL);
    CHECK("an index is dropped", entidb_collection_drop_index(notes, BYTES("n"), &error) == ENTIDB_OK);
    CHECK("once", entidb_collection_drop_index(notes, BYTES("n"), NULL) == ENTIDB_ERROR_INDEX_NOT_FOUND);

    /* A patch: an array of operations; here one that sets n, [0, ["n"], 41]. */
    CHECK("an encoder is made", entidb_encoder_new(&encoder, &error) == ENTIDB_OK);
    entidb_encoder_begin_array(encoder, 1);
    entidb_encoder_begin_array(encoder, 3);
    entidb_encoder_int(encoder, 0);
    entidb_encoder_begin_array(encoder, 1);
    entidb_encoder_text(encoder, BYTES("n"));
    entidb_encoder_end(encoder);
    entidb_encoder_int(encoder, 41);
    entidb_encoder_end(encoder);
    entidb_encoder_end(encoder);
    entidb_buffer patch = {0};
    CHECK("the patch is written", entidb_encoder_finish(encoder, &patch, &error) == ENTIDB_OK);
    CHECK("an update changes a part", entidb_collection_update(notes, id, patch.data, patch.len, &error) == ENTIDB_OK);
    CHECK("the entity is there", entidb_collection_get(notes, id, &value, &error) == ENTIDB_OK);
    entidb_value_bytes(value, &bytes);
    CHECK("and changed", number_at(bytes.data, bytes.len, "n") == 41);
    entidb_value_free(value);
    entidb_buffer_free(&patch);

    entidb_encoder_begin_map(encoder, 12);
    entidb_encoder_key(encoder, BYTES("null"));
    entidb_encoder_null(encoder);
    entidb_encoder_key(encoder, BYTES("true"));
    entidb_encoder_bool(encoder, 1);
    entidb_encoder_key(encoder, BYTES("big"));
    entidb_encoder_uint(encoder, UINT64_MAX);
    entidb_encoder_key(encoder, BYTES("real"));
    entidb_encoder_double(encoder, 2.5);
    entidb_encoder_key(encoder, BYTES("bytes"));
    entidb_encoder_bytes(encoder, ID, 16);
    entidb_encoder_key(encoder, BYTES("at"));
    entidb_encoder_timestamp(encoder, -5);
    entidb_encoder_key(encoder, BYTES("id"));
    entidb_encoder_id(encoder, ID);
    entidb_encoder_end(encoder);
    entidb_buffer all = {0};
    CHECK("every kind is written, and a wrong count put right", entidb_encoder_finish(encoder, &all, &error) == ENTIDB_OK);
#define AT(path) entidb_document_lookup(all.data, all.len, BYTES(path), &item, &error) == ENTIDB_OK
    CHECK("null is read", AT("null") && item.kind == ENTIDB_KIND_NULL);
    CHECK("a bool is read", AT("true") && item.kind == ENTIDB_KIND_BOOL && item.number == 1);
    CHECK("a large integer is read", AT("big") && item.kind == ENTIDB_KIND_UINT && (uint64_t)item.number == UINT64_MAX);
    CHECK("a float is read", AT("real") && item.kind == ENTIDB_KIND_DOUBLE && item.real == 2.5);
    CHECK("bytes are read", AT("bytes") && item.kind == ENTIDB_KIND_BYTES && item.bytes.len == 16);
    CHECK("a moment is read", AT("at") && item.kind == ENTIDB_KIND_TIMESTAMP && item.number == -5);
    CHECK("an id is its 16 bytes", AT("id") && item.kind == ENTIDB_KIND_ID && item.bytes.len == 16);
    CHECK("the whole is a map", AT("") && item.kind == ENTIDB_KIND_MAP && item.number == 7 && item.bytes.len == all.len);
    CHECK("what is not there is an outcome", entidb_document_lookup(all.data, all.len, BYTES("x.y"), &item, &error) == ENTIDB_NOT_FOUND);
    entidb_buffer_free(&all);
    entidb_encoder_free(encoder);

    entidb_buffer_free(&ask);
    entidb_buffer_free(&index);
    entidb_buffer_free(&many);
    entidb_buffer_free(&one);
    entidb_buffer_free(&two);
    entidb_collection_free(notes);
    CHECK("the database closes", entidb_database_close(db, &error) == ENTIDB_OK);
    entidb_database_free(db);
    return finish();
}
