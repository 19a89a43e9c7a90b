/* Shapes of calls that repeat, and the functions of the table. */
#ifndef ENTIDB_TEST_CALLS_RUN_H
#define ENTIDB_TEST_CALLS_RUN_H

#include "calls.h"

#define X(name, weight) void run_##name(struct worker *w);
FUNCTIONS(X)
#undef X

/* A call that gives bytes: `kept` says where a copy goes, or NULL. */
#define GIVES_BYTES(function, kept, ...)                                             \
    do {                                                                             \
        entidb_buffer buffer = empty_buffer(), *out = place(w, &buffer);             \
        entidb_error **error = error_place(w);                                       \
        entidb_status status = STATUS(function, __VA_ARGS__, out, error);            \
        take_buffer(w, &buffer, status, kept);                                       \
    } while (0)

/* A call that gives a report, which its caller may leave out. */
#define GIVES_REPORT(function, ...)                                                  \
    do {                                                                             \
        entidb_buffer buffer = empty_buffer(), *out = place(w, &buffer);             \
        entidb_error **error = error_place(w);                                       \
        entidb_status status = STATUS(function, __VA_ARGS__, out, error);            \
        if (out != NULL || status != ENTIDB_OK) take_buffer(w, &buffer, status, w->documents); \
    } while (0)

/* A call that gives a handle. */
#define GIVES_HANDLE(function, type, kind, ...)                                      \
    do {                                                                             \
        type *handle = poison(), **out = place(w, &handle);                          \
        entidb_error **error = error_place(w);                                       \
        entidb_status status = STATUS(function, __VA_ARGS__, out, error);            \
        adopt(w, kind, handle, status);                                              \
    } while (0)

/* A call that gives a number. */
#define GIVES_NUMBER(function, type, ...)                                            \
    do {                                                                             \
        type number = 77, *out = place(w, &number);                                  \
        entidb_error **error = error_place(w);                                       \
        (void)STATUS(function, __VA_ARGS__, out, error);                             \
    } while (0)

/* A call that gives nothing. */
#define GIVES_NOTHING(function, ...)                                                 \
    do {                                                                             \
        entidb_error **error = error_place(w);                                       \
        (void)STATUS(function, __VA_ARGS__, error);                                  \
    } while (0)

#endif
