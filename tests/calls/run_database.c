/* The functions of databases. */
#include "run.h"

void run_database_open(struct worker *w) {
    struct blob where = random_place(w), options = random_options(w);
    GIVES_HANDLE(database_open, entidb_database, DATABASE, where.data, where.len, options.data, options.len);
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

void run_database_token(struct worker *w) {
    uint64_t token = 77, *out = place(w, &token);
    entidb_error **error = error_place(w);
    if (STATUS(database_token, pick(w, DATABASE), out, error) == ENTIDB_OK && out != NULL) w->token = token;
}

/* Only by a token that was told: others are of databases that a model has for itself. */
void run_database_attach(struct worker *w) {
    uint64_t token = chance(w, 10) ? 1000000000 + random_number(w) % 1000 : w->token;
    GIVES_HANDLE(database_attach, entidb_database, DATABASE, token);
}

/* Set back at once: what a thread acts for decides between two errors, and a model knows which. */
void run_caller_set(struct worker *w) {
    NOTHING(caller_set, next(w));
    NOTHING(caller_set, 0);
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

void run_database_begin_read_at(struct worker *w) {
    GIVES_HANDLE(database_begin_read_at, entidb_transaction, TRANSACTION, pick(w, DATABASE), random_sequence(w));
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
    GIVES_REPORT(database_checkpoint, pick(w, DATABASE));
}

void run_database_compact(struct worker *w) {
    GIVES_REPORT(database_compact, pick(w, DATABASE));
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
    GIVES_REPORT(database_backup, pick(w, DATABASE), where.data, where.len);
}

void run_backup_validate(struct worker *w) {
    struct blob where = random_place(w), options = rarely(w, 3) ? random_options(w) : of(w, "", 0);
    GIVES_BYTES(backup_validate, w->documents, where.data, where.len, options.data, options.len);
}

void run_backup_restore(struct worker *w) {
    char name[32];
    snprintf(name, sizeof name, "restored%d", (int)below(w, 40));
    struct blob from = random_place(w), to = rarely(w, 4) ? random_place(w) : of(w, name, strlen(name));
    struct blob options = rarely(w, 3) ? random_options(w) : of(w, "", 0);
    GIVES_REPORT(backup_restore, from.data, from.len, to.data, to.len, options.data, options.len);
}

void run_backup_open_memory(struct worker *w) {
    struct blob where = random_place(w), options = random_options(w);
    GIVES_HANDLE(backup_open_memory, entidb_database, DATABASE, where.data, where.len, options.data, options.len);
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

/* The name of an option, or what is none, ended by NUL in memory of its own. */
static const char *option_name(struct worker *w, const char *const names[], uint64_t count) {
    static const char *const odd_names[] = {"", "readonly", "KEY", "key ", "\xff", "create_parents_and_a_name_that_never_ends"};
    if (rarely(w, 40)) return NULL;
    const char *name = rarely(w, 12) ? odd_names[below(w, 6)] : names[below(w, count)];
    return memcpy(argument(w, strlen(name) + 1), name, strlen(name) + 1);
}

void run_options_new(struct worker *w) {
    entidb_options *options = poison(), **out = place(w, &options);
    entidb_error **error = error_place(w);
    entidb_status status = STATUS(options_new, out, error);
    adopt(w, OPTIONS, options, status);
}

void run_options_set_flag(struct worker *w) {
    static const char *const names[] = {ENTIDB_OPTION_CREATE, ENTIDB_OPTION_CREATE_NEW, ENTIDB_OPTION_READ_ONLY, ENTIDB_OPTION_MEMORY_BYTES};
    (void)STATUS(options_set_flag, pick(w, OPTIONS), option_name(w, names, 4), (int32_t)next(w));
}

void run_options_set_number(struct worker *w) {
    static const char *const names[] = {ENTIDB_OPTION_MEMORY_BYTES, ENTIDB_OPTION_LOCK_TIMEOUT_MS, ENTIDB_OPTION_SORT_BYTES_MAX, ENTIDB_OPTION_CREATE};
    (void)STATUS(options_set_number, pick(w, OPTIONS), option_name(w, names, 4), random_number(w));
}

void run_options_set_text(struct worker *w) {
    static const char *const names[] = {ENTIDB_OPTION_DURABILITY, ENTIDB_OPTION_SCAN_POLICY, ENTIDB_OPTION_COMPRESSION, ENTIDB_OPTION_PASSWORD};
    static const char *const words[] = {"durable", "grouped", "none", "allow", "forbid", "lz4", "\xff", ""};
    const char *word = words[below(w, 8)];
    struct blob text = odd(w, of(w, word, strlen(word)));
    (void)STATUS(options_set_text, pick(w, OPTIONS), option_name(w, names, 4), text.data, text.len);
}

void run_options_set_bytes(struct worker *w) {
    static const char *const names[] = {ENTIDB_OPTION_KEY, ENTIDB_OPTION_PASSWORD, ENTIDB_OPTION_DURABILITY};
    struct blob bytes = odd(w, of(w, database_key, rarely(w, 3) ? below(w, 33) : sizeof database_key));
    (void)STATUS(options_set_bytes, pick(w, OPTIONS), option_name(w, names, 3), bytes.data, bytes.len);
}

void run_options_encode(struct worker *w) {
    entidb_buffer map = empty_buffer(), *out = place(w, &map);
    entidb_error **error = error_place(w);
    entidb_status status = STATUS(options_encode, pick(w, OPTIONS), out, error);
    take_buffer(w, &map, status, w->documents);
}

void run_options_free(struct worker *w) {
    discard(w, OPTIONS);
    NOTHING(options_free, NULL);
}
