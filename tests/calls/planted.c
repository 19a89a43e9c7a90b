/* Mistakes made on purpose, one a run, by which a build shows that its sanitizer would speak.
 *
 * Always: each breaks a promise that the header asks of its caller, in a way that code of the library has to meet: a build whose
 * library is not instrumented, or whose sanitizer is off, ends without a word. */
#include "calls.h"
#include <pthread.h>

/* Tokens that nobody frees, behind calls deep enough that no register or stack still has their addresses. */
static __attribute__((noinline)) void lose(int depth) {
    volatile char room[512];
    memset((char *)room, depth, sizeof room);
    if (depth > 0) {
        lose(depth - 1);
    } else {
        for (int i = 0; i < 16; i++) {
            entidb_cancel *token = NULL;
            entidb_cancel_new(ENTIDB_NO_LIMIT, &token, NULL);
        }
    }
    memset((char *)room, 0, sizeof room);
}

static entidb_encoder *encoder_of_nobody(void) {
    entidb_encoder *encoder = NULL;
    if (entidb_encoder_new(&encoder, NULL) != ENTIDB_OK) abort();
    return encoder;
}

static void *write_null(void *encoder) {
    entidb_encoder_null(encoder);
    return NULL;
}

static void *free_it(void *encoder) {
    entidb_encoder_free(encoder);
    return NULL;
}

int plant(const char *name) {
    if (strcmp(name, "lost") == 0) {
        lose(20);
    } else if (strcmp(name, "used-after-free") == 0) {
        entidb_encoder *encoder = encoder_of_nobody();
        entidb_encoder_free(encoder);
        entidb_encoder_null(encoder);
    } else if (strcmp(name, "race") == 0) {
        entidb_encoder *encoder = encoder_of_nobody();
        pthread_t threads[2];
        pthread_create(&threads[0], NULL, write_null, encoder);
        pthread_create(&threads[1], NULL, free_it, encoder);
        for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    } else {
        printf("calls: there is no mistake %s\n", name);
        return 2;
    }
    return 0;
}
