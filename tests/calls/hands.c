/* The handles that live, who holds them, and what is judged of every call.
 *
 * Always: a handle is freed once, by the last worker that holds it, so that no call of another runs on it then. A worker makes many
 * calls with what is in its hand and seldom takes from the shared shelf, whose lock would hide races of the library. */
#include "calls.h"
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#define SHELF 6

static pthread_mutex_t shelf_lock = PTHREAD_MUTEX_INITIALIZER;
static struct held *shelf[KIND_COUNT][SHELF];

void *poison(void) {
    return (void *)(uintptr_t)0x5a5a5a5a5a5a5a58ull;
}

struct held *hold(enum kind kind, void *pointer) {
    struct held *held = malloc(sizeof *held);
    if (held == NULL) abort();
    held->kind = kind;
    held->pointer = pointer;
    atomic_init(&held->hands, 1);
    return held;
}

void free_handle(struct worker *w, enum kind kind, void *pointer) {
    switch (kind) {
    case DATABASE: NOTHING(database_free, pointer); break;
    case COLLECTION: NOTHING(collection_free, pointer); break;
    case TRANSACTION: NOTHING(transaction_free, pointer); break;
    case CURSOR: NOTHING(cursor_free, pointer); break;
    case FEED: NOTHING(change_feed_free, pointer); break;
    case ENCODER: NOTHING(encoder_free, pointer); break;
    case OPTIONS: NOTHING(options_free, pointer); break;
    case VALUE: NOTHING(value_free, pointer); break;
    case ERROR: NOTHING(error_free, pointer); break;
    case CANCEL: NOTHING(cancel_free, pointer); break;
    case KIND_COUNT: break;
    }
}

void let_go(struct worker *w, struct held *held) {
    if (held == NULL || atomic_fetch_sub(&held->hands, 1) != 1) return;
    /* It may happen while the arguments of another call are chosen. */
    int before = atomic_load_explicit(&w->running, memory_order_relaxed);
    free_handle(w, held->kind, held->pointer);
    free(held);
    atomic_store_explicit(&w->running, before, memory_order_relaxed);
}

/* Puts a handle on the shelf, from where every worker may take it, instead of another. */
void share(struct worker *w, struct held *held) {
    atomic_fetch_add(&held->hands, 1);
    struct held **at = &shelf[held->kind][below(w, SHELF)];
    pthread_mutex_lock(&shelf_lock);
    struct held *before = *at;
    *at = held;
    pthread_mutex_unlock(&shelf_lock);
    let_go(w, before);
}

/* Puts a handle into the hand. The one it replaces is freed when the step is over: a step may have chosen it already. */
void keep(struct worker *w, struct held *held) {
    struct held **at = &w->hand[held->kind][below(w, HAND)];
    if (*at != NULL) {
        if (w->replaced_count >= (int)(sizeof w->replaced / sizeof *w->replaced)) abort();
        w->replaced[w->replaced_count++] = *at;
    }
    *at = held;
}

static void take(struct worker *w, enum kind kind) {
    struct held **at = &shelf[kind][below(w, SHELF)];
    pthread_mutex_lock(&shelf_lock);
    struct held *taken = *at;
    if (taken != NULL) atomic_fetch_add(&taken->hands, 1);
    pthread_mutex_unlock(&shelf_lock);
    if (taken != NULL) keep(w, taken);
}

/* Gives up a handle of a kind, on the shelf too, so that it is freed as soon as nobody else has it. */
void discard(struct worker *w, enum kind kind) {
    struct held **mine = &w->hand[kind][below(w, HAND)];
    struct held *held = *mine;
    *mine = NULL;
    if (held == NULL) return;
    int found_there = 0;
    pthread_mutex_lock(&shelf_lock);
    for (int i = 0; i < SHELF; i++)
        if (shelf[kind][i] == held) {
            shelf[kind][i] = NULL;
            found_there++;
        }
    pthread_mutex_unlock(&shelf_lock);
    while (found_there-- > 0) let_go(w, held);
    let_go(w, held);
}

void let_all_go(struct worker *w) {
    for (int kind = 0; kind < KIND_COUNT; kind++)
        for (int i = 0; i < HAND; i++) {
            let_go(w, w->hand[kind][i]);
            w->hand[kind][i] = NULL;
        }
}

