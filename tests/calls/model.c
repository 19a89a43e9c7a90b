/* A collection that one worker changes, and what must be in it whatever else happens to its database.
 *
 * Always: what was acknowledged is there, what was refused is not, and a get, a count and a query say the same. Other workers have the
 * database too: they fill other collections of it, close it, check it, compact it, and end their own calls.
 * Does not know: how a commit is kept; a database on disk is opened anew, and must hold what it held. */
#include "calls.h"

#define ENTITIES 48

struct model {
    struct held *database;
    int on_disk;
    /* The number in each entity's document; 0 for none. */
    int64_t numbers[ENTITIES];
    int64_t last;
};

struct model *model_new(struct worker *w, int on_disk) {
    (void)w;
    struct model *model = calloc(1, sizeof *model);
    if (model == NULL) abort();
    model->on_disk = on_disk;
    return model;
}

static void id_of(int index, uint8_t *id) {
    memset(id, 0xe0, 16);
    id[15] = (uint8_t)index;
}

/* {"n": number} */
static struct blob document_of(struct worker *w, int64_t number) {
    uint8_t bytes[12] = {0xa1, 0x61, 'n', 0x1b};
    for (int i = 0; i < 8; i++) bytes[4 + i] = (uint8_t)((uint64_t)number >> (8 * (7 - i)));
    return of(w, bytes, sizeof bytes);
}

/* Numbers whose head has eight bytes. */
static int64_t next_number(struct model *model) {
    return ++model->last + (1ll << 40);
}

static uint64_t count_of(const int64_t *numbers) {
    uint64_t count = 0;
    for (int i = 0; i < ENTITIES; i++) count += numbers[i] != 0;
    return count;
}

static void check_one(struct worker *w, void *collection, const int64_t *numbers, int index) {
    uint8_t id[16];
    entidb_value *value = NULL;
    id_of(index, id);
    entidb_error **error = error_place(w);
    entidb_status status = STATUS(collection_get, collection, id, &value, error);
    if (status == ENTIDB_OK) {
        entidb_bytes bytes = {0};
        entidb_item item = {0};
        entidb_value_bytes(value, &bytes);
        (void)entidb_document_lookup(bytes.data, bytes.len, (const uint8_t *)"n", 1, &item, NULL);
        if (item.number != numbers[index]) found(w, "WRONG ANSWER: entity %d has %lld, not %lld", index, (long long)item.number, (long long)numbers[index]);
        entidb_value_free(value);
    } else if (status == ENTIDB_NOT_FOUND && numbers[index] != 0) {
        found(w, "WRONG ANSWER: entity %d is gone, which was %lld", index, (long long)numbers[index]);
    }
}

static void check_count(struct worker *w, void *collection, const int64_t *numbers) {
    uint64_t count = 0, wanted = count_of(numbers);
    entidb_error **error = error_place(w);
    entidb_status status = STATUS(collection_count, collection, &count, error);
    if (status == ENTIDB_OK && count != wanted) found(w, "WRONG ANSWER: %llu entities are counted, not %llu", (unsigned long long)count, (unsigned long long)wanted);
    error = error_place(w);
    struct blob all = of(w, "\xa1\x61v\x01", 4);
    status = STATUS(collection_find_count, collection, all.data, all.len, &count, error);
    if (status == ENTIDB_OK && count != wanted) found(w, "WRONG ANSWER: %llu entities are found, not %llu", (unsigned long long)count, (unsigned long long)wanted);
}

