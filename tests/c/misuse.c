/* What a caller can do wrong: each is an error with its code, never a crash. */
#define _DEFAULT_SOURCE
#include "check.h"
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

static entidb_change_feed *shared_feed;
static volatile int waiting;

static void *wait_on_feed(void *unused) {
    entidb_buffer commit = {0};
    (void)unused;
    waiting = 1;
    entidb_change_feed_next(shared_feed, 1500, &commit, NULL);
    entidb_buffer_free(&commit);
    return NULL;
}

int main(void) {
    entidb_database *db = NULL;
    entidb_collection *notes = NULL;
    entidb_error *error = NULL;
    entidb_value *value = NULL;
    uint64_t count = 0;
    uint8_t id[16] = {1};
    int32_t flag = 1;

    CHECK("no handle is refused", entidb_collection_count(NULL, &count, &error) == ENTIDB_ERROR_INVALID_HANDLE);
    CHECK("with a sentence", strstr(entidb_error_message(error), "NULL") != NULL);
    take(&error);
    CHECK("no place for an error is fine", entidb_collection_count(NULL, &count, NULL) == ENTIDB_ERROR_INVALID_HANDLE);
    CHECK("no place for a handle is refused", entidb_database_open_memory(NULL, 0, NULL, NULL) == ENTIDB_ERROR_INVALID_ARGUMENT);
    CHECK("a database opens", entidb_database_open_memory(NULL, 0, &db, NULL) == ENTIDB_OK);
    CHECK("another kind of handle is refused", entidb_collection_count((entidb_collection *)db, &count, NULL) == ENTIDB_ERROR_INVALID_HANDLE);
    CHECK("freeing as another kind does nothing", (entidb_collection_free((entidb_collection *)db), entidb_database_is_closed(db, &flag, NULL)) == ENTIDB_OK && flag == 0);
    CHECK("a collection", entidb_database_collection(db, BYTES("notes"), &notes, NULL) == ENTIDB_OK);
    CHECK("what is asked of no handle is refused", entidb_database_is_closed(NULL, &flag, NULL) == ENTIDB_ERROR_INVALID_HANDLE && entidb_database_last_sequence(NULL, &count, NULL) == ENTIDB_ERROR_INVALID_HANDLE && entidb_transaction_is_open(NULL, &flag, NULL) == ENTIDB_ERROR_INVALID_HANDLE);
    CHECK("no place for an answer is refused", entidb_database_is_closed(db, NULL, NULL) == ENTIDB_ERROR_INVALID_ARGUMENT && entidb_database_last_sequence(db, NULL, NULL) == ENTIDB_ERROR_INVALID_ARGUMENT);
    entidb_change_feed *feed = NULL;
    entidb_buffer batch = {0};
    entidb_cancel *cancel = NULL;
    CHECK("a default where there is none is refused", entidb_database_changes(db, NULL, 0, &feed, NULL) == ENTIDB_OK && entidb_change_feed_next(feed, ENTIDB_DEFAULT, &batch, NULL) == ENTIDB_ERROR_INVALID_ARGUMENT && entidb_database_wait_durable(db, 9, ENTIDB_DEFAULT, NULL) == ENTIDB_ERROR_INVALID_ARGUMENT && entidb_cancel_new(ENTIDB_DEFAULT, &cancel, NULL) == ENTIDB_ERROR_INVALID_ARGUMENT && cancel == NULL);
    entidb_change_feed_free(feed);
    CHECK("no token is refused", entidb_cancel_enter(NULL, NULL) == ENTIDB_ERROR_INVALID_HANDLE && entidb_cancel_leave((entidb_cancel *)db, NULL) == ENTIDB_ERROR_INVALID_HANDLE);
    CHECK("no place for a count is refused", entidb_collection_count(notes, NULL, NULL) == ENTIDB_ERROR_INVALID_ARGUMENT);
    CHECK("NULL with a length is refused", entidb_collection_put(notes, id, NULL, 5, ENTIDB_PUT, 0, NULL, NULL) == ENTIDB_ERROR_INVALID_ARGUMENT);
    CHECK("NULL with length 0 is empty, which is no document", entidb_collection_put(notes, id, NULL, 0, ENTIDB_PUT, 0, NULL, NULL) == ENTIDB_ERROR_TRUNCATED);
    CHECK("a length beyond memory is refused", entidb_collection_put(notes, id, id, SIZE_MAX, ENTIDB_PUT, 0, NULL, NULL) == ENTIDB_ERROR_INVALID_ARGUMENT);
    CHECK("a count beyond memory is refused", entidb_collection_delete_many(notes, id, SIZE_MAX / 2, &count, NULL) == ENTIDB_ERROR_INVALID_ARGUMENT);
    CHECK("bytes that are no document are refused with their offset", entidb_collection_put(notes, id, (const uint8_t *)"\xa1\x61\x61\x18\x05", 5, ENTIDB_PUT, 0, NULL, &error) == ENTIDB_ERROR_NOT_CANONICAL && entidb_error_offset(error) == 3);
    take(&error);
    CHECK("an unknown mode is refused", entidb_collection_put(notes, id, (const uint8_t *)"\xa0", 1, 9, 0, NULL, NULL) == ENTIDB_ERROR_INVALID_ARGUMENT);
    CHECK("a replace without an id is refused", entidb_collection_put(notes, NULL, (const uint8_t *)"\xa0", 1, ENTIDB_REPLACE, 0, NULL, NULL) == ENTIDB_ERROR_INVALID_ARGUMENT);
    CHECK("a get without an id is refused", entidb_collection_get(notes, NULL, &value, NULL) == ENTIDB_ERROR_INVALID_ARGUMENT && value == NULL);
    CHECK("a name that is not UTF-8 is refused", entidb_database_create_collection(db, (const uint8_t *)"\xff", 1, NULL) == ENTIDB_ERROR_INVALID_ARGUMENT);
    CHECK("a query that is none is refused", entidb_collection_find_count(notes, (const uint8_t *)"\xa0", 1, &count, NULL) == ENTIDB_ERROR_QUERY_INVALID);
    CHECK("an index that is none is refused", entidb_collection_create_index(notes, (const uint8_t *)"\xa0", 1, NULL, NULL) == ENTIDB_ERROR_INVALID_ARGUMENT);
    CHECK("an unknown durability is refused and ends nothing", ({
              entidb_transaction *tx = NULL;
              entidb_database_begin_write(db, 0, &tx, NULL);
              entidb_status status = entidb_transaction_commit(tx, 77, NULL, NULL);
              int32_t open = 0;
              entidb_transaction_is_open(tx, &open, NULL);
              entidb_transaction_free(tx);
              status == ENTIDB_ERROR_INVALID_ARGUMENT && open == 1;
          }));

    entidb_database *other = NULL;
    entidb_options *options = NULL;
    entidb_buffer map = {0};
    CHECK("options are made", entidb_options_new(&options, &error) == ENTIDB_OK && entidb_options_new(NULL, NULL) == ENTIDB_ERROR_INVALID_ARGUMENT);
    CHECK("an option that is misspelt is refused", entidb_options_set_flag(options, "readonly", 1) == ENTIDB_ERROR_UNKNOWN_OPTION);
    CHECK("and told the right name at the end", entidb_options_encode(options, &map, &error) == ENTIDB_ERROR_UNKNOWN_OPTION && map.data == NULL && strstr(entidb_error_message(error), "read_only") != NULL);
    take(&error);
    entidb_options_free(options);
    options = NULL;
    CHECK("a number out of bounds is refused", entidb_options_new(&options, &error) == ENTIDB_OK && entidb_options_set_number(options, ENTIDB_OPTION_MEMORY_BYTES, 0) == ENTIDB_ERROR_INVALID_ARGUMENT);
    CHECK("with its bounds", entidb_options_encode(options, &map, &error) == ENTIDB_ERROR_INVALID_ARGUMENT && strstr(entidb_error_message(error), "memory_bytes is 0; give a value from 1048576") != NULL);
    take(&error);
    CHECK("a value of another type too", entidb_options_set_number(options, ENTIDB_OPTION_CREATE, 1) == ENTIDB_ERROR_INVALID_ARGUMENT && entidb_options_set_flag(options, ENTIDB_OPTION_MEMORY_BYTES, 1) == ENTIDB_ERROR_INVALID_ARGUMENT && entidb_options_set_text(options, ENTIDB_OPTION_KEY, BYTES("short")) == ENTIDB_ERROR_INVALID_ARGUMENT);
    CHECK("a word that is none", entidb_options_set_text(options, ENTIDB_OPTION_COMPRESSION, BYTES("zip")) == ENTIDB_ERROR_INVALID_ARGUMENT && entidb_options_set_text(options, ENTIDB_OPTION_DURABILITY, (const uint8_t *)"\xff", 1) == ENTIDB_ERROR_INVALID_ARGUMENT);
    CHECK("a key of the wrong length", entidb_options_set_bytes(options, ENTIDB_OPTION_KEY, id, 5) == ENTIDB_ERROR_INVALID_ARGUMENT);
    CHECK("a name that is none", entidb_options_set_flag(options, NULL, 1) == ENTIDB_ERROR_INVALID_ARGUMENT && entidb_options_set_flag(options, "\xff", 1) == ENTIDB_ERROR_UNKNOWN_OPTION);
    CHECK("options that are none", entidb_options_set_flag(NULL, "create", 1) == ENTIDB_ERROR_INVALID_HANDLE && entidb_options_encode(NULL, &map, NULL) == ENTIDB_ERROR_INVALID_HANDLE);
    entidb_options_free(options);
    options = NULL;
    CHECK("options that contradict each other are refused when they are taken", entidb_options_new(&options, &error) == ENTIDB_OK && entidb_options_set_flag(options, "read_only", 1) == ENTIDB_OK && entidb_options_set_flag(options, "create_new", 1) == ENTIDB_OK && entidb_options_encode(options, &map, NULL) == ENTIDB_ERROR_INVALID_ARGUMENT);
    entidb_options_free(options);
    CHECK("options open a folder", ({
              /* { "create": false } */
              entidb_status status = entidb_database_open(BYTES("/tmp/entidb-c-none"), (const uint8_t *)"\xa1\x66" "create\xf4", 9, &other, NULL);
              status == ENTIDB_ERROR_DATABASE_NOT_FOUND && other == NULL;
          }));
    CHECK("an option of the wrong kind is refused by name", entidb_database_open(BYTES("/tmp/entidb-c-none"), (const uint8_t *)"\xa1\x66" "create\x01", 9, &other, &error) == ENTIDB_ERROR_INVALID_ARGUMENT && strstr(entidb_error_message(error), "create") != NULL);
    take(&error);
    CHECK("no place for a database is refused", entidb_database_open(BYTES("/tmp/entidb-c-none"), NULL, 0, NULL, NULL) == ENTIDB_ERROR_INVALID_ARGUMENT);
    CHECK("a misspelt option is told the right name", entidb_database_open_memory((const uint8_t *)"\xa1\x68read_onl\xf5", 11, &other, &error) == ENTIDB_ERROR_UNKNOWN_OPTION && strstr(entidb_error_message(error), "read_only") != NULL);
    take(&error);

    CHECK("a feed", entidb_database_changes(db, NULL, 0, &shared_feed, NULL) == ENTIDB_OK);
    pthread_t thread;
    pthread_create(&thread, NULL, wait_on_feed, NULL);
    while (!waiting) usleep(1000);
    usleep(200000);
    entidb_buffer commit = {0};
    CHECK("two threads on one feed are told so", entidb_change_feed_next(shared_feed, 0, &commit, NULL) == ENTIDB_ERROR_CONCURRENT_USE);
    pthread_join(thread, NULL);
    entidb_change_feed_free(shared_feed);

    /* It was added to, and the sum of the largest place and one is a panic. */
    entidb_cursor *cursor = NULL;
    CHECK("a cursor", entidb_collection_find(notes, (const uint8_t *)"\xa1\x61v\x01", 4, &cursor, NULL) == ENTIDB_OK);
    CHECK("a token of any place is none", entidb_cursor_token(cursor, SIZE_MAX, &commit, NULL) == ENTIDB_NOT_FOUND);
    CHECK("and the cursor goes on", entidb_cursor_next(cursor, &value, NULL) == ENTIDB_END);
    entidb_cursor_free(cursor);

    /* The message held the whole of it. */
    static uint8_t long_name[1 << 20];
    memset(long_name, 'n', sizeof long_name);
    CHECK("a long name is not there", entidb_database_drop_collection(db, long_name, sizeof long_name, &error) == ENTIDB_ERROR_COLLECTION_NOT_FOUND);
    CHECK("and the message can be read", strlen(entidb_error_message(error)) < 1000);
    take(&error);

    entidb_encoder *encoder = NULL;
    entidb_encoder_new(&encoder, NULL);
    CHECK("text that is not UTF-8 is refused", entidb_encoder_text(encoder, (const uint8_t *)"\xff", 1) == ENTIDB_ERROR_INVALID_ARGUMENT);
    CHECK("a document with nothing in it is refused", entidb_encoder_finish(encoder, &commit, NULL) == ENTIDB_ERROR_INVALID_ARGUMENT);
    entidb_encoder_begin_map(encoder, 2);
    entidb_encoder_key(encoder, BYTES("a"));
    entidb_encoder_null(encoder);
    entidb_encoder_key(encoder, BYTES("a"));
    entidb_encoder_null(encoder);
    entidb_encoder_end(encoder);
    CHECK("a key twice is refused", entidb_encoder_finish(encoder, &commit, NULL) == ENTIDB_ERROR_DUPLICATE_KEY);
    entidb_encoder_free(encoder);
    entidb_item item;
    CHECK("a path that cannot be read is refused", entidb_document_lookup((const uint8_t *)"\xa0", 1, BYTES("a..b"), &item, NULL) == ENTIDB_ERROR_INVALID_ARGUMENT);

    uint8_t kept[16] = {7};
    entidb_bytes bytes = {0};
    CHECK("an entity is read", entidb_collection_put(notes, kept, (const uint8_t *)"\xa0", 1, ENTIDB_PUT, 0, NULL, NULL) == ENTIDB_OK &&
                                   entidb_collection_get(notes, kept, &value, NULL) == ENTIDB_OK);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        /* No check here: the parent counts. A child must be refused, and may free what it holds. */
        entidb_status status = entidb_collection_count(notes, &count, &error);
        /* What was read before is memory of the child's own, as an error is. */
        const uint8_t *found = entidb_value_id(value);
        entidb_value_bytes(value, &bytes);
        int same = found != NULL && memcmp(found, kept, 16) == 0 && entidb_value_version(value) > 0 && bytes.len == 1;
        same = same && entidb_error_code(error) == ENTIDB_ERROR_FORKED;
        entidb_error_free(error);
        entidb_value_free(value);
        entidb_collection_free(notes);
        entidb_database_free(db);
        _exit(status == ENTIDB_ERROR_FORKED && same ? 0 : 1);
    }
    int status = 1;
    waitpid(child, &status, 0);
    CHECK("a handle in a forked child says so", WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK("the parent goes on", entidb_collection_count(notes, &count, NULL) == ENTIDB_OK && entidb_value_id(value) != NULL);
    entidb_value_free(value);

    entidb_database_close(db, NULL);
    CHECK("a closed database says so", entidb_collection_count(notes, &count, NULL) == ENTIDB_ERROR_CLOSED);
    entidb_database_free(db);
    CHECK("a collection outlives the handle of its database", entidb_collection_count(notes, &count, NULL) == ENTIDB_ERROR_CLOSED);
    entidb_collection_free(notes);
    entidb_database_free(NULL);
    entidb_collection_free(NULL);
    entidb_transaction_free(NULL);
    entidb_cursor_free(NULL);
    entidb_value_free(NULL);
    entidb_change_feed_free(NULL);
    entidb_encoder_free(NULL);
    entidb_error_free(NULL);
    entidb_buffer_free(NULL);
    CHECK("freeing nothing is fine", 1);
    CHECK("no error has no code", entidb_error_code(NULL) == 0 && entidb_error_id(NULL) == NULL && entidb_error_os_code(NULL) == 0);
    CHECK("no value has nothing", entidb_value_version(NULL) == 0 && entidb_value_id(NULL) == NULL);
    return finish();
}
