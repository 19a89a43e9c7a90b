/* What the C tests share: lines of the Test Anything Protocol, and documents in a line.
 *
 * Always: a failing check says where and ends the program with status 1 at the end. */
#ifndef ENTIDB_TEST_CHECK_H
#define ENTIDB_TEST_CHECK_H

#include <entidb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int checks = 0, failures = 0;

#define CHECK(claim, condition)                                                            \
    do {                                                                                   \
        checks++;                                                                          \
        if (condition) {                                                                   \
            printf("ok %d - %s\n", checks, claim);                                         \
        } else {                                                                           \
            failures++;                                                                    \
            printf("not ok %d - %s (%s:%d: %s)\n", checks, claim, __FILE__, __LINE__, #condition); \
        }                                                                                  \
    } while (0)

#define BYTES(text) ((const uint8_t *)(text)), strlen(text)

static inline int finish(void) {
    printf("1..%d\n", checks);
    return failures == 0 ? 0 : 1;
}

/* The code of an error, which it frees; 0 for none. */
static inline entidb_status take(entidb_error **error) {
    entidb_status code = entidb_error_code(*error);
    entidb_error_free(*error);
    *error = NULL;
    return code;
}

/* { "n": number, "t": text } */
static inline entidb_buffer document(int64_t number, const char *text) {
    entidb_encoder *encoder = NULL;
    entidb_buffer out = {0};
    if (entidb_encoder_new(&encoder, NULL) != ENTIDB_OK) abort();
    entidb_encoder_begin_map(encoder, 2);
    entidb_encoder_key(encoder, BYTES("t"));
    entidb_encoder_text(encoder, BYTES(text));
    entidb_encoder_key(encoder, BYTES("n"));
    entidb_encoder_int(encoder, number);
    entidb_encoder_end(encoder);
    if (entidb_encoder_finish(encoder, &out, NULL) != ENTIDB_OK) abort();
    entidb_encoder_free(encoder);
    return out;
}

/* ["op", ["path"], value] with a whole-number operand, inside {"v": 1, "filter": ...} */
static inline entidb_buffer query(const char *op, const char *path, int64_t operand) {
    entidb_encoder *encoder = NULL;
    entidb_buffer out = {0};
    if (entidb_encoder_new(&encoder, NULL) != ENTIDB_OK) abort();
    entidb_encoder_begin_map(encoder, 2);
    entidb_encoder_key(encoder, BYTES("v"));
    entidb_encoder_int(encoder, 1);
    entidb_encoder_key(encoder, BYTES("filter"));
    entidb_encoder_begin_array(encoder, 3);
    entidb_encoder_text(encoder, BYTES(op));
    entidb_encoder_begin_array(encoder, 1);
    entidb_encoder_text(encoder, BYTES(path));
    entidb_encoder_end(encoder);
    entidb_encoder_int(encoder, operand);
    entidb_encoder_end(encoder);
    entidb_encoder_end(encoder);
    if (entidb_encoder_finish(encoder, &out, NULL) != ENTIDB_OK) abort();
    entidb_encoder_free(encoder);
    return out;
}

/* {"columns": [path], "unique": unique} */
static inline entidb_buffer definition(const char *path, int unique) {
    entidb_encoder *encoder = NULL;
    entidb_buffer out = {0};
    if (entidb_encoder_new(&encoder, NULL) != ENTIDB_OK) abort();
    entidb_encoder_begin_map(encoder, 2);
    entidb_encoder_key(encoder, BYTES("columns"));
    entidb_encoder_begin_array(encoder, 1);
    entidb_encoder_text(encoder, BYTES(path));
    entidb_encoder_end(encoder);
    entidb_encoder_key(encoder, BYTES("unique"));
    entidb_encoder_bool(encoder, unique);
    entidb_encoder_end(encoder);
    if (entidb_encoder_finish(encoder, &out, NULL) != ENTIDB_OK) abort();
    entidb_encoder_free(encoder);
    return out;
}

/* The whole number at a path of a document; -999 when there is none. */
static inline int64_t number_at(const uint8_t *data, size_t len, const char *path) {
    entidb_item item;
    if (entidb_document_lookup(data, len, BYTES(path), &item, NULL) != ENTIDB_OK) return -999;
    return item.number;
}

#endif
