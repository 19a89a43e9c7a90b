/* What calls cost through the C ABI: one line `name nanoseconds` for each, to be read by the program that measures the same
 * calls from Rust (src/bin/boundary).
 *
 * Always: the same documents, the same order of ids. Processor time of this thread, the least of the rounds. */
#include <entidb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TEXT(text) (const uint8_t *)(text), strlen(text)
#define DOCUMENTS 50000u
#define GROUPS (DOCUMENTS / 100u)
#define CALLS 200000u
#define ROUNDS 5

static entidb_database *db;
static entidb_collection *notes;

static void must(entidb_status status, const char *what) {
    if (status != ENTIDB_OK) {
        fprintf(stderr, "%s failed with %d\n", what, (int)status);
        exit(1);
    }
}

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static uint64_t mix(uint64_t number) {
    uint64_t z = number + 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Ids in the order of numbers, big-endian. */
static void id_of(uint64_t number, uint8_t id[16]) {
    memset(id, 0, 16);
    for (int place = 0; place < 8; place++) id[place] = (uint8_t)(number >> (56 - 8 * place));
}

static entidb_buffer document(uint64_t number) {
    entidb_encoder *encoder = NULL;
    entidb_buffer out = {0};
    must(entidb_encoder_new(&encoder, NULL), "encoder");
    entidb_encoder_begin_map(encoder, 3);
    entidb_encoder_key(encoder, TEXT("g"));
    entidb_encoder_int(encoder, (int64_t)(number % GROUPS));
    entidb_encoder_key(encoder, TEXT("n"));
    entidb_encoder_int(encoder, (int64_t)number);
    entidb_encoder_key(encoder, TEXT("t"));
    entidb_encoder_text(encoder, TEXT("a text of some length, as documents have them, a hundred bytes or so, more or less, in one field"));
    entidb_encoder_end(encoder);
    must(entidb_encoder_finish(encoder, &out, NULL), "document");
    entidb_encoder_free(encoder);
    return out;
}

/* {"v": 1, "filter": ["eq", ["g"], group]} */
static entidb_buffer of_group(uint64_t group) {
    entidb_encoder *encoder = NULL;
    entidb_buffer out = {0};
    must(entidb_encoder_new(&encoder, NULL), "encoder");
    entidb_encoder_begin_map(encoder, 2);
    entidb_encoder_key(encoder, TEXT("v"));
    entidb_encoder_int(encoder, 1);
    entidb_encoder_key(encoder, TEXT("filter"));
    entidb_encoder_begin_array(encoder, 3);
    entidb_encoder_text(encoder, TEXT("eq"));
    entidb_encoder_begin_array(encoder, 1);
    entidb_encoder_text(encoder, TEXT("g"));
    entidb_encoder_end(encoder);
    entidb_encoder_int(encoder, (int64_t)group);
    entidb_encoder_end(encoder);
    entidb_encoder_end(encoder);
    must(entidb_encoder_finish(encoder, &out, NULL), "query");
    entidb_encoder_free(encoder);
    return out;
}

static uint64_t get(uint64_t round) {
    uint64_t bytes = 0;
    for (uint64_t call = 0; call < CALLS; call++) {
        uint8_t id[16];
        entidb_value *value = NULL;
        entidb_bytes document;
        id_of(mix(round * CALLS + call) % DOCUMENTS, id);
        must(entidb_collection_get(notes, id, &value, NULL), "get");
        entidb_value_bytes(value, &document);
        bytes += document.len;
        entidb_value_free(value);
    }
    return bytes > 0 ? CALLS : 0;
}

static uint64_t absent(uint64_t round) {
    for (uint64_t call = 0; call < CALLS; call++) {
        uint8_t id[16];
        entidb_value *value = NULL;
        id_of(DOCUMENTS + mix(round * CALLS + call) % DOCUMENTS, id);
        if (entidb_collection_get(notes, id, &value, NULL) != ENTIDB_NOT_FOUND) exit(1);
    }
    return CALLS;
}

static uint64_t exists(uint64_t round) {
    for (uint64_t call = 0; call < CALLS; call++) {
        uint8_t id[16];
        int32_t there = 0;
        id_of(mix(round * CALLS + call) % DOCUMENTS, id);
        must(entidb_collection_exists(notes, id, &there, NULL), "exists");
        if (!there) exit(1);
    }
    return CALLS;
}

static uint64_t count(uint64_t round) {
    (void)round;
    for (uint64_t call = 0; call < CALLS; call++) {
        uint64_t found = 0;
        must(entidb_collection_count(notes, &found, NULL), "count");
        if (found != DOCUMENTS) exit(1);
    }
    return CALLS;
}

static uint64_t put(uint64_t round) {
    enum { PUTS = 20000 };
    entidb_transaction *tx = NULL;
    entidb_collection *within = NULL;
    entidb_buffer bytes = document(7);
    must(entidb_database_begin_write(db, 0, &tx, NULL), "begin");
    must(entidb_transaction_collection(tx, TEXT("notes"), &within, NULL), "collection");
    for (uint64_t call = 0; call < PUTS; call++) {
        uint8_t id[16];
        id_of(mix(round * PUTS + call) % DOCUMENTS, id);
        must(entidb_collection_put(within, id, bytes.data, bytes.len, ENTIDB_PUT, 0, NULL, NULL), "put");
    }
    must(entidb_transaction_abort(tx, NULL), "abort");
    entidb_collection_free(within);
    entidb_transaction_free(tx);
    entidb_buffer_free(&bytes);
    return PUTS;
}

static uint64_t find(uint64_t round) {
    enum { FINDS = 1000 };
    for (uint64_t call = 0; call < FINDS; call++) {
        entidb_buffer query = of_group(mix(round * FINDS + call) % GROUPS), frames = {0};
        entidb_cursor *cursor = NULL;
        must(entidb_collection_find(notes, query.data, query.len, &cursor, NULL), "find");
        must(entidb_cursor_next_batch(cursor, 1000, 1 << 20, &frames, NULL), "batch");
        entidb_buffer_free(&frames);
        entidb_cursor_free(cursor);
        entidb_buffer_free(&query);
    }
    return FINDS;
}

static uint64_t scan(uint64_t round) {
    entidb_cursor *cursor = NULL;
    uint64_t found = 0;
    (void)round;
    must(entidb_collection_scan(notes, NULL, 0, ENTIDB_NO_LIMIT, &cursor, NULL), "scan");
    for (;;) {
        entidb_value *value = NULL;
        entidb_status status = entidb_cursor_next(cursor, &value, NULL);
        if (status == ENTIDB_END) break;
        must(status, "next");
        found++;
        entidb_value_free(value);
    }
    entidb_cursor_free(cursor);
    return found;
}

static void measure(const char *name, uint64_t (*run)(uint64_t)) {
    double least = 0;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        uint64_t start = now();
        uint64_t calls = run(round);
        double each = (double)(now() - start) / (double)calls;
        if (round == 0 || each < least) least = each;
    }
    printf("%s %.1f\n", name, least);
}

