/* The functions of transactions and of the change feed. */
#include "run.h"

void run_transaction_collection(struct worker *w) {
    struct blob name = random_name(w);
    GIVES_HANDLE(transaction_collection, entidb_collection, COLLECTION, pick(w, TRANSACTION), name.data, name.len);
}

void run_transaction_collections(struct worker *w) {
    GIVES_BYTES(transaction_collections, w->documents, pick(w, TRANSACTION));
}

void run_transaction_create_collection(struct worker *w) {
    struct blob name = random_name(w);
    GIVES_NOTHING(transaction_create_collection, pick(w, TRANSACTION), name.data, name.len);
}

void run_transaction_rename_collection(struct worker *w) {
    struct blob from = random_name(w), to = random_name(w);
    GIVES_NOTHING(transaction_rename_collection, pick(w, TRANSACTION), from.data, from.len, to.data, to.len);
}

void run_transaction_drop_collection(struct worker *w) {
    struct blob name = random_name(w);
    GIVES_NOTHING(transaction_drop_collection, pick(w, TRANSACTION), name.data, name.len);
}

void run_transaction_savepoint(struct worker *w) {
    uint64_t savepoint = 0, *out = place(w, &savepoint);
    entidb_error **error = error_place(w);
    if (STATUS(transaction_savepoint, pick(w, TRANSACTION), out, error) == ENTIDB_OK && out != NULL) w->savepoints[below(w, KEPT)] = savepoint;
}

void run_transaction_rollback_to(struct worker *w) {
    uint64_t savepoint = rarely(w, 6) ? random_number(w) : w->savepoints[below(w, KEPT)];
    GIVES_NOTHING(transaction_rollback_to, pick(w, TRANSACTION), savepoint);
}

void run_transaction_sequence(struct worker *w) {
    GIVES_NUMBER(transaction_sequence, uint64_t, pick(w, TRANSACTION));
}

void run_transaction_position(struct worker *w) {
    GIVES_BYTES(transaction_position, w->positions, pick(w, TRANSACTION));
}

void run_transaction_commit(struct worker *w) {
    uint64_t sequence = 0;
    uint32_t durability = rarely(w, 30) ? (uint32_t)next(w) : (uint32_t)below(w, 4);
    GIVES_NOTHING(transaction_commit, pick(w, TRANSACTION), durability, rarely(w, 3) ? NULL : &sequence);
}

void run_transaction_abort(struct worker *w) {
    GIVES_NOTHING(transaction_abort, pick(w, TRANSACTION));
}

void run_transaction_detach(struct worker *w) {
    GIVES_NOTHING(transaction_detach, pick(w, TRANSACTION));
}

void run_transaction_is_open(struct worker *w) {
    int32_t open = 77, *out = place(w, &open);
    entidb_error **error = error_place(w);
    entidb_status status = STATUS(transaction_is_open, pick(w, TRANSACTION), out, error);
    if (status == ENTIDB_OK && out != NULL && open != 0 && open != 1) found(w, "gave %d", open);
}

void run_transaction_free(struct worker *w) {
    discard(w, TRANSACTION);
    NOTHING(transaction_free, NULL);
}

void run_change_feed_next(struct worker *w) {
    GIVES_BYTES(change_feed_next, w->batches, pick(w, FEED), random_timeout(w));
}

void run_change_feed_unread(struct worker *w) {
    GIVES_NOTHING(change_feed_unread, pick(w, FEED));
}

void run_change_feed_with_before(struct worker *w) {
    GIVES_NOTHING(change_feed_with_before, pick(w, FEED));
}

/* How often any waker was called: each is called with this, which outlives every feed. */
static atomic_ullong woken;

static void wake(void *user_data) { atomic_fetch_add((atomic_ullong *)user_data, 1); }

void run_change_feed_set_waker(struct worker *w) {
    GIVES_NOTHING(change_feed_set_waker, pick(w, FEED), rarely(w, 4) ? NULL : wake, &woken);
}

void run_change_feed_position(struct worker *w) {
    GIVES_BYTES(change_feed_position, w->positions, pick(w, FEED));
}

void run_change_feed_close(struct worker *w) {
    if (rarely(w, 3)) GIVES_NOTHING(change_feed_close, pick(w, FEED));
}

void run_change_feed_free(struct worker *w) {
    discard(w, FEED);
    NOTHING(change_feed_free, NULL);
}

void run_change_batch_read(struct worker *w) {
    struct blob batch = kept_or_odd(w, w->batches);
    entidb_change_batch_head head, *out = place(w, &head);
    memset(&head, 0x5a, sizeof head);
    entidb_error **error = error_place(w);
    if (STATUS(change_batch_read, batch.data, batch.len, out, error) == ENTIDB_OK && out != NULL) check_lent(w, &head.position, batch);
}

void run_change_batch_next(struct worker *w) {
    struct blob batch = kept_or_odd(w, w->batches);
    size_t offset = rarely(w, 10) ? random_number(w) : 0;
    for (int steps = 0; steps < 40; steps++) {
        entidb_change change, *out = place(w, &change);
        size_t before = offset;
        memset(&change, 0x5a, sizeof change);
        entidb_error **error = error_place(w);
        entidb_status status = STATUS(change_batch_next, batch.data, batch.len, rarely(w, 100) ? NULL : &offset, out, error);
        if (status != ENTIDB_OK) {
            if (offset != before) found(w, "the offset moved with the status %d", status);
            break;
        }
        check_lent(w, &change.collection, batch);
        check_lent(w, &change.payload, batch);
        check_lent(w, &change.before, batch);
    }
}
