/* Reads from the header which functions there are and which codes each may give.
 *
 * Always: the header is what is believed. A code counts for a function where its comment names it, or where the comment refers to
 * another function that does. */
#include "calls.h"
#include <ctype.h>

/* What every function may say of its arguments and its handles, and in a thread that asked for its end or is in a token. */
static const int everywhere[] = {ENTIDB_OK, ENTIDB_ERROR_INVALID_ARGUMENT, ENTIDB_ERROR_INVALID_HANDLE, ENTIDB_ERROR_CANCELLED,
                                 ENTIDB_ERROR_TIMEOUT};

static void allow(struct entry *entry, int code) {
    if (code >= 0 && code < 1024) entry->codes[code / 64] |= 1ull << (code % 64);
}

static struct entry *entry_of(const char *name, size_t len) {
    for (int i = 0; i < FUNCTION_COUNT; i++)
        if (strlen(table[i].name) == len && memcmp(table[i].name, name, len) == 0) return &table[i];
    return NULL;
}

static int code_of(const char *word, size_t len) {
    for (int code = 100; code < 1000; code++) {
        size_t name_len = 0;
        const uint8_t *name = entidb_code_name(code, &name_len);
        if (name_len == len && memcmp(name, word, len) == 0) return code;
    }
    return 0;
}

/* The comment before a function, from its opening to the declaration. */
struct comment {
    const char *text;
    size_t len;
    /* Where the text about errors begins and ends in it; NULL for none. */
    const char *errors, *errors_end;
};
static struct comment comments[FUNCTION_COUNT];

static void read_comment(struct entry *entry, int depth) {
    struct comment *comment = &comments[entry - table];
    if (comment->text == NULL || depth > 8) return;
    const char *end = comment->text + comment->len;
    for (const char *at = comment->text; at < end;) {
        if (!isupper((unsigned char)*at) || (at > comment->text && (isalnum((unsigned char)at[-1]) || at[-1] == '_'))) {
            at++;
            continue;
        }
        const char *word = at;
        while (at < end && (isupper((unsigned char)*at) || isdigit((unsigned char)*at) || *at == '_')) at++;
        size_t len = (size_t)(at - word);
        if (len > 7 && memcmp(word, "ENTIDB_", 7) == 0) {
            word += 7;
            len -= 7;
            if (len == 9 && memcmp(word, "NOT_FOUND", 9) == 0) allow(entry, ENTIDB_NOT_FOUND);
            if (len == 3 && memcmp(word, "END", 3) == 0) allow(entry, ENTIDB_END);
            if (len == 7 && memcmp(word, "TIMEOUT", 7) == 0) allow(entry, ENTIDB_TIMEOUT);
            continue;
        }
        int code = code_of(word, len);
        if (code != 0) allow(entry, code);
    }
    if (memmem(comment->text, comment->len, "ncoding errors", 14) != NULL)
        for (int code = ENTIDB_ERROR_TRUNCATED; code <= ENTIDB_ERROR_DOCUMENT_TOO_LARGE; code++) allow(entry, code);
    if (comment->errors == NULL) return;
    for (const char *at = comment->errors; at < comment->errors_end; at++) {
        if (*at != '`') continue;
        const char *name = at + 1;
        const char *close = memchr(name, '`', (size_t)(comment->errors_end - name));
        if (close == NULL) break;
        struct entry *other = entry_of(name, (size_t)(close - name));
        if (other != NULL && other != entry) {
            read_comment(other, depth + 1);
            for (int i = 0; i < 16; i++) entry->codes[i] |= other->codes[i];
        }
        at = close;
    }
}

int read_header(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        printf("FOUND: the header %s cannot be read\n", path);
        return 0;
    }
    static char text[1 << 20];
    size_t len = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[len] = 0;
    int good = 1;
    for (char *at = strstr(text, "extern \"C\""); at != NULL && (at = strstr(at, "/**")) != NULL;) {
        char *close = strstr(at, "*/");
        char *end = close == NULL ? NULL : strchr(close, ';');
        char *name = close == NULL ? NULL : strstr(close, "entidb_");
        char *round = close == NULL ? NULL : strchr(close, '(');
        if (end == NULL || round == NULL || round > end) break;
        for (name = round; name > close && (isalnum((unsigned char)name[-1]) || name[-1] == '_');) name--;
        struct entry *entry = entry_of(name, (size_t)(round - name));
        if (entry == NULL) {
            printf("FOUND: %.*s of the header is not in the table of tests/calls/calls.h\n", (int)(round - name), name);
            good = 0;
        } else {
            struct comment *comment = &comments[entry - table];
            comment->text = at;
            comment->len = (size_t)(close - at);
            comment->errors = memmem(at, comment->len, "Errors:", 7);
            if (comment->errors != NULL) {
                comment->errors_end = memmem(comment->errors, (size_t)(close - comment->errors), " *\n", 3);
                if (comment->errors_end == NULL) comment->errors_end = close;
            }
        }
        at = end;
    }
    for (int i = 0; i < FUNCTION_COUNT; i++) {
        if (comments[i].text == NULL) {
            printf("FOUND: %s of the table is not in the header\n", table[i].name);
            good = 0;
        }
        for (size_t j = 0; j < sizeof everywhere / sizeof *everywhere; j++) allow(&table[i], everywhere[j]);
    }
    for (int i = 0; i < FUNCTION_COUNT; i++) read_comment(&table[i], 0);
    /* "So for every piece": the comment of the first piece speaks for the others. */
    for (int i = 0; i < FUNCTION_COUNT; i++)
        if (strncmp(table[i].name, "entidb_encoder_", 15) == 0)
            for (int j = 0; j < 16; j++) table[i].codes[j] |= table[F_encoder_null].codes[j];
    return good;
}
