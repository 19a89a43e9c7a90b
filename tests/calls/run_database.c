/* The functions of databases. */
#include "run.h"

void run_database_open(struct worker *w) {
    entidb_open_options options;
    struct blob where = random_place(w);
    NOTHING(open_options_init, &options);
    options.flags = rarely(w, 8) ? (uint32_t)next(w) : (uint32_t)below(w, 8);
    options.durability = rarely(w, 20) ? (uint32_t)next(w) : (uint32_t)below(w, 4);
    options.scan_policy = rarely(w, 20) ? (uint32_t)next(w) : 0;
    options.memory_bytes = 1 << 20;
    options.lock_timeout_ms = below(w, 3);
    options.feed_commits_max = below(w, 50);
    options.entity_bytes_max = rarely(w, 10) ? random_number(w) : 4096;
    options.transaction_bytes_max = rarely(w, 10) ? random_number(w) : 65536;
    if (rarely(w, 10)) options.memory_bytes = random_number(w) % (1 << 22);
    if (rarely(w, 6)) options.open_files_max = random_number(w);
    if (rarely(w, 6)) {
        options.key = argument(w, 32);
        memset((void *)(uintptr_t)options.key, 7, 32);
        options.key_len = rarely(w, 3) ? below(w, 33) : 32;
    }
    if (rarely(w, 40)) {
        options.password = (const uint8_t *)"secret";
        options.password_len = rarely(w, 4) ? SIZE_MAX : 6;
    }
    /* The struct in memory of the size it states. */
    uint32_t size = rarely(w, 8) ? (uint32_t)random_number(w) : sizeof options;
    if (size > 8192) size = rarely(w, 2) ? 0 : 8192;
    uint8_t *memory = argument(w, size < 4 ? 4 : size);
    memset(memory, rarely(w, 3) ? 1 : 0xff, size < 4 ? 4 : size);
    memcpy(memory, &options, size < sizeof options ? size : sizeof options);
    memcpy(memory, &size, 4);
    /* Less than the field of waiting is read of a small one: then a wait is as long as by default. */
    if (size < sizeof options && size >= 4) where = of(w, "file", 4);
    GIVES_HANDLE(database_open, entidb_database, DATABASE, where.data, where.len, (const entidb_open_options *)(void *)memory);
}

void run_database_open_named(struct worker *w) {
    struct blob where = random_place(w), options = random_options(w);
    GIVES_HANDLE(database_open_named, entidb_database, DATABASE, where.data, where.len, options.data, options.len);
}

void run_database_open_memory(struct worker *w) {
    struct blob options = random_options(w);
    GIVES_HANDLE(database_open_memory, entidb_database, DATABASE, options.data, options.len);
}

void run_database_close(struct worker *w) {
    if (rarely(w, 2)) GIVES_NOTHING(database_close, pick(w, DATABASE));
}

void run_database_close_now(struct worker *w) {
    if (rarely(w, 3)) GIVES_NOTHING(database_close_now, pick(w, DATABASE));
}

void run_database_free(struct worker *w) {
    discard(w, DATABASE);
    NOTHING(database_free, NULL);
}

void run_database_is_closed(struct worker *w) {
    int32_t closed = 77, *out = place(w, &closed);
    entidb_error **error = error_place(w);
    entidb_status status = STATUS(database_is_closed, pick(w, DATABASE), out, error);
    if (status == ENTIDB_OK && out != NULL && closed != 0 && closed != 1) found(w, "gave %d", closed);
}

void run_database_last_sequence(struct worker *w) {
    GIVES_NUMBER(database_last_sequence, uint64_t, pick(w, DATABASE));
}

void run_database_collection(struct worker *w) {
    struct blob name = random_name(w);
    GIVES_HANDLE(database_collection, entidb_collection, COLLECTION, pick(w, DATABASE), name.data, name.len);
}

void run_database_collections(struct worker *w) {
    GIVES_BYTES(database_collections, w->documents, pick(w, DATABASE));
}

