/* The functions of keys and of tokens that end calls.
 *
 * Always: the key that databases here are opened with keeps opening them, so that whoever opens one later can. A thread holds the
 * tokens it is in and leaves them before it ends. */
#include "run.h"

/* The key of all for 0, and others, which come and go. */
static const entidb_key *key_of(struct worker *w, uint64_t which) {
    entidb_key *key = argument(w, sizeof *key);
    uint8_t *bytes = argument(w, sizeof database_key);
    memcpy(bytes, database_key, sizeof database_key);
    bytes[31] = (uint8_t)which;
    *key = (entidb_key){bytes, rarely(w, 10) ? below(w, 33) : sizeof database_key, NULL, 0};
    return rarely(w, 30) ? NULL : key;
}

static const entidb_key *any_key(struct worker *w) {
    return key_of(w, below(w, 3));
}

static const entidb_key *passing_key(struct worker *w) {
    return key_of(w, 1 + below(w, 2));
}

void run_database_keys(struct worker *w) {
    GIVES_BYTES(database_keys, w->documents, pick(w, DATABASE));
}

void run_database_add_key(struct worker *w) {
    /* Seldom a key that is there anyway: there is room for eight. */
    GIVES_NOTHING(database_add_key, pick(w, DATABASE), any_key(w), rarely(w, 8) ? any_key(w) : passing_key(w));
}

void run_database_change_key(struct worker *w) {
    void *database = pick(w, DATABASE);
    if (rarely(w, 2)) GIVES_NOTHING(database_add_key, database, key_of(w, 0), key_of(w, 1));
    GIVES_NOTHING(database_change_key, database, passing_key(w), passing_key(w));
}

void run_database_remove_key(struct worker *w) {
    void *database = pick(w, DATABASE);
    if (rarely(w, 2)) GIVES_NOTHING(database_add_key, database, key_of(w, 0), key_of(w, 1));
    GIVES_NOTHING(database_remove_key, database, passing_key(w));
}

void run_database_rotate_key(struct worker *w) {
    if (rarely(w, 2)) GIVES_NOTHING(database_rotate_key, pick(w, DATABASE));
}

void run_database_rekey(struct worker *w) {
    if (rarely(w, 2)) GIVES_NUMBER(database_rekey, int32_t, pick(w, DATABASE));
}

void run_cancel_new(struct worker *w) {
    uint64_t timeout = rarely(w, 8) ? ENTIDB_DEFAULT : rarely(w, 2) ? ENTIDB_NO_LIMIT : below(w, 40);
    GIVES_HANDLE(cancel_new, entidb_cancel, CANCEL, timeout);
}

void run_cancel_cancel(struct worker *w) {
    NOTHING(cancel_cancel, pick(w, CANCEL));
}

void run_cancel_check(struct worker *w) {
    GIVES_NOTHING(cancel_check, pick(w, CANCEL));
}

/* A free place in the list of entered tokens, or NULL. */
static struct held **free_place(struct worker *w) {
    for (int i = 0; i < ENTERED; i++)
        if (w->entered[i] == NULL) return &w->entered[i];
    return NULL;
}

void run_cancel_enter(struct worker *w) {
    struct held **at = free_place(w), *token = pick_held(w, CANCEL);
    if (at == NULL || token == NULL) {
        GIVES_NOTHING(cancel_enter, NULL);
        return;
    }
    atomic_fetch_add(&token->hands, 1);
    entidb_error **error = error_place(w);
    if (STATUS(cancel_enter, token->pointer, error) == ENTIDB_OK) *at = token;
    else let_go(w, token);
}

static void leave_one(struct worker *w, struct held **at) {
    struct held *token = *at;
    *at = NULL;
    entidb_error **error = error_place(w);
    if (STATUS(cancel_leave, token->pointer, error) != ENTIDB_OK) found(w, "a token that was entered cannot be left");
    let_go(w, token);
}

void run_cancel_leave(struct worker *w) {
    for (int i = 0; i < ENTERED; i++)
        if (w->entered[i] != NULL) {
            leave_one(w, &w->entered[i]);
            return;
        }
    GIVES_NOTHING(cancel_leave, pick(w, CANCEL));
}

void leave_all_tokens(struct worker *w) {
    for (int i = 0; i < ENTERED; i++)
        if (w->entered[i] != NULL) leave_one(w, &w->entered[i]);
}

void run_cancel_free(struct worker *w) {
    discard(w, CANCEL);
    NOTHING(cancel_free, NULL);
}
