/* What the files of this program share: the table of functions, a worker, the handles it holds, bytes to call with.
 *
 * Always: only what the header allows is done, however odd: no handle is used after it was freed, every length is that of readable
 * memory or beyond any. So whatever a sanitizer says is a finding, and so is an answer that the header does not name. */
#ifndef ENTIDB_TEST_CALLS_H
#define ENTIDB_TEST_CALLS_H

#define _GNU_SOURCE
#include <entidb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Every function of the header and how often it is chosen: 0 where it is called beside another only. */
#define FUNCTIONS(X)                                                                                                    \
    X(abi_version, 1) X(backup_open_memory, 1) X(backup_restore, 1) X(backup_validate, 1) X(database_keys, 2)             \
    X(database_new_id, 2) X(encoder_begin_tag, 2) X(encoder_decimal, 2) X(encoder_uuid, 2) X(encoder_vector, 2)         \
    X(id_parse, 2) X(id_text, 2) X(collection_get_as_of, 8) X(collection_history, 6) X(database_begin_read_at, 3)           \
    X(change_feed_with_before, 2) X(change_feed_set_waker, 4) X(transaction_detach, 3)                                                                                        \
    X(buffer_free, 1) X(cancel_cancel, 1) X(cancel_check, 3) X(cancel_enter, 2) X(cancel_free, 3)     \
    X(cancel_leave, 12) X(cancel_new, 3) X(change_batch_next, 6) X(change_batch_read, 4) X(change_feed_close, 1)        \
    X(change_feed_free, 3) X(change_feed_next, 10) X(change_feed_position, 3) X(change_feed_unread, 3) X(code_hint, 1)  \
    X(code_name, 1) X(collection_count, 10) X(collection_count_keys, 3) X(collection_create_index, 3)                   \
    X(collection_delete, 10) X(collection_insert_key, 6) X(collection_lookup_key, 4) X(collection_range_keys, 4)         \
    X(collection_remove_key, 4) X(collection_scan_keys, 4)                                                                                         \
    X(collection_delete_many, 4) X(collection_delete_version, 6) X(collection_drop_index, 3) X(collection_exists, 10)   \
    X(collection_find, 14) X(collection_find_count, 10) X(collection_find_delete, 4) X(collection_find_explain, 6)      \
    X(collection_free, 5) X(collection_get, 16) X(collection_get_many, 8) X(collection_indexes, 4) X(collection_stats, 4)  \
    X(collection_put, 40) X(collection_put_many, 8) X(collection_scan, 10) X(collection_update, 14) X(cursor_free, 6)   \
    X(cursor_next, 16) X(cursor_next_batch, 12) X(cursor_token, 10) X(database_add_key, 2) X(database_backup, 1)        \
    X(database_begin_read, 8) X(database_begin_write, 12) X(database_change_key, 3) X(database_changes, 8)              \
    X(database_checkpoint, 1) X(database_close, 1) X(database_close_now, 1) X(database_collection, 14)                  \
    X(database_collections, 4) X(database_compact, 1) X(database_config, 2) X(database_create_collection, 3)            \
    X(database_drop_collection, 2) X(database_free, 1) X(database_is_closed, 3) X(database_last_sequence, 3)            \
    X(database_token, 3) X(database_attach, 3) X(caller_set, 2)                                                          \
    X(database_open, 3) X(database_open_memory, 1) X(database_open_report, 2)                                           \
    X(database_position, 4) X(database_rekey, 1) X(database_remove_key, 3) X(database_rename_collection, 3)             \
    X(database_rotate_key, 1) X(database_stats, 2) X(database_trim_changes, 2) X(database_verify, 1)                    \
    X(database_wait_durable, 3) X(document_lookup, 12) X(document_next, 8) X(encoder_begin_array, 3)                    \
    X(encoder_begin_map, 3) X(encoder_bool, 2) X(encoder_bytes, 2) X(encoder_document, 3) X(encoder_double, 2)          \
    X(encoder_end, 4) X(encoder_finish, 6) X(encoder_free, 2) X(encoder_id, 2) X(encoder_int, 2) X(encoder_key, 4)      \
    X(encoder_new, 3) X(encoder_null, 2) X(encoder_text, 2) X(encoder_timestamp, 2) X(encoder_uint, 2)                  \
    X(error_code, 2) X(error_collection, 2) X(error_free, 2) X(error_id, 2) X(error_index, 2) X(error_message, 2)       \
    X(error_offset, 2) X(error_os_code, 2) X(error_path, 2) X(format_version, 1) X(has_feature, 1) X(interrupt_set, 2)  \
    X(options_encode, 3) X(options_free, 2) X(options_new, 3) X(options_set_bytes, 2) X(options_set_flag, 3)              \
    X(options_set_number, 3) X(options_set_text, 3) X(transaction_abort, 5) X(transaction_collection, 14) X(transaction_collections, 3)         \
    X(transaction_commit, 10) X(transaction_create_collection, 3) X(transaction_drop_collection, 2)                     \
    X(transaction_free, 5) X(transaction_is_open, 3) X(transaction_position, 2) X(transaction_rename_collection, 2)     \
    X(transaction_rollback_to, 5) X(transaction_savepoint, 5) X(transaction_sequence, 4) X(value_bytes, 2)              \
    X(value_free, 2) X(value_id, 2) X(value_version, 2) X(version, 1)