/* One change of one entity, by any way there is; what was acknowledged is written down. */
static void change_one(struct worker *w, struct model *model, void *collection, int64_t *numbers) {
    int index = (int)below(w, ENTITIES);
    uint8_t id[16];
    id_of(index, id);
    int64_t number = next_number(model);
    struct blob document = document_of(w, number);
    entidb_error **error = error_place(w);
    entidb_status status;
    uint64_t deleted = 0;
    switch (below(w, 7)) {
    case 6: {
        /* Only this worker changes it, so the version that was read is the version. */
        entidb_value *value = NULL;
        status = STATUS(collection_get, collection, id, &value, error);
        if (status != ENTIDB_OK) return;
        uint64_t version = entidb_value_version(value) + (uint64_t)(rarely(w, 3) ? 1 : 0), right = entidb_value_version(value);
        entidb_value_free(value);
        error = error_place(w);
        status = STATUS(collection_delete_version, collection, id, version, error);
        if (status == ENTIDB_OK && version != right) found(w, "WRONG ANSWER: entity %d is deleted by another version", index);
        if (status == ENTIDB_ERROR_VERSION_MISMATCH && version == right) found(w, "WRONG ANSWER: entity %d has another version than a get gave", index);
        if (status == ENTIDB_OK) numbers[index] = 0;
        break;
    }
    case 0:
        status = STATUS(collection_delete, collection, id, error);
        if (status == ENTIDB_OK && numbers[index] == 0) found(w, "WRONG ANSWER: entity %d is deleted that was not there", index);
        if (status == ENTIDB_NOT_FOUND && numbers[index] != 0) found(w, "WRONG ANSWER: entity %d is not found, which was there", index);
        if (status == ENTIDB_OK) numbers[index] = 0;
        break;
    case 1:
        status = STATUS(collection_delete_many, collection, id, 1, &deleted, error);
        if (status == ENTIDB_OK && deleted != (numbers[index] != 0)) found(w, "WRONG ANSWER: %d deletes of entity %d", (int)deleted, index);
        if (status == ENTIDB_OK) numbers[index] = 0;
        break;
    case 2:
        status = STATUS(collection_put, collection, id, document.data, document.len, ENTIDB_INSERT, 0, NULL, error);
        if (status == ENTIDB_OK && numbers[index] != 0) found(w, "WRONG ANSWER: entity %d is inserted, which was there", index);
        if (status == ENTIDB_ERROR_ALREADY_EXISTS && numbers[index] == 0) found(w, "WRONG ANSWER: entity %d is there already, which was not", index);
        if (status == ENTIDB_OK) numbers[index] = number;
        break;
    case 3: {
        /* [[0, ["n"], number]] */
        uint8_t bytes[16] = {0x81, 0x83, 0x00, 0x81, 0x61, 'n', 0x1b};
        memcpy(bytes + 7, document.data + 4, 8);
        struct blob patch = of(w, bytes, 15);
        status = STATUS(collection_update, collection, id, patch.data, patch.len, error);
        if (status == ENTIDB_OK && numbers[index] == 0) found(w, "WRONG ANSWER: entity %d is updated, which was not there", index);
        if (status == ENTIDB_OK) numbers[index] = number;
        break;
    }
    default:
        status = STATUS(collection_put, collection, id, document.data, document.len, ENTIDB_PUT, 0, NULL, error);
        if (status == ENTIDB_OK) numbers[index] = number;
    }
}

/* Changes, marks, steps back and a commit or an abort. */
static void transact(struct worker *w, struct model *model) {
    int64_t numbers[ENTITIES], marked[ENTITIES];
    entidb_transaction *transaction = NULL;
    entidb_collection *collection = NULL;
    uint64_t savepoint = 0;
    int has_mark = 0;
    memcpy(numbers, model->numbers, sizeof numbers);
    entidb_error **error = error_place(w);
    if (STATUS(database_begin_write, model->database->pointer, 2, &transaction, error) != ENTIDB_OK) return;
    error = error_place(w);
    if (STATUS(transaction_collection, transaction, (const uint8_t *)"model", 5, &collection, error) == ENTIDB_OK) {
        for (uint64_t changes = below(w, 6); changes > 0; changes--) {
            change_one(w, model, collection, numbers);
            if (rarely(w, 4)) {
                error = error_place(w);
                if (STATUS(transaction_savepoint, transaction, &savepoint, error) == ENTIDB_OK) {
                    memcpy(marked, numbers, sizeof marked);
                    has_mark = 1;
                }
            }
            if (has_mark && rarely(w, 4)) {
                error = error_place(w);
                if (STATUS(transaction_rollback_to, transaction, savepoint, error) == ENTIDB_OK) memcpy(numbers, marked, sizeof numbers);
            }
            if (rarely(w, 3)) check_one(w, collection, numbers, (int)below(w, ENTITIES));
        }
        check_count(w, collection, numbers);
    }
    if (chance(w, 70)) {
        error = error_place(w);
        entidb_status status = STATUS(transaction_commit, transaction, (uint32_t)below(w, 4), NULL, error);
        if (status == ENTIDB_OK) memcpy(model->numbers, numbers, sizeof numbers);
    } else if (chance(w, 50)) {
        error = error_place(w);
        (void)STATUS(transaction_abort, transaction, error);
    }
    NOTHING(collection_free, collection);
    NOTHING(transaction_free, transaction);
}