void let_shared_go(struct worker *w) {
    for (int kind = 0; kind < KIND_COUNT; kind++)
        for (int i = 0; i < SHELF; i++) {
            let_go(w, shelf[kind][i]);
            shelf[kind][i] = NULL;
        }
}

struct held *pick_held(struct worker *w, enum kind kind) {
    if (rarely(w, 24)) take(w, kind);
    for (int tries = 0; tries < 6; tries++) {
        struct held *held = w->hand[kind][below(w, HAND)];
        if (held != NULL) return held;
    }
    take(w, kind);
    for (int i = 0; i < HAND; i++)
        if (w->hand[kind][i] != NULL) return w->hand[kind][i];
    return NULL;
}

/* A handle to call with: seldom none, or one of another kind, which the library has to see. */
void *pick(struct worker *w, enum kind kind) {
    if (rarely(w, 150)) return NULL;
    if (rarely(w, 150)) kind = (enum kind)below(w, KIND_COUNT);
    struct held *held = pick_held(w, kind);
    return held == NULL ? NULL : held->pointer;
}

/* A sequence to read as of: mostly one of the newest of a database that is held, whichever it is. Asking for it is not counted. */
uint64_t random_sequence(struct worker *w) {
    uint64_t newest = 0;
    struct held *held = chance(w, 80) ? pick_held(w, DATABASE) : NULL;
    if (held == NULL || entidb_database_last_sequence(held->pointer, &newest, NULL) != ENTIDB_OK || newest == 0)
        return random_number(w);
    return newest - below(w, newest < 12 ? newest : 12);
}

void enter(struct worker *w, enum function function) {
    w->calls++;
    atomic_fetch_add_explicit(&table[function].calls, 1, memory_order_relaxed);
    atomic_store_explicit(&w->running, (int)function, memory_order_relaxed);
    atomic_fetch_add_explicit(&w->progress, 1, memory_order_relaxed);
    if (w->armed) clock_gettime(CLOCK_MONOTONIC, &w->began);
}

static struct entry *running(struct worker *w) {
    return &table[atomic_load_explicit(&w->running, memory_order_relaxed)];
}

void leave_void(struct worker *w) {
    atomic_fetch_add_explicit(&running(w)->successes, 1, memory_order_relaxed);
}

entidb_error **error_place(struct worker *w) {
    w->error = poison();
    w->has_error_place = !rarely(w, 20);
    return w->has_error_place ? &w->error : NULL;
}

static int is_text(const char *text) {
    for (const unsigned char *at = (const unsigned char *)text; *at != 0;) {
        int more = *at < 0x80 ? 0 : *at >= 0xc2 && *at < 0xe0 ? 1 : *at >= 0xe0 && *at < 0xf0 ? 2 : *at >= 0xf0 && *at < 0xf5 ? 3 : -1;
        if (more < 0) return 0;
        for (at++; more > 0; more--, at++)
            if ((*at & 0xc0) != 0x80) return 0;
    }
    return 1;
}

/* What an error must be, looked at without counting: these calls are beside the one that is judged. */
void check_error(struct worker *w, const entidb_error *error, entidb_status status) {
    if (entidb_error_code(error) != status) found(w, "the error has the code %d, the call gave %d", entidb_error_code(error), status);
    const char *message = entidb_error_message(error);
    if (message == NULL || *message == 0) {
        found(w, "code %d has no message", status);
        return;
    }
    if (!is_text(message)) found(w, "the message of code %d is not UTF-8", status);
    if (strstr(message, MARK) != NULL || strstr(message, MARK_NUMBER_TEXT) != NULL)
        found(w, "a message shows a value of a document: %.300s", message);
    /* A path is shown whole, and some here are as long as the system allows. */
    if (strlen(message) > 8000) found(w, "the message of code %d has %zu bytes: %.200s", status, strlen(message), message);
    const char *path = entidb_error_path(error), *collection = entidb_error_collection(error), *index = entidb_error_index(error);
    if ((path != NULL && !is_text(path)) || (collection != NULL && !is_text(collection)) || (index != NULL && !is_text(index)))
        found(w, "the path, collection or index of code %d is not UTF-8", status);
    const uint8_t *id = entidb_error_id(error);
    uint8_t copy[16];
    if (id != NULL) memcpy(copy, id, 16);
    if (entidb_error_offset(error) < -1) found(w, "the offset of code %d is %lld", status, (long long)entidb_error_offset(error));
    (void)entidb_error_os_code(error);
    size_t name = 0, hint = 0;
    (void)entidb_code_name(status, &name);
    (void)entidb_code_hint(status, &hint);
    if (name == 0 || hint == 0) found(w, "code %d has no name or no hint", status);
}

