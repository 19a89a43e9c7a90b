/* Documents walked entry by entry and put inside each other, and every way to ask for that wrongly. */
#include "check.h"

int main(void) {
    entidb_error *error = NULL;
    entidb_encoder *encoder = NULL;
    entidb_buffer inner = document(7, "seven"), outer = {0};
    CHECK("an encoder is made", entidb_encoder_new(&encoder, &error) == ENTIDB_OK);
    entidb_encoder_begin_array(encoder, 2);
    CHECK("a document goes inside a document", entidb_encoder_document(encoder, inner.data, inner.len) == ENTIDB_OK);
    entidb_encoder_bool(encoder, 1);
    entidb_encoder_end(encoder);
    CHECK("the outer one is finished", entidb_encoder_finish(encoder, &outer, &error) == ENTIDB_OK);

    entidb_item key, value;
    size_t offset = 0;
    CHECK("the first item is the document", entidb_document_next(outer.data, outer.len, &offset, &key, &value, &error) == ENTIDB_OK && value.kind == ENTIDB_KIND_MAP && value.bytes.len == inner.len && memcmp(value.bytes.data, inner.data, inner.len) == 0);
    CHECK("items of an array have no key", key.kind == ENTIDB_KIND_NULL);
    CHECK("out_key may be NULL", entidb_document_next(outer.data, outer.len, &offset, NULL, &value, &error) == ENTIDB_OK && value.kind == ENTIDB_KIND_BOOL);
    CHECK("then the end", entidb_document_next(outer.data, outer.len, &offset, &key, &value, &error) == ENTIDB_END);
    CHECK("and again the end", entidb_document_next(outer.data, outer.len, &offset, &key, &value, &error) == ENTIDB_END && error == NULL);
    offset = 0;
    int entries = 0;
    while (entidb_document_next(inner.data, inner.len, &offset, &key, &value, &error) == ENTIDB_OK) {
        entries++;
        if (key.kind != ENTIDB_KIND_TEXT || key.bytes.len != 1) entries = 100;
    }
    CHECK("a map gives each entry with its key", entries == 2);

    offset = outer.len + 1;
    CHECK("an offset beyond is refused", entidb_document_next(outer.data, outer.len, &offset, &key, &value, NULL) == ENTIDB_ERROR_INVALID_ARGUMENT);
    offset = 0;
    CHECK("half a document is refused with its offset", entidb_document_next(outer.data, outer.len - 1, &offset, &key, &value, &error) == ENTIDB_ERROR_TRUNCATED && entidb_error_offset(error) >= 0);
    take(&error);
    CHECK("a refused call moves nothing", offset == 0);
    const uint8_t scalar[] = {5};
    CHECK("a scalar has no entries", entidb_document_next(scalar, 1, &offset, &key, &value, NULL) == ENTIDB_ERROR_WRONG_TYPE);
    const uint8_t empty[] = {0xa0};
    CHECK("an empty map ends at once", entidb_document_next(empty, 1, &offset, &key, &value, NULL) == ENTIDB_END);
    CHECK("a NULL document is refused", entidb_document_next(NULL, 3, &offset, &key, &value, NULL) == ENTIDB_ERROR_INVALID_ARGUMENT);
    CHECK("a NULL offset is refused", entidb_document_next(outer.data, outer.len, NULL, &key, &value, NULL) == ENTIDB_ERROR_INVALID_ARGUMENT);
    CHECK("a NULL value is refused", entidb_document_next(outer.data, outer.len, &offset, &key, NULL, NULL) == ENTIDB_ERROR_INVALID_ARGUMENT);
    CHECK("a lookup with nowhere to put it is refused", entidb_document_lookup(outer.data, outer.len, BYTES("1"), NULL, NULL) == ENTIDB_ERROR_INVALID_ARGUMENT);

    const uint8_t bad[] = {0x18, 0x01};
    entidb_buffer none = {0};
    entidb_encoder_begin_array(encoder, 1);
    CHECK("what is not canonical does not go inside", entidb_encoder_document(encoder, bad, 2) == ENTIDB_ERROR_NOT_CANONICAL);
    entidb_encoder_end(encoder);
    CHECK("and finish tells of it", entidb_encoder_finish(encoder, &none, &error) == ENTIDB_ERROR_NOT_CANONICAL && none.data == NULL);
    take(&error);
    entidb_encoder_begin_array(encoder, 1);
    entidb_encoder_text(encoder, (const uint8_t *)"\xff", 1);
    entidb_encoder_end(encoder);
    CHECK("a refused text is no shorter array", entidb_encoder_finish(encoder, &none, NULL) == ENTIDB_ERROR_INVALID_ARGUMENT);
    entidb_encoder_int(encoder, 1);
    CHECK("the encoder is good again", entidb_encoder_finish(encoder, &none, NULL) == ENTIDB_OK && none.len == 1);
    CHECK("no encoder is refused", entidb_encoder_document(NULL, inner.data, inner.len) == ENTIDB_ERROR_INVALID_HANDLE);

    /* Every type of value, written and read. */
    const uint8_t uuid[16] = {1, 2, 3};
    const float elements[2] = {0.5f, -1.0f};
    entidb_buffer typed = {0};
    entidb_item item;
    entidb_encoder_begin_map(encoder, 4);
    entidb_encoder_key(encoder, BYTES("uuid"));
    CHECK("a UUID is written", entidb_encoder_uuid(encoder, uuid) == ENTIDB_OK);
    entidb_encoder_key(encoder, BYTES("price"));
    CHECK("a decimal", entidb_encoder_decimal(encoder, -1299, -2) == ENTIDB_OK);
    entidb_encoder_key(encoder, BYTES("vector"));
    CHECK("a vector", entidb_encoder_vector(encoder, ENTIDB_VECTOR_F32, (const uint8_t *)elements, sizeof elements) == ENTIDB_OK);
    entidb_encoder_key(encoder, BYTES("tagged"));
    CHECK("a tag", entidb_encoder_begin_tag(encoder, 4711) == ENTIDB_OK && entidb_encoder_int(encoder, 7) == ENTIDB_OK && entidb_encoder_end(encoder) == ENTIDB_OK);
    entidb_encoder_end(encoder);
    CHECK("all of them are a document", entidb_encoder_finish(encoder, &typed, &error) == ENTIDB_OK);
#define TYPED(path) (entidb_document_lookup(typed.data, typed.len, BYTES(path), &item, &error) == ENTIDB_OK)
    CHECK("the UUID is read", TYPED("uuid") && item.kind == ENTIDB_KIND_UUID && item.bytes.len == 16 && memcmp(item.bytes.data, uuid, 16) == 0);
    CHECK("the decimal", TYPED("price") && item.kind == ENTIDB_KIND_DECIMAL && item.number == -1299 && item.detail == -2);
    CHECK("the vector", TYPED("vector") && item.kind == ENTIDB_KIND_VECTOR && item.detail == ENTIDB_VECTOR_F32 && item.number == 2 && item.bytes.len == sizeof elements && memcmp(item.bytes.data, elements, sizeof elements) == 0);
    CHECK("the tag with its value", TYPED("tagged") && item.kind == ENTIDB_KIND_TAGGED && item.number == 4711 && item.bytes.len == 1 && item.bytes.data[0] == 7);
    entidb_buffer_free(&typed);
    CHECK("half an element is refused", entidb_encoder_vector(encoder, ENTIDB_VECTOR_F32, (const uint8_t *)elements, 3) == ENTIDB_ERROR_INVALID_ARGUMENT);
    CHECK("and another kind", entidb_encoder_vector(encoder, 99, NULL, 0) == ENTIDB_ERROR_INVALID_ARGUMENT && entidb_encoder_uuid(encoder, NULL) == ENTIDB_ERROR_INVALID_ARGUMENT);
    CHECK("which spoils the document", entidb_encoder_finish(encoder, &typed, NULL) == ENTIDB_ERROR_INVALID_ARGUMENT);

    /* Ids and their text. */
    uint8_t first[16] = {0}, second[16] = {0}, again[16] = {0};
    char written[ENTIDB_ID_TEXT_BYTES];
    entidb_database *ids = NULL;
    entidb_database_open_memory(NULL, 0, &ids, NULL);
    CHECK("ids are made in order", entidb_database_new_id(ids, first, &error) == ENTIDB_OK && entidb_database_new_id(ids, second, &error) == ENTIDB_OK && memcmp(first, second, 16) < 0);
    CHECK("and written", entidb_id_text(first, written, &error) == ENTIDB_OK && strlen(written) == 36);
    CHECK("and read", entidb_id_parse(BYTES(written), again, &error) == ENTIDB_OK && memcmp(first, again, 16) == 0);
    CHECK("what is no id is refused", entidb_id_parse(BYTES("no id"), again, NULL) == ENTIDB_ERROR_INVALID_ARGUMENT && entidb_id_text(NULL, written, NULL) == ENTIDB_ERROR_INVALID_ARGUMENT && entidb_id_text(first, NULL, NULL) == ENTIDB_ERROR_INVALID_ARGUMENT && entidb_database_new_id(ids, NULL, NULL) == ENTIDB_ERROR_INVALID_ARGUMENT);
    entidb_database_free(ids);

    /* A collection of a read transaction ends with it. */
    entidb_database *db = NULL;
    entidb_transaction *read = NULL;
    entidb_collection *notes = NULL;
    uint64_t count = 1;
    entidb_database_open_memory(NULL, 0, &db, NULL);
    entidb_database_begin_read(db, &read, NULL);
    entidb_transaction_collection(read, BYTES("notes"), &notes, NULL);
    CHECK("a read transaction reads", entidb_collection_count(notes, &count, NULL) == ENTIDB_OK && count == 0);
    entidb_cursor *cursor = NULL;
    entidb_value *entity = NULL;
    entidb_buffer frames = {0};
    CHECK("a scan of it begins", entidb_collection_scan(notes, NULL, 0, ENTIDB_NO_LIMIT, &cursor, NULL) == ENTIDB_OK);
    CHECK("its commit ends it", entidb_transaction_commit(read, ENTIDB_DURABILITY_DEFAULT, NULL, NULL) == ENTIDB_OK);
    CHECK("its collections say so", entidb_collection_count(notes, &count, NULL) == ENTIDB_ERROR_TRANSACTION_ENDED);
    CHECK("its cursors say so once", entidb_cursor_next_batch(cursor, 10, 1000, &frames, NULL) == ENTIDB_ERROR_TRANSACTION_ENDED);
    CHECK("and are at their end then", entidb_cursor_next(cursor, &entity, NULL) == ENTIDB_END && entity == NULL);
    entidb_cursor_free(cursor);
    entidb_collection_free(notes);
    entidb_transaction_free(read);
    entidb_database_free(db);

    entidb_buffer_free(&none);
    entidb_buffer_free(&outer);
    entidb_buffer_free(&inner);
    entidb_encoder_free(encoder);
    return finish();
}