enum function {
#define X(name, weight) F_##name,
    FUNCTIONS(X)
#undef X
    FUNCTION_COUNT
};

/* The kinds of handle. */
enum kind { DATABASE, COLLECTION, TRANSACTION, CURSOR, FEED, ENCODER, OPTIONS, VALUE, ERROR, CANCEL, KIND_COUNT };

/* A handle and how many hands hold it; the last one frees it. */
struct held {
    enum kind kind;
    void *pointer;
    atomic_int hands;
};

/* Bytes to call with: as long as they say, in memory of their own, so that a sanitizer sees a byte too far. */
struct blob {
    uint8_t *data;
    size_t len;
};

#define HAND 4
#define KEPT 4
#define ENTERED 4

struct model;

/* One thread that calls. */
struct worker {
    int index;
    uint64_t random;
    uint64_t calls;
    /* What the watchdog looks at: calls made, and the function that runs. */
    atomic_ullong progress;
    atomic_int running;
    struct held *hand[KIND_COUNT][HAND];
    /* Copies of what calls gave, to give back to others: batches, positions, page tokens, documents. */
    struct blob batches[KEPT], positions[KEPT], tokens[KEPT], documents[KEPT];
    uint64_t savepoints[KEPT];
    /* The last token of a database that was told. */
    uint64_t token;
    /* Memory of the arguments of the call that runs. */
    void *arguments[64];
    int argument_count;
    /* Handles that left the hand during the step that runs, which may still call with them. */
    struct held *replaced[128];
    int replaced_count;
    /* The place for an error; what it held before the call is a pointer that must not stay. */
    entidb_error *error;
    int has_error_place;
    /* Tokens this thread is in, each as often as it entered; it holds them, so that it can leave them. */
    struct held *entered[ENTERED];
    /* What the function given to entidb_interrupt_set looks at. */
    int armed;
    int countdown;
    struct timespec began;
    struct model *model;
};

/* What is known of a function. */
struct entry {
    const char *name;
    void (*run)(struct worker *);
    int weight;
    /* A bit for each code that the header names for it. */
    uint64_t codes[16];
    atomic_ullong calls, successes;
};

extern struct entry table[FUNCTION_COUNT];

