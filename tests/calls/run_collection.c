/* The functions of collections. */
#include "run.h"

void run_collection_put(struct worker *w) {
    struct blob document = random_document(w);
    uint8_t *id = rarely(w, 8) ? NULL : random_id(w), given[16], *out = rarely(w, 4) ? NULL : given;
    uint32_t mode = rarely(w, 60) ? (uint32_t)next(w) : (uint32_t)below(w, 8) < 4 ? ENTIDB_PUT : (uint32_t)below(w, 4);
    memset(given, 0x5a, sizeof given);
    entidb_error **error = error_place(w);
    entidb_status status =
        STATUS(collection_put, pick(w, COLLECTION), id, document.data, document.len, mode, random_number(w), out, error);
    if (status == ENTIDB_OK && out != NULL && id != NULL && memcmp(out, id, 16) != 0) found(w, "another id than was given");
}

void run_collection_update(struct worker *w) {
    struct blob patch = random_patch(w);
    GIVES_NOTHING(collection_update, pick(w, COLLECTION), rarely(w, 60) ? NULL : random_id(w), patch.data, patch.len);
}

/* Looks at a value as a reader does. */
static void look(struct worker *w, entidb_value *value, const uint8_t *id) {
    entidb_bytes bytes = {poison(), 3};
    NOTHING(value_bytes, value, &bytes);
    const uint8_t *stored = PLAIN(value_id, value);
    uint64_t version = PLAIN(value_version, value);
    if (bytes.data == NULL || bytes.len == 0 || stored == NULL || version == 0) {
        found(w, "a value without bytes, id or version");
        return;
    }
    if (id != NULL && memcmp(stored, id, 16) != 0) found(w, "an entity with another id");
    struct blob *at = &w->documents[below(w, KEPT)];
    if (rarely(w, 8) && bytes.len < 5000) {
        free(at->data);
        at->data = malloc(bytes.len);
        at->len = bytes.len;
        if (at->data == NULL) abort();
        memcpy(at->data, bytes.data, bytes.len);
    }
}

static void take_value(struct worker *w, entidb_value *value, entidb_status status, const uint8_t *id) {
    if (status == ENTIDB_OK && value != NULL && value != poison()) look(w, value, id);
    adopt(w, VALUE, value, status);
}

void run_collection_get(struct worker *w) {
    uint8_t *id = rarely(w, 60) ? NULL : random_id(w);
    entidb_value *value = poison(), **out = place(w, &value);
    entidb_error **error = error_place(w);
    entidb_status status = STATUS(collection_get, pick(w, COLLECTION), id, out, error);
    take_value(w, value, status, id);
}

void run_collection_get_as_of(struct worker *w) {
    uint8_t *id = rarely(w, 60) ? NULL : random_id(w);
    entidb_value *value = poison(), **out = place(w, &value);
    entidb_error **error = error_place(w);
    entidb_status status = STATUS(collection_get_as_of, pick(w, COLLECTION), id, random_sequence(w), out, error);
    take_value(w, value, status, id);
}

void run_collection_history(struct worker *w) {
    uint8_t *id = rarely(w, 60) ? NULL : random_id(w);
    uint64_t after = chance(w, 60) ? 0 : random_number(w);
    GIVES_BYTES(collection_history, w->documents, pick(w, COLLECTION), id, after);
}

void run_cursor_next(struct worker *w) {
    for (uint64_t steps = 1 + below(w, 4); steps > 0; steps--) {
        entidb_value *value = poison(), **out = place(w, &value);
        entidb_error **error = error_place(w);
        entidb_status status = STATUS(cursor_next, pick(w, CURSOR), out, error);
        take_value(w, value, status, NULL);
    }
}