void run_database_create_collection(struct worker *w) {
    struct blob name = random_name(w);
    GIVES_NOTHING(database_create_collection, pick(w, DATABASE), name.data, name.len);
}

void run_database_rename_collection(struct worker *w) {
    struct blob from = random_name(w), to = random_name(w);
    GIVES_NOTHING(database_rename_collection, pick(w, DATABASE), from.data, from.len, to.data, to.len);
}

void run_database_drop_collection(struct worker *w) {
    struct blob name = random_name(w);
    GIVES_NOTHING(database_drop_collection, pick(w, DATABASE), name.data, name.len);
}

void run_database_begin_read(struct worker *w) {
    GIVES_HANDLE(database_begin_read, entidb_transaction, TRANSACTION, pick(w, DATABASE));
}

void run_database_begin_write(struct worker *w) {
    uint64_t timeout = rarely(w, 6) ? ENTIDB_DEFAULT : random_timeout(w);
    GIVES_HANDLE(database_begin_write, entidb_transaction, TRANSACTION, pick(w, DATABASE), timeout);
}

void run_database_changes(struct worker *w) {
    struct blob since = chance(w, 40) ? (struct blob){NULL, 0} : kept_or_odd(w, w->positions);
    GIVES_HANDLE(database_changes, entidb_change_feed, FEED, pick(w, DATABASE), since.data, since.len);
}

void run_database_position(struct worker *w) {
    GIVES_BYTES(database_position, w->positions, pick(w, DATABASE));
}

void run_database_trim_changes(struct worker *w) {
    GIVES_NOTHING(database_trim_changes, pick(w, DATABASE), random_number(w));
}

void run_database_wait_durable(struct worker *w) {
    GIVES_NOTHING(database_wait_durable, pick(w, DATABASE), random_number(w), random_timeout(w));
}

void run_database_checkpoint(struct worker *w) {
    GIVES_NOTHING(database_checkpoint, pick(w, DATABASE));
}

void run_database_compact(struct worker *w) {
    GIVES_NOTHING(database_compact, pick(w, DATABASE));
}

/* What a check says must be that all is well: nothing here damages a file. */
void run_database_verify(struct worker *w) {
    entidb_buffer report = empty_buffer(), *out = place(w, &report);
    uint32_t level = rarely(w, 10) ? (uint32_t)next(w) : (uint32_t)below(w, 2);
    entidb_error **error = error_place(w);
    entidb_status status = STATUS(database_verify, pick(w, DATABASE), level, out, error);
    if (status == ENTIDB_OK && out != NULL) {
        entidb_item item = {0};
        entidb_status looked = entidb_document_lookup(report.data, report.len, (const uint8_t *)"ok", 2, &item, NULL);
        if (looked != ENTIDB_OK || item.kind != ENTIDB_KIND_BOOL || item.number != 1) {
            found(w, "verify finds a problem (%zu bytes of report)", report.len);
            for (size_t i = 0; i < report.len && i < 600; i++) putchar(report.data[i] >= 32 && report.data[i] < 127 ? report.data[i] : '.');
            putchar('\n');
        }
    }
    take_buffer(w, &report, status, w->documents);
}

void run_database_backup(struct worker *w) {
    char name[32];
    snprintf(name, sizeof name, "backup%d", (int)below(w, 40));
    struct blob where = rarely(w, 4) ? random_place(w) : of(w, name, strlen(name));
    GIVES_NOTHING(database_backup, pick(w, DATABASE), where.data, where.len);
}

void run_database_stats(struct worker *w) {
    GIVES_BYTES(database_stats, w->documents, pick(w, DATABASE));
}

void run_database_config(struct worker *w) {
    GIVES_BYTES(database_config, w->documents, pick(w, DATABASE));
}

void run_database_open_report(struct worker *w) {
    GIVES_BYTES(database_open_report, w->documents, pick(w, DATABASE));
}

void run_open_options_init(struct worker *w) {
    entidb_open_options options;
    memset(&options, 0x5a, sizeof options);
    NOTHING(open_options_init, rarely(w, 8) ? NULL : &options);
}
