/* Databases, transactions, the change feed and upkeep, on disk. */
#include "check.h"
#include <sys/stat.h>
#include <unistd.h>

static void remove_folder(const char *path) {
    char command[512];
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    if (system(command) != 0) abort();
}

static void count_wake(void *user_data) { ++*(int *)user_data; }

static int32_t third_time(void *user_data) {
    int *asked = user_data;
    return ++*asked == 3;
}

int main(void) {
    char path[256], copy[280];
    snprintf(path, sizeof path, "/tmp/entidb-c-%d", (int)getpid());
    snprintf(copy, sizeof copy, "%s-copy", path);
    remove_folder(path);
    remove_folder(copy);
    entidb_database *db = NULL, *other = NULL;
    entidb_error *error = NULL;
    size_t len = 0;

    CHECK("the library says its version", entidb_version(&len) != NULL && len >= 5);
    CHECK("library and header agree", entidb_abi_version() == ENTIDB_ABI_VERSION);
    CHECK("the format has a version", entidb_format_version() >= 1);
    CHECK("encryption is there", entidb_has_feature(BYTES("encryption")) == 1);
    CHECK("what is not there is not", entidb_has_feature(BYTES("teleport")) == 0);
    CHECK("a code has a name", memcmp(entidb_code_name(ENTIDB_ERROR_DATABASE_LOCKED, &len), "DATABASE_LOCKED", 15) == 0 && len == 15);
    CHECK("a code has a hint", entidb_code_hint(ENTIDB_ERROR_DATABASE_LOCKED, &len) != NULL && len > 10);
    CHECK("an unknown code has none", entidb_code_hint(99999, &len) != NULL && len == 0);

    entidb_options *options = NULL;
    entidb_buffer map = {0};
    const uint8_t key_one[32] = {1}, key_two[32] = {2};
    entidb_key old = {.key = key_one, .key_len = 32}, new_key = {.key = key_two, .key_len = 32}, none = {0};
    int32_t complete = 0;
    CHECK("options are made", entidb_options_new(&options, &error) == ENTIDB_OK);
    CHECK("with nothing set they are an empty map", entidb_options_encode(options, &map, &error) == ENTIDB_OK && map.len == 1);
    entidb_buffer_free(&map);
    CHECK("a key is set", entidb_options_set_bytes(options, ENTIDB_OPTION_KEY, key_one, 32) == ENTIDB_OK && entidb_options_encode(options, &map, &error) == ENTIDB_OK);
    CHECK("an encrypted database is made", entidb_database_open(BYTES(path), map.data, map.len, &db, &error) == ENTIDB_OK);
    CHECK("a key that opens nothing is refused", entidb_database_change_key(db, &new_key, &old, NULL) == ENTIDB_ERROR_WRONG_KEY);
    CHECK("its key is changed", entidb_database_change_key(db, &old, &new_key, &error) == ENTIDB_OK);
    CHECK("another is added", entidb_database_add_key(db, &new_key, &old, &error) == ENTIDB_OK);
    entidb_buffer slots = {0};
    CHECK("both are listed", entidb_database_keys(db, &slots, &error) == ENTIDB_OK && number_at(slots.data, slots.len, "1.slot") == 1);
    entidb_buffer_free(&slots);
    CHECK("and taken away", entidb_database_remove_key(db, &old, &error) == ENTIDB_OK);
    CHECK("the last one stays", entidb_database_remove_key(db, &new_key, NULL) == ENTIDB_ERROR_INVALID_ARGUMENT);
    CHECK("no key is refused", entidb_database_remove_key(db, &none, NULL) == ENTIDB_ERROR_INVALID_ARGUMENT && entidb_database_remove_key(db, NULL, NULL) == ENTIDB_ERROR_INVALID_ARGUMENT);
    CHECK("the data key is made anew", entidb_database_rotate_key(db, &error) == ENTIDB_OK);
    CHECK("and all data put under it", entidb_database_rekey(db, &complete, &error) == ENTIDB_OK && complete == 1);
    CHECK("it closes", entidb_database_close(db, &error) == ENTIDB_OK);
    entidb_database_free(db);
    CHECK("the old key opens it no more", entidb_database_open(BYTES(path), map.data, map.len, &db, NULL) == ENTIDB_ERROR_WRONG_KEY && db == NULL);
    entidb_buffer_free(&map);
    CHECK("an option that is set again has its last value", entidb_options_set_bytes(options, ENTIDB_OPTION_KEY, key_two, 32) == ENTIDB_OK && entidb_options_encode(options, &map, &error) == ENTIDB_OK);
    CHECK("the new key does", entidb_database_open(BYTES(path), map.data, map.len, &db, &error) == ENTIDB_OK);
    entidb_buffer_free(&map);
    entidb_options_free(options);
    entidb_database_free(db);
    db = NULL;
    remove_folder(path);
    CHECK("options of every type", entidb_options_new(&options, &error) == ENTIDB_OK && entidb_options_set_flag(options, ENTIDB_OPTION_CREATE, 0) == ENTIDB_OK && entidb_options_set_number(options, ENTIDB_OPTION_LOCK_TIMEOUT_MS, 7) == ENTIDB_OK && entidb_options_set_text(options, ENTIDB_OPTION_DURABILITY, BYTES("grouped")) == ENTIDB_OK);
    CHECK("are one map", entidb_options_encode(options, &map, &error) == ENTIDB_OK);
    CHECK("what must exist and does not is not made", entidb_database_open(BYTES(path), map.data, map.len, &db, &error) == ENTIDB_ERROR_DATABASE_NOT_FOUND && db == NULL);
    struct stat info;
    CHECK("and leaves nothing", stat(path, &info) != 0);
    CHECK("the error names the path", entidb_error_path(error) != NULL && strcmp(entidb_error_path(error), path) == 0);
    take(&error);
    CHECK("a database is made", entidb_database_open(BYTES(path), NULL, 0, &db, &error) == ENTIDB_OK);
    CHECK("a second opener is told who holds it", entidb_database_open(BYTES(path), NULL, 0, &other, &error) == ENTIDB_ERROR_DATABASE_LOCKED && strstr(entidb_error_message(error), "pid") != NULL);
    take(&error);

    entidb_transaction *tx = NULL, *second = NULL;
    entidb_collection *notes = NULL;
    entidb_buffer one = document(1, "one");
    uint64_t savepoint = 0, sequence = 0, count = 0;
    CHECK("a writer begins", entidb_database_begin_write(db, ENTIDB_DEFAULT, &tx, &error) == ENTIDB_OK);
    int32_t flag = 0;
    CHECK("it is open", entidb_transaction_is_open(tx, &flag, &error) == ENTIDB_OK && flag == 1);
    CHECK("its own thread is told that it would wait for itself", entidb_database_begin_write(db, 1, &second, NULL) == ENTIDB_ERROR_DEADLOCK && second == NULL);
    CHECK("unless the transaction belongs to no thread", entidb_transaction_detach(tx, &error) == ENTIDB_OK && entidb_database_begin_write(db, 1, &second, NULL) == ENTIDB_ERROR_BUSY && second == NULL);
    CHECK("a second is told to wait", entidb_database_begin_write(db, 0, &second, NULL) == ENTIDB_ERROR_BUSY && second == NULL);
    CHECK("closing is refused meanwhile", entidb_database_close(db, NULL) == ENTIDB_ERROR_IN_USE);
    CHECK("a collection of the transaction", entidb_transaction_collection(tx, BYTES("notes"), &notes, &error) == ENTIDB_OK);
    CHECK("takes a put", entidb_collection_put(notes, NULL, one.data, one.len, ENTIDB_PUT, 0, NULL, &error) == ENTIDB_OK);
    CHECK("a savepoint", entidb_transaction_savepoint(tx, &savepoint, &error) == ENTIDB_OK && savepoint > 0);
    CHECK("a collection is made", entidb_transaction_create_collection(tx, BYTES("a"), &error) == ENTIDB_OK);
    CHECK("and renamed", entidb_transaction_rename_collection(tx, BYTES("a"), BYTES("b"), &error) == ENTIDB_OK);
    CHECK("and dropped", entidb_transaction_drop_collection(tx, BYTES("b"), &error) == ENTIDB_OK);
    CHECK("the savepoint undoes it", entidb_transaction_rollback_to(tx, savepoint, &error) == ENTIDB_OK);
    CHECK("one that never was is refused", entidb_transaction_rollback_to(tx, 77, NULL) == ENTIDB_ERROR_SAVEPOINT_NOT_FOUND);
    entidb_buffer names = {0};
    CHECK("the transaction lists its collections", entidb_transaction_collections(tx, &names, &error) == ENTIDB_OK && names.len == 7);
    entidb_buffer_free(&names);
    CHECK("it knows its sequence", entidb_transaction_sequence(tx, &sequence, &error) == ENTIDB_OK && sequence > 0);
    uint64_t committed = 0;
    entidb_cursor *cursor = NULL;
    entidb_value *value = NULL;
    CHECK("a scan in it begins", entidb_collection_scan(notes, NULL, 0, ENTIDB_NO_LIMIT, &cursor, &error) == ENTIDB_OK);
    CHECK("it commits", entidb_transaction_commit(tx, ENTIDB_DURABILITY_DURABLE, &committed, &error) == ENTIDB_OK && committed == sequence);
    CHECK("once", entidb_transaction_commit(tx, ENTIDB_DURABILITY_DEFAULT, NULL, NULL) == ENTIDB_ERROR_TRANSACTION_ENDED);
    CHECK("aborting it now is fine", entidb_transaction_abort(tx, &error) == ENTIDB_OK);
    CHECK("it is over", entidb_transaction_is_open(tx, &flag, &error) == ENTIDB_OK && flag == 0);
    CHECK("its collection says so", entidb_collection_count(notes, &count, NULL) == ENTIDB_ERROR_TRANSACTION_ENDED);
    CHECK("its cursor says so once", entidb_cursor_next(cursor, &value, NULL) == ENTIDB_ERROR_TRANSACTION_ENDED && value == NULL);
    CHECK("and is at its end then", entidb_cursor_next(cursor, &value, &error) == ENTIDB_END && error == NULL);
    CHECK("in batches too", entidb_cursor_next_batch(cursor, 10, 1, &names, &error) == ENTIDB_END && error == NULL);
    entidb_cursor_free(cursor);
    entidb_collection_free(notes);
    entidb_transaction_free(tx);
    CHECK("the commit is the newest", entidb_database_last_sequence(db, &sequence, &error) == ENTIDB_OK && sequence == committed);
    CHECK("and durable", entidb_database_wait_durable(db, committed, 1000, &error) == ENTIDB_OK);

    CHECK("a reader begins", entidb_database_begin_read(db, &tx, &error) == ENTIDB_OK);
    CHECK("it cannot change", entidb_transaction_create_collection(tx, BYTES("x"), NULL) == ENTIDB_ERROR_READ_ONLY);
    CHECK("it ends", entidb_transaction_commit(tx, ENTIDB_DURABILITY_DEFAULT, NULL, &error) == ENTIDB_OK);
    entidb_transaction_free(tx);
    CHECK("a writer left open", entidb_database_begin_write(db, 0, &tx, &error) == ENTIDB_OK);
    entidb_transaction_free(tx);
    CHECK("is aborted by freeing it", entidb_database_begin_write(db, 0, &tx, &error) == ENTIDB_OK);
    CHECK("or by abort", entidb_transaction_abort(tx, &error) == ENTIDB_OK);
    entidb_transaction_free(tx);

    CHECK("a collection is made outside", entidb_database_create_collection(db, BYTES("c"), &error) == ENTIDB_OK);
    CHECK("renamed", entidb_database_rename_collection(db, BYTES("c"), BYTES("d"), &error) == ENTIDB_OK);
    CHECK("dropped", entidb_database_drop_collection(db, BYTES("d"), &error) == ENTIDB_OK);
    CHECK("once", entidb_database_drop_collection(db, BYTES("d"), NULL) == ENTIDB_ERROR_COLLECTION_NOT_FOUND);
    CHECK("the database lists its collections", entidb_database_collections(db, &names, &error) == ENTIDB_OK && names.len == 7);
    entidb_buffer_free(&names);

    entidb_item item;
    entidb_change_feed *feed = NULL;
    entidb_buffer batch = {0}, position = {0}, again = {0};
    CHECK("the feed is read from the oldest change", entidb_database_changes(db, NULL, 0, &feed, &error) == ENTIDB_OK);
    CHECK("it gives the first commit", entidb_change_feed_next(feed, 0, &batch, &error) == ENTIDB_OK);
    entidb_change_batch_head head;
    CHECK("with its sequence", entidb_change_batch_read(batch.data, batch.len, &head, &error) == ENTIDB_OK && head.sequence == committed && head.ends_commit == 1);
    size_t offset = 0;
    entidb_change change;
    CHECK("and its changes in order", entidb_change_batch_next(batch.data, batch.len, &offset, &change, &error) == ENTIDB_OK && change.kind == ENTIDB_CHANGE_COLLECTION_CREATED);
    CHECK("one after the other", entidb_change_batch_next(batch.data, batch.len, &offset, &change, &error) == ENTIDB_OK && change.kind == ENTIDB_CHANGE_INSERT && change.collection.len > 0 && change.payload.len > 0);
    uint32_t changes = 2;
    while (entidb_change_batch_next(batch.data, batch.len, &offset, &change, &error) == ENTIDB_OK) changes++;
    CHECK("to the end", changes == head.count && offset == batch.len && error == NULL);
    CHECK("bytes that are no batch are refused", entidb_change_batch_read(batch.data, 3, &head, NULL) == ENTIDB_ERROR_INVALID_ARGUMENT && (offset = batch.len - 1, entidb_change_batch_next(batch.data, batch.len, &offset, &change, NULL)) == ENTIDB_ERROR_INVALID_ARGUMENT);
    CHECK("the position is that of the batch", entidb_change_feed_position(feed, &position, &error) == ENTIDB_OK && position.len == head.position.len && memcmp(position.data, head.position.data, position.len) == 0);
    CHECK("a batch is taken back", entidb_change_feed_unread(feed, &error) == ENTIDB_OK && entidb_change_feed_next(feed, 0, &again, &error) == ENTIDB_OK);
    CHECK("and given again", again.len == batch.len && memcmp(again.data, batch.data, batch.len) == 0);
    entidb_buffer_free(&batch);
    entidb_buffer_free(&again);
    for (int i = 0; i < 3; i++) {
        CHECK("then the rest", entidb_change_feed_next(feed, 0, &batch, &error) == ENTIDB_OK);
        entidb_buffer_free(&batch);
    }
    {
        entidb_collection *then = NULL;
        entidb_transaction *past = NULL;
        entidb_value *value = NULL;
        entidb_buffer versions = {0};
        const uint8_t doc_one[] = {0xa1, 0x61, 'n', 1}, doc_two[] = {0xa1, 0x61, 'n', 2}, at[16] = {9};
        uint64_t first = 0;
        CHECK("an entity is changed", entidb_database_collection(db, BYTES("past"), &then, &error) == ENTIDB_OK && entidb_collection_put(then, at, doc_one, sizeof doc_one, ENTIDB_PUT, 0, NULL, &error) == ENTIDB_OK && entidb_database_last_sequence(db, &first, &error) == ENTIDB_OK && entidb_collection_put(then, at, doc_two, sizeof doc_two, ENTIDB_PUT, 0, NULL, &error) == ENTIDB_OK);
        CHECK("and read as it was", entidb_collection_get_as_of(then, at, first, &value, &error) == ENTIDB_OK);
        entidb_value_free(value);
        CHECK("with the versions it had", entidb_collection_history(then, at, 0, &versions, &error) == ENTIDB_OK && versions.len == 2 * (8 + 28 + sizeof doc_one));
        entidb_buffer_free(&versions);
        CHECK("the database is read as it was", entidb_database_begin_read_at(db, first, &past, &error) == ENTIDB_OK);
        entidb_transaction_free(past);
        CHECK("not as it will be", entidb_database_begin_read_at(db, first + 1000, &past, NULL) == ENTIDB_ERROR_INVALID_ARGUMENT);
        CHECK("the feed gives the document before", entidb_change_feed_with_before(feed, &error) == ENTIDB_OK && entidb_change_feed_next(feed, 0, &batch, &error) == ENTIDB_OK && entidb_change_batch_read(batch.data, batch.len, &head, &error) == ENTIDB_OK && head.time_micros > 0);
        entidb_buffer_free(&batch);
        offset = 0;
        CHECK("of an update", entidb_change_feed_next(feed, 0, &batch, &error) == ENTIDB_OK && entidb_change_batch_next(batch.data, batch.len, &offset, &change, &error) == ENTIDB_OK && change.before.len == sizeof doc_one && memcmp(change.before.data, doc_one, sizeof doc_one) == 0);
        entidb_buffer_free(&batch);
        entidb_collection_free(then);
        CHECK("and it goes", entidb_database_drop_collection(db, BYTES("past"), &error) == ENTIDB_OK && entidb_change_feed_next(feed, 0, &batch, &error) == ENTIDB_OK);
        entidb_buffer_free(&batch);
    }
    {
        entidb_collection *keyed = NULL;
        const uint8_t doc[] = {0xa0}, at[16] = {7}, told[] = "\xa2\x63key\x61k\x65index\x62" "by";
        int32_t made = 0;
        CHECK("a manual index is made", entidb_database_collection(db, BYTES("keyed"), &keyed, &error) == ENTIDB_OK && entidb_collection_create_index(keyed, BYTES("\xa2\x64kind\x66manual\x64name\x62" "by"), &made, &error) == ENTIDB_OK && made == 1);
        CHECK("with an entity", entidb_collection_put(keyed, at, doc, sizeof doc, ENTIDB_PUT, 0, NULL, &error) == ENTIDB_OK);
        CHECK("that is given a key", entidb_collection_insert_key(keyed, BYTES("by"), BYTES("\x61k"), at, &made, &error) == ENTIDB_OK && made == 1);
        CHECK("and loses it", entidb_collection_remove_key(keyed, BYTES("by"), BYTES("\x61k"), at, &made, &error) == ENTIDB_OK && made == 1);
        for (int commit = 0; commit < 2; commit++) {
            CHECK("the feed tells of the index and the entity", entidb_change_feed_next(feed, 0, &batch, &error) == ENTIDB_OK);
            entidb_buffer_free(&batch);
        }
        for (uint32_t kind = ENTIDB_CHANGE_KEY_INSERTED; kind <= ENTIDB_CHANGE_KEY_REMOVED; kind++) {
            offset = 0;
            CHECK("and of the key", entidb_change_feed_next(feed, 0, &batch, &error) == ENTIDB_OK && entidb_change_batch_next(batch.data, batch.len, &offset, &change, &error) == ENTIDB_OK && change.kind == kind && memcmp(change.id, at, 16) == 0 && offset == batch.len);
            CHECK("with its index", change.payload.len == sizeof told - 1 && memcmp(change.payload.data, told, sizeof told - 1) == 0);
            entidb_buffer_free(&batch);
        }
        entidb_collection_free(keyed);
        CHECK("they go", entidb_database_drop_collection(db, BYTES("keyed"), &error) == ENTIDB_OK && entidb_change_feed_next(feed, 0, &batch, &error) == ENTIDB_OK);
        entidb_buffer_free(&batch);
    }
    CHECK("then nothing, in time", entidb_change_feed_next(feed, 10, &batch, &error) == ENTIDB_TIMEOUT && error == NULL);
    int asked = 0;
    entidb_interrupt_set(third_time, &asked);
    CHECK("a wait ends when what its thread asks says so", entidb_change_feed_next(feed, 3600000, &batch, &error) == ENTIDB_ERROR_CANCELLED && asked == 3 && batch.data == NULL);
    take(&error);
    entidb_interrupt_set(NULL, NULL);
    CHECK("the reader is where it was", entidb_change_feed_next(feed, 1, &batch, &error) == ENTIDB_TIMEOUT && asked == 3);
    entidb_cancel *cancel = NULL, *outer = NULL;
    CHECK("a deadline is made", entidb_cancel_new(20, &cancel, &error) == ENTIDB_OK && entidb_cancel_new(ENTIDB_NO_LIMIT, &outer, &error) == ENTIDB_OK);
    CHECK("and entered, inside another token", entidb_cancel_enter(outer, &error) == ENTIDB_OK && entidb_cancel_enter(cancel, &error) == ENTIDB_OK);
    CHECK("a wait ends at the deadline with an error", entidb_change_feed_next(feed, 3600000, &batch, &error) == ENTIDB_ERROR_TIMEOUT && batch.data == NULL);
    CHECK("which says how long it was", strstr(entidb_error_message(error), "20 ms") != NULL);
    take(&error);
    CHECK("also one for a commit", entidb_database_wait_durable(db, sequence + 1000, 3600000, NULL) == ENTIDB_ERROR_TIMEOUT);
    CHECK("and a change is not made", entidb_database_create_collection(db, BYTES("late"), NULL) == ENTIDB_ERROR_TIMEOUT);
    CHECK("its check says so too", entidb_cancel_check(cancel, NULL) == ENTIDB_ERROR_TIMEOUT && entidb_cancel_check(outer, NULL) == ENTIDB_OK);
    CHECK("it is left", entidb_cancel_leave(cancel, &error) == ENTIDB_OK && entidb_change_feed_next(feed, 1, &batch, &error) == ENTIDB_TIMEOUT);
    entidb_cancel_cancel(outer);
    CHECK("a token that is cancelled ends calls", entidb_change_feed_next(feed, 3600000, &batch, NULL) == ENTIDB_ERROR_CANCELLED);
    CHECK("until it is left, once for each time", entidb_cancel_leave(outer, &error) == ENTIDB_OK && entidb_cancel_leave(outer, NULL) == ENTIDB_ERROR_INVALID_ARGUMENT);
    entidb_cancel_free(cancel);
    entidb_cancel_free(outer);
    entidb_cancel_free(NULL);
    int told = 0;
    CHECK("a waker is set", entidb_change_feed_set_waker(feed, count_wake, &told, &error) == ENTIDB_OK);
    CHECK("what comes before the reader looked does not call it", entidb_database_create_collection(db, BYTES("wake"), &error) == ENTIDB_OK && told == 0);
    CHECK("the reader reads it", entidb_change_feed_next(feed, 0, &batch, &error) == ENTIDB_OK && told == 0);
    entidb_buffer_free(&batch);
    CHECK("and looks in vain", entidb_change_feed_next(feed, 0, &batch, &error) == ENTIDB_TIMEOUT && told == 0);
    CHECK("a commit calls it once", entidb_database_drop_collection(db, BYTES("wake"), &error) == ENTIDB_OK && told == 1 && entidb_database_create_collection(db, BYTES("wake"), &error) == ENTIDB_OK && told == 1);
    for (int commits = 0; commits < 2; commits++) {
        CHECK("there is what it told of", entidb_change_feed_next(feed, 0, &batch, &error) == ENTIDB_OK);
        entidb_buffer_free(&batch);
    }
    CHECK("a waker that was removed is not called", entidb_change_feed_next(feed, 0, &batch, &error) == ENTIDB_TIMEOUT && entidb_change_feed_set_waker(feed, NULL, NULL, &error) == ENTIDB_OK && entidb_database_drop_collection(db, BYTES("wake"), &error) == ENTIDB_OK && told == 1);
    CHECK("closing calls it", entidb_change_feed_next(feed, 0, &batch, &error) == ENTIDB_OK && entidb_change_feed_set_waker(feed, count_wake, &told, &error) == ENTIDB_OK);
    entidb_buffer_free(&batch);
    CHECK("where the reader waits", entidb_change_feed_next(feed, 0, &batch, &error) == ENTIDB_TIMEOUT && entidb_change_feed_close(feed, &error) == ENTIDB_OK && told == 2);
    CHECK("a feed is closed", entidb_change_feed_close(feed, &error) == ENTIDB_OK && entidb_change_feed_next(feed, 1, &batch, NULL) == ENTIDB_ERROR_CLOSED);
    entidb_change_feed_free(feed);
    CHECK("reading goes on from a position", entidb_database_changes(db, position.data, position.len, &feed, &error) == ENTIDB_OK && entidb_change_feed_next(feed, 0, &batch, &error) == ENTIDB_OK);
    entidb_buffer_free(&batch);
    entidb_change_feed_free(feed);
    CHECK("text that is none is refused", entidb_database_changes(db, position.data, position.len - 1, &feed, NULL) == ENTIDB_ERROR_INVALID_ARGUMENT && feed == NULL);
    CHECK("the newest position has nothing behind it", entidb_database_position(db, &again, &error) == ENTIDB_OK && entidb_database_changes(db, again.data, again.len, &feed, &error) == ENTIDB_OK && entidb_change_feed_next(feed, 0, &batch, &error) == ENTIDB_TIMEOUT);
    entidb_change_feed_free(feed);
    entidb_buffer seen = {0};
    CHECK("a read transaction has the same one", entidb_database_begin_read(db, &tx, &error) == ENTIDB_OK && entidb_transaction_position(tx, &seen, &error) == ENTIDB_OK && seen.len == again.len && memcmp(seen.data, again.data, seen.len) == 0);
    entidb_transaction_free(tx);
    entidb_buffer_free(&seen);
    entidb_buffer_free(&again);
    CHECK("a write transaction has none", entidb_database_begin_write(db, 0, &tx, &error) == ENTIDB_OK && entidb_transaction_position(tx, &seen, NULL) == ENTIDB_ERROR_UNSUPPORTED);
    entidb_transaction_free(tx);
    CHECK("the feed is trimmed", entidb_database_last_sequence(db, &sequence, &error) == ENTIDB_OK && entidb_database_trim_changes(db, sequence, &error) == ENTIDB_OK);
    CHECK("a reader from before is told of the gap", entidb_database_changes(db, position.data, position.len, &feed, NULL) == ENTIDB_ERROR_GAP && feed == NULL);
    entidb_buffer_free(&position);

    entidb_buffer report = {0};
    CHECK("a checkpoint", entidb_database_checkpoint(db, NULL, &error) == ENTIDB_OK);
    CHECK("a compaction", entidb_database_compact(db, NULL, &error) == ENTIDB_OK);
    CHECK("a quick verification", entidb_database_verify(db, ENTIDB_VERIFY_QUICK, &report, &error) == ENTIDB_OK);
    entidb_buffer_free(&report);
    CHECK("a full one", entidb_database_verify(db, ENTIDB_VERIFY_FULL, &report, &error) == ENTIDB_OK && entidb_document_lookup(report.data, report.len, BYTES("ok"), &item, NULL) == ENTIDB_OK && item.number == 1);
    entidb_buffer_free(&report);
    CHECK("no other", entidb_database_verify(db, 9, &report, NULL) == ENTIDB_ERROR_INVALID_ARGUMENT);
    CHECK("statistics", entidb_database_stats(db, &report, &error) == ENTIDB_OK && number_at(report.data, report.len, "entities") == 1);
    entidb_buffer_free(&report);
    CHECK("the options in force", entidb_database_config(db, &report, &error) == ENTIDB_OK && entidb_document_lookup(report.data, report.len, BYTES("durability"), &item, NULL) == ENTIDB_OK);
    entidb_buffer_free(&report);
    CHECK("what opening found", entidb_database_open_report(db, &report, &error) == ENTIDB_OK && entidb_document_lookup(report.data, report.len, BYTES("created"), &item, NULL) == ENTIDB_OK && item.number == 1);
    entidb_buffer_free(&report);
    CHECK("a checkpoint says what it did", entidb_database_checkpoint(db, &report, &error) == ENTIDB_OK && number_at(report.data, report.len, "wal_bytes") == 0);
    entidb_buffer_free(&report);
    CHECK("a compaction too", entidb_database_compact(db, &report, &error) == ENTIDB_OK && number_at(report.data, report.len, "segments") > 0);
    entidb_buffer_free(&report);
    CHECK("a backup", entidb_database_backup(db, BYTES(copy), &report, &error) == ENTIDB_OK && number_at(report.data, report.len, "files") > 0);
    entidb_buffer_free(&report);
    CHECK("not over another", entidb_database_backup(db, BYTES(copy), NULL, NULL) == ENTIDB_ERROR_TARGET_NOT_EMPTY);
    CHECK("a plain database has no keys", entidb_database_keys(db, &report, NULL) == ENTIDB_ERROR_NOT_ENCRYPTED);
    CHECK("a backup is checked", entidb_backup_validate(BYTES(copy), NULL, 0, &report, &error) == ENTIDB_OK && number_at(report.data, report.len, "ok") == 1 && number_at(report.data, report.len, "entities") == 1);
    entidb_buffer_free(&report);
    CHECK("what is none is not", entidb_backup_validate(BYTES("/tmp/entidb-c-none"), NULL, 0, &report, NULL) == ENTIDB_ERROR_DATABASE_NOT_FOUND);
    char restored[300];
    snprintf(restored, sizeof restored, "%s-restored", path);
    remove_folder(restored);
    CHECK("it is restored into a new folder", entidb_backup_restore(BYTES(copy), BYTES(restored), NULL, 0, &report, &error) == ENTIDB_OK && number_at(report.data, report.len, "bytes") > 0);
    entidb_buffer_free(&report);
    CHECK("not over another database", entidb_backup_restore(BYTES(copy), BYTES(restored), NULL, 0, NULL, NULL) == ENTIDB_ERROR_TARGET_NOT_EMPTY);
    CHECK("which has what it had", entidb_database_open(BYTES(restored), NULL, 0, &other, &error) == ENTIDB_OK && entidb_database_collection(other, BYTES("notes"), &notes, &error) == ENTIDB_OK && entidb_collection_count(notes, &count, &error) == ENTIDB_OK && count == 1);
    entidb_collection_free(notes);
    entidb_database_free(other);
    remove_folder(restored);
    other = NULL;
    CHECK("and into memory", entidb_backup_open_memory(BYTES(copy), NULL, 0, &other, &error) == ENTIDB_OK && entidb_database_collection(other, BYTES("notes"), &notes, &error) == ENTIDB_OK && entidb_collection_count(notes, &count, &error) == ENTIDB_OK && count == 1);
    entidb_collection_free(notes);
    entidb_database_free(other);

    entidb_transaction *write = NULL;
    second = NULL;
    entidb_caller_set(1);
    CHECK("a thread acts for a caller", entidb_database_begin_write(db, ENTIDB_DEFAULT, &write, &error) == ENTIDB_OK);
    CHECK("which does not wait for itself", entidb_database_begin_write(db, 1, &second, NULL) == ENTIDB_ERROR_DEADLOCK && second == NULL);
    entidb_caller_set(2);
    CHECK("another caller on the same thread waits", entidb_database_begin_write(db, 1, &second, NULL) == ENTIDB_ERROR_BUSY && second == NULL);
    entidb_caller_set(0);
    entidb_transaction_free(write);

    uint64_t token = 0, of_other = 0;
    CHECK("a database has a token", entidb_database_token(db, &token, &error) == ENTIDB_OK && token != 0);
    CHECK("another handle of it is taken by the token", entidb_database_attach(token, &other, &error) == ENTIDB_OK && other != db && entidb_database_token(other, &of_other, &error) == ENTIDB_OK && of_other == token);
    CHECK("both are one database", entidb_database_create_collection(other, BYTES("shared"), &error) == ENTIDB_OK && entidb_database_drop_collection(db, BYTES("shared"), &error) == ENTIDB_OK);
    entidb_database_free(other);
    CHECK("freeing one leaves the other", entidb_database_last_sequence(db, &of_other, &error) == ENTIDB_OK);
    CHECK("no database has another token", entidb_database_attach(token + 1000000, &other, NULL) == ENTIDB_ERROR_CLOSED && other == NULL);

    CHECK("a collection outlives its database handle", entidb_database_collection(db, BYTES("notes"), &notes, &error) == ENTIDB_OK);
    entidb_database *same = db;
    CHECK("the database closes", entidb_database_close(same, &error) == ENTIDB_OK && entidb_database_is_closed(same, &flag, &error) == ENTIDB_OK && flag == 1);
    CHECK("twice is fine", entidb_database_close(same, &error) == ENTIDB_OK && entidb_database_close_now(same, &error) == ENTIDB_OK);
    CHECK("a closed database has no further handles", entidb_database_attach(token, &other, NULL) == ENTIDB_ERROR_CLOSED && other == NULL);
    entidb_database_free(same);
    CHECK("and says that it is closed", entidb_collection_count(notes, &count, NULL) == ENTIDB_ERROR_CLOSED);
    entidb_collection_free(notes);

    entidb_buffer_free(&map);
    CHECK("the copy opens for reading", entidb_options_set_flag(options, ENTIDB_OPTION_READ_ONLY, 1) == ENTIDB_OK && entidb_options_encode(options, &map, &error) == ENTIDB_OK && entidb_database_open(BYTES(copy), map.data, map.len, &db, &error) == ENTIDB_OK);
    CHECK("with the options it was given", entidb_database_config(db, &report, &error) == ENTIDB_OK && number_at(report.data, report.len, "lock_timeout_ms") == 7 && number_at(report.data, report.len, "read_only") == 1 && number_at(report.data, report.len, "create") == 0);
    entidb_buffer_free(&report);
    entidb_buffer_free(&map);
    entidb_options_free(options);
    CHECK("it has the entity", entidb_database_collection(db, BYTES("notes"), &notes, &error) == ENTIDB_OK && entidb_collection_count(notes, &count, &error) == ENTIDB_OK && count == 1);
    CHECK("and refuses changes", entidb_collection_put(notes, NULL, one.data, one.len, ENTIDB_PUT, 0, NULL, NULL) == ENTIDB_ERROR_READ_ONLY);
    entidb_collection_free(notes);
    entidb_database_free(db);

    remove_folder(copy);
    uint8_t key[32] = {9}, wrong[32] = {8};
    CHECK("options with a key", entidb_options_new(&options, &error) == ENTIDB_OK && entidb_options_set_bytes(options, "key", key, 32) == ENTIDB_OK && entidb_options_encode(options, &map, &error) == ENTIDB_OK);
    CHECK("an encrypted database is made", entidb_database_open(BYTES(copy), map.data, map.len, &db, &error) == ENTIDB_OK);
    entidb_buffer_free(&map);
    CHECK("and closed", entidb_database_close(db, &error) == ENTIDB_OK);
    entidb_database_free(db);
    CHECK("without its key it is refused", entidb_database_open(BYTES(copy), NULL, 0, &db, NULL) == ENTIDB_ERROR_ENCRYPTION_REQUIRED);
    CHECK("with another too", entidb_options_set_bytes(options, "key", wrong, 32) == ENTIDB_OK && entidb_options_encode(options, &map, &error) == ENTIDB_OK && entidb_database_open(BYTES(copy), map.data, map.len, &db, NULL) == ENTIDB_ERROR_WRONG_KEY);
    CHECK("a key for a plain one as well", entidb_database_open(BYTES(path), map.data, map.len, &db, NULL) == ENTIDB_ERROR_NOT_ENCRYPTED);
    entidb_buffer_free(&map);
    entidb_options_free(options);
    entidb_options_free(NULL);
    entidb_buffer_free(&one);
    remove_folder(path);
    remove_folder(copy);
    return finish();
}