/* main.c */
extern uint64_t round_seed;
extern atomic_int findings;
void found(struct worker *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
uint64_t next(struct worker *w);
static inline uint64_t below(struct worker *w, uint64_t bound) { return next(w) % bound; }
static inline int chance(struct worker *w, unsigned percent) { return below(w, 100) < percent; }
/* True once in `times` calls. */
static inline int rarely(struct worker *w, unsigned times) { return below(w, times) == 0; }

/* header.c: the codes each function may give, by the words of the header. False when the header names other functions. */
int read_header(const char *path);

/* hands.c */
void enter(struct worker *w, enum function function);
entidb_error **error_place(struct worker *w);
void leave(struct worker *w, entidb_status status);
void leave_void(struct worker *w);
void *place(struct worker *w, void *real);
void *poison(void);
void *pick(struct worker *w, enum kind kind);
struct held *pick_held(struct worker *w, enum kind kind);
void adopt(struct worker *w, enum kind kind, void *pointer, entidb_status status);
void keep(struct worker *w, struct held *held);
void share(struct worker *w, struct held *held);
struct held *hold(enum kind kind, void *pointer);
void let_go(struct worker *w, struct held *held);
void discard(struct worker *w, enum kind kind);
void let_all_go(struct worker *w);
void let_shared_go(struct worker *w);
void free_handle(struct worker *w, enum kind kind, void *pointer);
void take_buffer(struct worker *w, entidb_buffer *buffer, entidb_status status, struct blob *keep);
entidb_buffer empty_buffer(void);
void check_error(struct worker *w, const entidb_error *error, entidb_status status);
void check_lent(struct worker *w, const entidb_bytes *lent, struct blob whole);
void *argument(struct worker *w, size_t len);
void release_arguments(struct worker *w);
void free_kept(struct worker *w);
int32_t ask(void *worker);
void fork_and_look(struct worker *w);

/* run_keys.c */
void leave_all_tokens(struct worker *w);

/* bytes.c */
/* What every encrypted database of a round that is given a key is opened with. */
extern const uint8_t database_key[32];
struct blob of(struct worker *w, const void *data, size_t len);
struct blob odd(struct worker *w, struct blob whole);
struct blob random_document(struct worker *w);
struct blob plain_document(struct worker *w);
struct blob random_name(struct worker *w);
struct blob random_query(struct worker *w);
struct blob random_patch(struct worker *w);
struct blob random_definition(struct worker *w);
struct blob random_value(struct worker *w);
struct blob random_key_range(struct worker *w);
struct blob random_options(struct worker *w);
struct blob random_place(struct worker *w);
struct blob random_path(struct worker *w);
struct blob random_frames(struct worker *w);
struct blob good_options(struct worker *w, int encrypted);
uint8_t *random_id(struct worker *w);
struct blob random_ids(struct worker *w, size_t *count);
uint64_t random_number(struct worker *w);
uint64_t random_sequence(struct worker *w);
uint64_t random_timeout(struct worker *w);
struct blob kept_or_odd(struct worker *w, struct blob *kept);

/* model.c: a collection only one worker changes, and what must be in it. */
struct model *model_new(struct worker *w, int on_disk);
void model_step(struct worker *w);
void model_end(struct worker *w);

/* What document values contain, and no message may. */
#define MARK "zqVALUEqz"
#define MARK_NUMBER 1311768465173141112ll
#define MARK_NUMBER_TEXT "1311768465173141112"

#define STATUS(function, ...)                                \
    ({                                                       \
        enter(w, F_##function);                              \
        entidb_status status_ = entidb_##function(__VA_ARGS__); \
        leave(w, status_);                                   \
        status_;                                             \
    })
#define PLAIN(function, ...)                 \
    ({                                       \
        enter(w, F_##function);              \
        __auto_type got_ = entidb_##function(__VA_ARGS__); \
        leave_void(w);                       \
        got_;                                \
    })
#define NOTHING(function, ...)          \
    do {                                \
        enter(w, F_##function);         \
        entidb_##function(__VA_ARGS__); \
        leave_void(w);                  \
    } while (0)

/* Makes a mistake on purpose. */
int plant(const char *name);

#endif