/* Judges the answer of a call that reports. */
void leave(struct worker *w, entidb_status status) {
    struct entry *entry = running(w);
    if (status == ENTIDB_OK) atomic_fetch_add_explicit(&entry->successes, 1, memory_order_relaxed);
    int named = status >= 0 && status < 1024 && (entry->codes[status / 64] >> (status % 64) & 1);
    int damaged = status == ENTIDB_ERROR_PANIC || status == ENTIDB_ERROR_INTERNAL || status == ENTIDB_ERROR_CORRUPT ||
                  status == ENTIDB_ERROR_TAMPERED || status == ENTIDB_ERROR_FORKED || status == ENTIDB_ERROR_COMMIT_UNKNOWN ||
                  status == ENTIDB_ERROR_WRITES_STOPPED;
    const char *message = "";
    if (status >= 100 && w->error != NULL && w->error != poison()) message = entidb_error_message(w->error);
    if (damaged) {
        const char *path = *message != 0 ? entidb_error_path(w->error) : NULL;
        found(w, "gave %d, which nothing here may bring about: %.300s (%.80s)", status, message, path == NULL ? "no path" : path);
    }
    if (!named && status >= 0 && status < 1024) {
        static atomic_ullong told[FUNCTION_COUNT][16];
        unsigned long long bit = 1ull << (status % 64), before = atomic_fetch_or(&told[entry - table][status / 64], bit);
        if (before & bit) atomic_fetch_add(&findings, 1);
        else found(w, "gave %d, which the header does not name: %.300s", status, message);
    } else if (!named) {
        found(w, "gave the status %d", status);
    }
    if (w->error == NULL && !w->has_error_place) return;
    if (w->has_error_place) {
        w->has_error_place = 0;
        entidb_error *error = w->error;
        w->error = NULL;
        if (error == poison()) {
            found(w, "left the place for its error as it was (status %d)", status);
            return;
        }
        if (status < 100) {
            if (error != NULL) found(w, "gave an error with the status %d", status);
            return;
        }
        if (error == NULL) {
            found(w, "gave %d without an error", status);
            return;
        }
        check_error(w, error, status);
        if (rarely(w, 20)) {
            keep(w, hold(ERROR, error));
            return;
        }
        entidb_error_free(error);
    }
    w->error = NULL;
}

/* Takes a handle a call gave. Its place held what must not stay. */
void adopt(struct worker *w, enum kind kind, void *pointer, entidb_status status) {
    if (pointer == poison()) {
        /* The place itself was not given. */
        if (status == ENTIDB_OK) found(w, "success without a place for the handle");
        return;
    }
    if (status != ENTIDB_OK) {
        if (pointer != NULL) found(w, "a handle with the status %d", status);
        return;
    }
    if (pointer == NULL) {
        found(w, "no handle with success");
        return;
    }
    struct held *held = hold(kind, pointer);
    if (chance(w, kind == DATABASE ? 70 : 25)) share(w, held);
    keep(w, held);
}

entidb_buffer empty_buffer(void) {
    return (entidb_buffer){poison(), SIZE_MAX, 3};
}

/* Takes a buffer a call gave: reads every byte of it, keeps a copy if wanted, and frees it. */
void take_buffer(struct worker *w, entidb_buffer *buffer, entidb_status status, struct blob *kept) {
    if (buffer->data == poison()) {
        if (status == ENTIDB_OK) found(w, "success without a place for the bytes");
        return;
    }
    if (status != ENTIDB_OK && (buffer->data != NULL || buffer->len != 0 || buffer->capacity != 0)) {
        found(w, "bytes with the status %d", status);
        return;
    }
    if (buffer->len > buffer->capacity || (buffer->data == NULL && buffer->len > 0)) found(w, "a buffer longer than it is");
    unsigned sum = 0;
    for (size_t i = 0; i < buffer->len; i++) sum += buffer->data[i];
    if (sum == 0xffffffffu) found(w, "unlikely");
    if (kept != NULL && status == ENTIDB_OK) {
        struct blob *at = &kept[below(w, KEPT)];
        free(at->data);
        at->data = malloc(buffer->len + (buffer->len == 0));
        at->len = buffer->len;
        if (at->data == NULL) abort();
        if (buffer->len > 0) memcpy(at->data, buffer->data, buffer->len);
    }
    NOTHING(buffer_free, buffer);
    if (buffer->data != NULL || buffer->len != 0) found(w, "a freed buffer is not empty");
    if (rarely(w, 16)) NOTHING(buffer_free, buffer);
}