static void open_database(struct worker *w, struct model *model) {
    entidb_database *database = NULL;
    struct blob options = good_options(w, 0);
    entidb_error **error = error_place(w);
    entidb_status status;
    if (model->on_disk) {
        status = STATUS(database_open, (const uint8_t *)"model", 5, options.data, options.len, &database, error);
    } else {
        status = STATUS(database_open_memory, options.data, options.len, &database, error);
        if (status == ENTIDB_OK) memset(model->numbers, 0, sizeof model->numbers);
    }
    if (status != ENTIDB_OK) return;
    model->database = hold(DATABASE, database);
    share(w, model->database);
}

static void *model_collection(struct worker *w, struct model *model) {
    entidb_collection *collection = NULL;
    entidb_error **error = error_place(w);
    entidb_status status = STATUS(database_collection, model->database->pointer, (const uint8_t *)"model", 5, &collection, error);
    return status == ENTIDB_OK ? collection : NULL;
}

static void check_all(struct worker *w, struct model *model) {
    void *collection = model_collection(w, model);
    if (collection == NULL) return;
    for (int i = 0; i < ENTITIES; i++) check_one(w, collection, model->numbers, i);
    check_count(w, collection, model->numbers);
    NOTHING(collection_free, collection);
}

void model_step(struct worker *w) {
    struct model *model = w->model;
    if (model->database == NULL) {
        open_database(w, model);
        if (model->database != NULL) check_all(w, model);
        return;
    }
    int32_t closed = 0;
    entidb_error **error = error_place(w);
    if (STATUS(database_is_closed, model->database->pointer, &closed, error) != ENTIDB_OK) found(w, "does not say whether it is closed");
    if (closed == 1) {
        let_go(w, model->database);
        model->database = NULL;
        return;
    }
    if (rarely(w, 3)) {
        transact(w, model);
        return;
    }
    void *collection = model_collection(w, model);
    if (collection == NULL) return;
    for (uint64_t changes = below(w, 4); changes > 0; changes--) change_one(w, model, collection, model->numbers);
    check_one(w, collection, model->numbers, (int)below(w, ENTITIES));
    check_count(w, collection, model->numbers);
    NOTHING(collection_free, collection);
}

/* When all handles are gone: what was acknowledged is there at the next opening. */
void model_end(struct worker *w) {
    struct model *model = w->model;
    let_go(w, model->database);
    model->database = NULL;
    if (model->on_disk) {
        for (int tries = 0; tries < 3 && model->database == NULL; tries++) open_database(w, model);
        if (model->database == NULL) {
            found(w, "the database of the model cannot be opened when every handle is freed");
        } else {
            check_all(w, model);
            entidb_error **error = error_place(w);
            if (rarely(w, 2)) (void)STATUS(database_close, model->database->pointer, error);
            else w->has_error_place = 0, w->error = NULL;
        }
    }
    let_go(w, model->database);
    let_shared_go(w);
    free(model);
    w->model = NULL;
}