int main(void) {
    must(entidb_database_open_memory(NULL, 0, &db, NULL), "open");
    must(entidb_database_collection(db, TEXT("notes"), &notes, NULL), "collection");
    /* {"columns": ["g"]} */
    must(entidb_collection_create_index(notes, (const uint8_t *)"\xa1\x67" "columns\x81\x61g", 12, NULL, NULL), "index");
    for (uint64_t start = 0; start < DOCUMENTS; start += 1000) {
        entidb_transaction *tx = NULL;
        entidb_collection *within = NULL;
        must(entidb_database_begin_write(db, 0, &tx, NULL), "begin");
        must(entidb_transaction_collection(tx, TEXT("notes"), &within, NULL), "collection");
        for (uint64_t number = start; number < start + 1000; number++) {
            uint8_t id[16];
            entidb_buffer bytes = document(number);
            id_of(number, id);
            must(entidb_collection_put(within, id, bytes.data, bytes.len, ENTIDB_PUT, 0, NULL, NULL), "put");
            entidb_buffer_free(&bytes);
        }
        must(entidb_transaction_commit(tx, ENTIDB_DURABILITY_NONE, NULL, NULL), "commit");
        entidb_collection_free(within);
        entidb_transaction_free(tx);
    }
    measure("get", get);
    measure("get_absent", absent);
    measure("exists", exists);
    measure("count", count);
    measure("put", put);
    measure("find_100", find);
    measure("scan", scan);
    entidb_collection_free(notes);
    entidb_database_free(db);
    return 0;
}