/* Bytes lent by the library out of the caller's own must be inside these. */
void check_lent(struct worker *w, const entidb_bytes *lent, struct blob whole) {
    if (lent->len == 0) return;
    if (lent->data < whole.data || lent->data + lent->len > whole.data + whole.len)
        found(w, "lent %zu bytes that are not of the %zu given", lent->len, whole.len);
}

/* The place for a result, seldom none. */
void *place(struct worker *w, void *real) {
    return rarely(w, 100) ? NULL : real;
}

void *argument(struct worker *w, size_t len) {
    void *memory = malloc(len == 0 ? 1 : len);
    if (memory == NULL || w->argument_count >= (int)(sizeof w->arguments / sizeof *w->arguments)) abort();
    w->arguments[w->argument_count++] = memory;
    return memory;
}

void release_arguments(struct worker *w) {
    while (w->replaced_count > 0) let_go(w, w->replaced[--w->replaced_count]);
    while (w->argument_count > 0) free(w->arguments[--w->argument_count]);
}

void free_kept(struct worker *w) {
    struct blob *all[] = {w->batches, w->positions, w->tokens, w->documents};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        for (int j = 0; j < KEPT; j++) free(all[i][j].data);
}

/* Ends the call that runs when its count is over or it took long. */
int32_t ask(void *worker) {
    struct worker *w = worker;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    long ms = (now.tv_sec - w->began.tv_sec) * 1000 + (now.tv_nsec - w->began.tv_nsec) / 1000000;
    if (--w->countdown > 0 && ms < 30) return 0;
    w->countdown = 1 + (int)below(w, 60);
    return w->countdown & 1 ? 1 : INT32_MIN;
}

/* What a child of a fork may do: it is told FORKED, reads what is memory alone, and frees what it holds. */
static int look_from_child(struct worker *w) {
    uint64_t number = 0;
    for (int kind = 0; kind < KIND_COUNT; kind++)
        for (int i = 0; i < HAND; i++) {
            struct held *held = w->hand[kind][i];
            if (held == NULL) continue;
            void *pointer = held->pointer;
            int seen_before = 0;
            for (int j = 0; j < i; j++) seen_before |= w->hand[kind][j] == held;
            if (seen_before) continue;
            entidb_error *error = NULL;
            entidb_value *value = NULL;
            entidb_buffer buffer = {0};
            entidb_status status = ENTIDB_ERROR_FORKED;
            switch (held->kind) {
            case DATABASE: status = entidb_database_close_now(pointer, &error); break;
            case COLLECTION: status = entidb_collection_count(pointer, &number, &error); break;
            case TRANSACTION: status = entidb_transaction_sequence(pointer, &number, &error); break;
            case CURSOR: status = entidb_cursor_next(pointer, &value, &error); break;
            case FEED: status = entidb_change_feed_next(pointer, 0, &buffer, &error); break;
            case ENCODER: status = entidb_encoder_finish(pointer, &buffer, &error); break;
            case OPTIONS: status = entidb_options_encode(pointer, &buffer, &error); break;
            case VALUE: {
                entidb_bytes bytes = {0};
                entidb_value_bytes(pointer, &bytes);
                if (bytes.len == 0 || entidb_value_id(pointer) == NULL) return 10;
                break;
            }
            case ERROR:
                if (entidb_error_code(pointer) < 100 || *entidb_error_message(pointer) == 0) return 11;
                break;
            case CANCEL:
            case KIND_COUNT: break;
            }
            if (status != ENTIDB_ERROR_FORKED) return 20 + kind;
            if (error != NULL && entidb_error_code(error) != ENTIDB_ERROR_FORKED) return 12;
            entidb_error_free(error);
            free_handle(w, held->kind, pointer);
        }
    return 0;
}

void fork_and_look(struct worker *w) {
    fflush(stdout);
    pid_t child = fork();
    if (child < 0) return;
    if (child == 0) _exit(look_from_child(w));
    int status = 0;
    waitpid(child, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) found(w, "a child of a fork ended with %x", (unsigned)status);
}