/* Frames must be whole, one after the other, to the end. */
static void check_frames(struct worker *w, const entidb_buffer *frames, const uint8_t *ids, size_t count) {
    size_t at = 0, seen = 0;
    for (; at < frames->len; seen++) {
        uint32_t len = 0;
        if (frames->len - at < 20) break;
        memcpy(&len, frames->data + at, 4);
        if (ids != NULL && seen < count && memcmp(frames->data + at + 4, ids + 16 * seen, 16) != 0) found(w, "frames in another order than the ids");
        at += 20;
        if (len == UINT32_MAX && ids != NULL) continue;
        if (frames->len - at < 8 || frames->len - at - 8 < len) {
            at = SIZE_MAX;
            break;
        }
        at += 8 + (size_t)len;
    }
    if (at != frames->len || (ids != NULL && seen != count)) found(w, "frames that are not whole: %zu of %zu bytes", at, frames->len);
}

void run_collection_get_many(struct worker *w) {
    size_t count = 0;
    struct blob ids = random_ids(w, &count);
    entidb_buffer frames = empty_buffer(), *out = place(w, &frames);
    entidb_error **error = error_place(w);
    entidb_status status = STATUS(collection_get_many, pick(w, COLLECTION), ids.data, count, out, error);
    if (status == ENTIDB_OK && out != NULL) check_frames(w, &frames, ids.data, count);
    take_buffer(w, &frames, status, NULL);
}

void run_cursor_next_batch(struct worker *w) {
    size_t count = rarely(w, 8) ? random_number(w) : below(w, 10), bytes = rarely(w, 3) ? random_number(w) : 4096;
    entidb_buffer frames = empty_buffer(), *out = place(w, &frames);
    entidb_error **error = error_place(w);
    entidb_status status = STATUS(cursor_next_batch, pick(w, CURSOR), count, bytes, out, error);
    if (status == ENTIDB_OK && out != NULL) check_frames(w, &frames, NULL, 0);
    take_buffer(w, &frames, status, NULL);
}

void run_cursor_token(struct worker *w) {
    size_t position = rarely(w, 6) ? random_number(w) : below(w, 4);
    GIVES_BYTES(cursor_token, w->tokens, pick(w, CURSOR), position);
}

void run_cursor_free(struct worker *w) {
    discard(w, CURSOR);
    NOTHING(cursor_free, NULL);
}

void run_collection_exists(struct worker *w) {
    int32_t exists = 7, *out = place(w, &exists);
    entidb_error **error = error_place(w);
    entidb_status status = STATUS(collection_exists, pick(w, COLLECTION), rarely(w, 60) ? NULL : random_id(w), out, error);
    if (status == ENTIDB_OK && exists != 0 && exists != 1) found(w, "gave %d", exists);
}

void run_collection_count(struct worker *w) {
    GIVES_NUMBER(collection_count, uint64_t, pick(w, COLLECTION));
}

void run_collection_delete(struct worker *w) {
    GIVES_NOTHING(collection_delete, pick(w, COLLECTION), rarely(w, 60) ? NULL : random_id(w));
}

void run_collection_delete_version(struct worker *w) {
    GIVES_NOTHING(collection_delete_version, pick(w, COLLECTION), rarely(w, 60) ? NULL : random_id(w), random_number(w));
}

void run_collection_delete_many(struct worker *w) {
    size_t count = 0;
    struct blob ids = random_ids(w, &count);
    GIVES_NUMBER(collection_delete_many, uint64_t, pick(w, COLLECTION), ids.data, count);
}

void run_collection_put_many(struct worker *w) {
    struct blob frames = random_frames(w);
    GIVES_BYTES(collection_put_many, NULL, pick(w, COLLECTION), frames.data, frames.len);
}

void run_collection_create_index(struct worker *w) {
    struct blob definition = random_definition(w);
    GIVES_NUMBER(collection_create_index, int32_t, pick(w, COLLECTION), definition.data, definition.len);
}

void run_collection_drop_index(struct worker *w) {
    struct blob name = chance(w, 70) ? of(w, chance(w, 70) ? "by_n" : "by_t", 4) : random_name(w);
    GIVES_NOTHING(collection_drop_index, pick(w, COLLECTION), name.data, name.len);
}

