/* Notes in a database: written, found by what they hold, changed only together, and there after a reopen. */
#include <entidb.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT(text) ((const uint8_t *)(text)), strlen(text)

/* Ends the program where a call failed, saying why. */
static void must(entidb_status status, entidb_error *error) {
    if (status < ENTIDB_ERROR_INVALID_ARGUMENT) return;
    fprintf(stderr, "error %d: %s\n", (int)status, entidb_error_message(error));
    entidb_error_free(error);
    exit(1);
}

/* { "title": title, "stars": stars }. A mistake in any piece is told by finish, so one look is enough. */
static entidb_buffer note(const char *title, int64_t stars) {
    entidb_error *error = NULL;
    entidb_encoder *encoder = NULL;
    entidb_buffer document = {0};
    must(entidb_encoder_new(&encoder, &error), error);
    entidb_encoder_begin_map(encoder, 2);
    entidb_encoder_key(encoder, TEXT("title"));
    entidb_encoder_text(encoder, TEXT(title));
    entidb_encoder_key(encoder, TEXT("stars"));
    entidb_encoder_int(encoder, stars);
    entidb_encoder_end(encoder);
    must(entidb_encoder_finish(encoder, &document, &error), error);
    entidb_encoder_free(encoder);
    return document;
}

/* A query, { "v": 1, "filter": ["ge", ["stars"], least], "order": [[["stars"], true]] }: the most stars first. */
static entidb_buffer starred(int64_t least) {
    entidb_error *error = NULL;
    entidb_encoder *encoder = NULL;
    entidb_buffer query = {0};
    must(entidb_encoder_new(&encoder, &error), error);
    entidb_encoder_begin_map(encoder, 3);
    entidb_encoder_key(encoder, TEXT("v"));
    entidb_encoder_int(encoder, 1);
    entidb_encoder_key(encoder, TEXT("filter"));
    entidb_encoder_begin_array(encoder, 3);
    entidb_encoder_text(encoder, TEXT("ge"));
    entidb_encoder_begin_array(encoder, 1);
    entidb_encoder_text(encoder, TEXT("stars"));
    entidb_encoder_end(encoder);
    entidb_encoder_int(encoder, least);
    entidb_encoder_end(encoder);
    entidb_encoder_key(encoder, TEXT("order"));
    entidb_encoder_begin_array(encoder, 1);
    entidb_encoder_begin_array(encoder, 2);
    entidb_encoder_begin_array(encoder, 1);
    entidb_encoder_text(encoder, TEXT("stars"));
    entidb_encoder_end(encoder);
    entidb_encoder_bool(encoder, 1);
    entidb_encoder_end(encoder);
    entidb_encoder_end(encoder);
    entidb_encoder_end(encoder);
    must(entidb_encoder_finish(encoder, &query, &error), error);
    entidb_encoder_free(encoder);
    return query;
}

static void show(const entidb_collection *notes) {
    entidb_error *error = NULL;
    entidb_cursor *cursor = NULL;
    entidb_value *value = NULL;
    entidb_buffer query = starred(4);
    entidb_status status;
    must(entidb_collection_find(notes, query.data, query.len, &cursor, &error), error);
    while ((status = entidb_cursor_next(cursor, &value, &error)) == ENTIDB_OK) {
        entidb_bytes document;
        entidb_item title, stars;
        entidb_value_bytes(value, &document);
        must(entidb_document_lookup(document.data, document.len, TEXT("title"), &title, &error), error);
        must(entidb_document_lookup(document.data, document.len, TEXT("stars"), &stars, &error), error);
        printf("%" PRId64 " stars: %.*s\n", stars.number, (int)title.bytes.len, (const char *)title.bytes.data);
        entidb_value_free(value);
    }
    must(status, error);
    entidb_cursor_free(cursor);
    entidb_buffer_free(&query);
}

int main(void) {
    entidb_error *error = NULL;
    entidb_database *db = NULL;
    entidb_collection *notes = NULL;
    must(entidb_database_open(TEXT("notes.entidb"), NULL, 0, &db, &error), error);
    must(entidb_database_collection(db, TEXT("notes"), &notes, &error), error);

    /* Each put outside a transaction is a transaction of its own, on stable storage when the call returns. */
    const char *titles[] = {"buy milk", "write the letter", "call Ada"};
    for (int at = 0; at < 3; at++) {
        uint8_t id[16];
        entidb_buffer document = note(titles[at], at + 3);
        must(entidb_collection_put(notes, NULL, document.data, document.len, ENTIDB_PUT, 0, id, &error), error);
        entidb_buffer_free(&document);
    }
    show(notes);

    /* All of a transaction or nothing. */
    entidb_transaction *transaction = NULL;
    entidb_collection *inside = NULL;
    uint64_t count = 0;
    must(entidb_database_begin_write(db, 1000, &transaction, &error), error);
    must(entidb_transaction_collection(transaction, TEXT("notes"), &inside, &error), error);
    entidb_buffer all = starred(0);
    must(entidb_collection_find_delete(inside, all.data, all.len, &count, &error), error);
    printf("%" PRIu64 " notes deleted, and kept after all\n", count);
    must(entidb_transaction_abort(transaction, &error), error);
    entidb_buffer_free(&all);
    entidb_collection_free(inside);
    entidb_transaction_free(transaction);

    entidb_collection_free(notes);
    must(entidb_database_close(db, &error), error);
    entidb_database_free(db);

    must(entidb_database_open(TEXT("notes.entidb"), NULL, 0, &db, &error), error);
    must(entidb_database_collection(db, TEXT("notes"), &notes, &error), error);
    must(entidb_collection_count(notes, &count, &error), error);
    printf("%" PRIu64 " notes after a reopen\n", count);
    entidb_collection_free(notes);
    must(entidb_database_close(db, &error), error);
    entidb_database_free(db);
    return count == 3 ? 0 : 1;
}