static struct blob index_name(struct worker *w) {
    return chance(w, 85) ? of(w, "keys", 4) : random_name(w);
}

void run_collection_insert_key(struct worker *w) {
    struct blob name = index_name(w), key = random_value(w);
    int32_t inserted = 7, *out = place(w, &inserted);
    entidb_error **error = error_place(w);
    entidb_status status = STATUS(collection_insert_key, pick(w, COLLECTION), name.data, name.len, key.data, key.len, rarely(w, 60) ? NULL : random_id(w), out, error);
    if (status == ENTIDB_OK && out != NULL && inserted != 0 && inserted != 1) found(w, "gave %d", inserted);
}

void run_collection_remove_key(struct worker *w) {
    struct blob name = index_name(w), key = random_value(w);
    int32_t removed = 7, *out = place(w, &removed);
    entidb_error **error = error_place(w);
    entidb_status status = STATUS(collection_remove_key, pick(w, COLLECTION), name.data, name.len, key.data, key.len, rarely(w, 60) ? NULL : random_id(w), out, error);
    if (status == ENTIDB_OK && out != NULL && removed != 0 && removed != 1) found(w, "gave %d", removed);
}

void run_collection_lookup_key(struct worker *w) {
    struct blob name = index_name(w), key = random_value(w);
    GIVES_BYTES(collection_lookup_key, NULL, pick(w, COLLECTION), name.data, name.len, key.data, key.len);
}

void run_collection_range_keys(struct worker *w) {
    struct blob name = index_name(w), range = random_key_range(w);
    GIVES_BYTES(collection_range_keys, w->documents, pick(w, COLLECTION), name.data, name.len, range.data, range.len);
}

void run_collection_scan_keys(struct worker *w) {
    struct blob name = index_name(w), range = random_key_range(w);
    GIVES_HANDLE(collection_scan_keys, entidb_cursor, CURSOR, pick(w, COLLECTION), name.data, name.len, range.data, range.len);
}

void run_collection_count_keys(struct worker *w) {
    struct blob name = index_name(w);
    GIVES_NUMBER(collection_count_keys, uint64_t, pick(w, COLLECTION), name.data, name.len);
}

void run_collection_indexes(struct worker *w) {
    GIVES_BYTES(collection_indexes, w->documents, pick(w, COLLECTION));
}

void run_collection_stats(struct worker *w) {
    GIVES_BYTES(collection_stats, w->documents, pick(w, COLLECTION));
}

void run_collection_scan(struct worker *w) {
    uint8_t *after = rarely(w, 3) ? random_id(w) : NULL;
    uint64_t limit = chance(w, 50) ? ENTIDB_NO_LIMIT : random_number(w);
    GIVES_HANDLE(collection_scan, entidb_cursor, CURSOR, pick(w, COLLECTION), after, (int32_t)random_number(w), limit);
}

void run_collection_find(struct worker *w) {
    struct blob query = random_query(w);
    GIVES_HANDLE(collection_find, entidb_cursor, CURSOR, pick(w, COLLECTION), query.data, query.len);
}

void run_collection_find_count(struct worker *w) {
    struct blob query = random_query(w);
    GIVES_NUMBER(collection_find_count, uint64_t, pick(w, COLLECTION), query.data, query.len);
}

void run_collection_find_delete(struct worker *w) {
    struct blob query = random_query(w);
    GIVES_NUMBER(collection_find_delete, uint64_t, pick(w, COLLECTION), query.data, query.len);
}

void run_collection_find_explain(struct worker *w) {
    struct blob query = random_query(w);
    GIVES_BYTES(collection_find_explain, w->documents, pick(w, COLLECTION), query.data, query.len);
}

void run_collection_free(struct worker *w) {
    discard(w, COLLECTION);
    NOTHING(collection_free, NULL);
}
