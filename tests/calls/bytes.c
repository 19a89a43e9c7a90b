/* Bytes to call with: documents, queries, patches and the rest, most of them good, many odd.
 *
 * Always: what is not meant to be odd is canonical CBOR; every piece has memory of its own length. */
#include "calls.h"

/* Bytes being written. */
struct out {
    uint8_t *data;
    size_t len, capacity;
};

static void put(struct out *out, const void *data, size_t len) {
    if (out->len + len > out->capacity) {
        out->capacity = (out->len + len) * 2 + 64;
        out->data = realloc(out->data, out->capacity);
        if (out->data == NULL) abort();
    }
    if (len > 0) memcpy(out->data + out->len, data, len);
    out->len += len;
}

static void head(struct out *out, int major, uint64_t number) {
    uint8_t bytes[9];
    int extra = number < 24 ? 0 : number < 256 ? 1 : number < 65536 ? 2 : number <= UINT32_MAX ? 4 : 8;
    bytes[0] = (uint8_t)(major << 5 | (extra == 0 ? (int)number : extra == 1 ? 24 : extra == 2 ? 25 : extra == 4 ? 26 : 27));
    for (int i = 0; i < extra; i++) bytes[1 + i] = (uint8_t)(number >> (8 * (extra - 1 - i)));
    put(out, bytes, (size_t)extra + 1);
}

static void text(struct out *out, const char *from) {
    head(out, 3, strlen(from));
    put(out, from, strlen(from));
}

static void integer(struct out *out, int64_t number) {
    if (number < 0) head(out, 1, (uint64_t)-(number + 1));
    else head(out, 0, (uint64_t)number);
}

static void byte(struct out *out, uint8_t value) {
    put(out, &value, 1);
}

/* The end of writing: an argument of exactly that length. */
static struct blob done(struct worker *w, struct out *out) {
    struct blob blob = of(w, out->data, out->len);
    free(out->data);
    return blob;
}

struct blob of(struct worker *w, const void *data, size_t len) {
    struct blob blob = {argument(w, len), len};
    if (len > 0) memcpy(blob.data, data, len);
    return blob;
}

/* The same bytes, or seldom: NULL, a length beyond memory, damaged, cut, deep, with claims. */
struct blob odd(struct worker *w, struct blob whole) {
    if (!rarely(w, 12)) return whole;
    struct out out = {0};
    switch (below(w, 12)) {
    case 0: return (struct blob){NULL, 0};
    case 1: return (struct blob){NULL, 1 + below(w, 100)};
    case 2: return (struct blob){whole.data, SIZE_MAX - below(w, 3)};
    case 3: return (struct blob){whole.data, SIZE_MAX / 2 + 1 + below(w, 2)};
    case 4: return of(w, whole.data, below(w, whole.len + 1));
    case 5: {
        /* As deep as a limit, or far beyond. */
        size_t depth = rarely(w, 20) ? 100000 : 30 + below(w, 120);
        uint8_t opening = chance(w, 60) ? 0x81 : chance(w, 50) ? 0xd8 : 0xa1;
        for (size_t i = 0; i < depth; i++) {
            byte(&out, opening);
            if (opening == 0xd8) byte(&out, 99);
            if (opening == 0xa1) byte(&out, 0x00);
        }
        byte(&out, 0x00);
        return done(w, &out);
    }
    case 6: {
        /* A count or length that is claimed and not there, again and again. */
        static const uint8_t claims[] = {0x9b, 0xbb, 0x5b, 0x7b, 0x9a, 0xba};
        size_t levels = 1 + below(w, 40);
        for (size_t i = 0; i < levels; i++) {
            uint8_t claim = claims[below(w, i + 1 < levels ? 2 : 6)];
            byte(&out, claim);
            uint64_t number = chance(w, 50) ? UINT64_MAX >> below(w, 50) : 1ull << below(w, 60);
            for (int j = (claim & 1 ? 8 : 4) - 1; j >= 0; j--) byte(&out, (uint8_t)(number >> (8 * j)));
        }
        return done(w, &out);
    }
    case 7:
        for (uint64_t i = below(w, 80); i > 0; i--) byte(&out, (uint8_t)next(w));
        return done(w, &out);
    default: {
        put(&out, whole.data, whole.len);
        for (uint64_t changes = 1 + below(w, 3); changes > 0 && out.len > 0; changes--) {
            size_t at = below(w, out.len);
            switch (below(w, 4)) {
            case 0: out.data[at] ^= (uint8_t)(1 << below(w, 8)); break;
            case 1: out.data[at] = (uint8_t)next(w); break;
            case 2:
                memmove(out.data + at, out.data + at + 1, out.len - at - 1);
                out.len--;
                break;
            default: {
                byte(&out, 0);
                memmove(out.data + at + 1, out.data + at, out.len - at - 1);
                out.data[at] = (uint8_t)next(w);
            }
            }
        }
        return done(w, &out);
    }
    }
}

static void some_text(struct worker *w, struct out *out) {
    char buffer[64];
    snprintf(buffer, sizeof buffer, MARK "%d", (int)below(w, 12));
    text(out, buffer);
}

static void some_number(struct worker *w, struct out *out) {
    switch (below(w, 8)) {
    case 0: integer(out, MARK_NUMBER); break;
    case 1: integer(out, INT64_MAX - (int64_t)below(w, 2)); break;
    case 2: integer(out, INT64_MIN); break;
    case 3: head(out, (int)below(w, 2), UINT64_MAX); break;
    case 4: put(out, "\xf9\x3e\x00", 3); break;
    case 5: put(out, "\xc4\x82\x21\x19\x01\x00", 6); break;
    default: integer(out, (int64_t)below(w, 40) - 10);
    }
}

static void value(struct worker *w, struct out *out, int depth) {
    switch (below(w, depth > 3 ? 8 : 10)) {
    case 0: byte(out, 0xf6); break;
    case 1: byte(out, 0xf4 + (uint8_t)below(w, 2)); break;
    case 2: some_text(w, out); break;
    case 3: head(out, 2, 4); put(out, "\x01\x02\x03\xff", 4); break;
    case 8: {
        uint64_t count = below(w, 5);
        head(out, 4, count);
        for (; count > 0; count--) value(w, out, depth + 1);
        break;
    }
    case 9:
        head(out, 5, 2);
        text(out, "k");
        value(w, out, depth + 1);
        text(out, "z");
        value(w, out, depth + 1);
        break;
    default: some_number(w, out);
    }
}

static void write_document(struct worker *w, struct out *out) {
    static const char *const fields[] = {"a", "b", "m", "n", "t", "u"};
    uint64_t chosen = next(w) & 0x3f, count = 0;
    for (int i = 0; i < 6; i++) count += chosen >> i & 1;
    head(out, 5, count);
    for (int i = 0; i < 6; i++) {
        if (!(chosen >> i & 1)) continue;
        text(out, fields[i]);
        if (i == 3) some_number(w, out);
        else if (i == 4) some_text(w, out);
        else if (i == 5) integer(out, (int64_t)below(w, 1000));
        else value(w, out, 1);
    }
}

struct blob plain_document(struct worker *w) {
    struct out out = {0};
    write_document(w, &out);
    return done(w, &out);
}

struct blob random_document(struct worker *w) {
    struct out out = {0};
    if (rarely(w, 60)) {
        /* About as large as a limit. */
        static const size_t sizes[] = {64, 1024, 4096, 65536};
        size_t len = sizes[below(w, 4)] - 10 + below(w, 20);
        head(&out, 5, 1);
        text(&out, "t");
        head(&out, 3, len);
        for (size_t i = 0; i < len; i++) byte(&out, 'x');
    } else if (rarely(w, 60)) {
        value(w, &out, 0);
    } else {
        write_document(w, &out);
    }
    return odd(w, done(w, &out));
}

struct blob random_name(struct worker *w) {
    char name[4];
    snprintf(name, sizeof name, "c%d", (int)below(w, 6));
    if (!rarely(w, 14)) return of(w, name, 2);
    switch (below(w, 9)) {
    case 0: return of(w, "", 0);
    case 1: return of(w, "\xff\xfe", 2);
    case 2: return of(w, "c0\0c1", 5);
    case 3: return (struct blob){NULL, below(w, 2)};
    case 4: return (struct blob){argument(w, 1), SIZE_MAX};
    case 5: return of(w, "../c0", 5);
    case 6: return of(w, "by_n", 4);
    case 7: return of(w, "\xed\xa0\x80", 3);
    default: {
        size_t len = rarely(w, 10) ? 1 << 20 : 50 + below(w, 220);
        struct blob blob = {argument(w, len), len};
        memset(blob.data, 'n', len);
        return blob;
    }
    }
}

static const char *const paths[] = {"n", "t", "u", "a", "m.k", "a.0", "m.z", "b"};

static void path(struct worker *w, struct out *out) {
    switch (below(w, 8)) {
    case 0: head(out, 4, 2); text(out, "m"); text(out, chance(w, 50) ? "k" : "z"); break;
    case 1: head(out, 4, 2); text(out, "a"); integer(out, (int64_t)below(w, 4)); break;
    case 2: head(out, 4, 0); break;
    default: head(out, 4, 1); text(out, paths[below(w, 4)]);
    }
}

static void condition(struct worker *w, struct out *out, int depth) {
    static const char *const plain[] = {"eq", "ne", "lt", "le", "gt", "ge", "contains"};
    uint64_t which = below(w, depth > 2 ? 9 : 12);
    if (which < 5) {
        head(out, 4, 3);
        text(out, plain[below(w, 7)]);
        path(w, out);
        value(w, out, 2);
    } else if (which == 5) {
        uint64_t count = below(w, 6);
        head(out, 4, 3);
        text(out, "in");
        path(w, out);
        head(out, 4, count);
        for (; count > 0; count--) value(w, out, 3);
    } else if (which == 6) {
        head(out, 4, 4);
        text(out, "between");
        path(w, out);
        integer(out, (int64_t)below(w, 20) - 10);
        integer(out, (int64_t)below(w, 40));
    } else if (which == 7) {
        head(out, 4, 2);
        text(out, chance(w, 50) ? "exists" : "is_null");
        path(w, out);
    } else if (which == 8) {
        head(out, 4, 3);
        text(out, "starts_with");
        path(w, out);
        text(out, chance(w, 80) ? "zq" : "");
    } else if (which < 11) {
        uint64_t count = below(w, 4);
        head(out, 4, count + 1);
        text(out, which == 9 ? "and" : "or");
        for (; count > 0; count--) condition(w, out, depth + 1);
    } else {
        head(out, 4, 2);
        text(out, "not");
        condition(w, out, depth + 1);
    }
}

struct blob random_query(struct worker *w) {
    struct out out = {0};
    int page = rarely(w, 4), after = rarely(w, 8), limit = rarely(w, 4), order = chance(w, 30), filter = chance(w, 70), offset = rarely(w, 8);
    struct blob token = w->tokens[below(w, KEPT)];
    after = after && token.len > 0;
    head(&out, 5, (uint64_t)(1 + page + after + limit + order + filter + offset));
    text(&out, "v");
    integer(&out, rarely(w, 200) ? 2 : 1);
    if (page) text(&out, "page"), head(&out, 0, rarely(w, 10) ? random_number(w) : 1 + below(w, 5));
    if (after) text(&out, "after"), head(&out, 2, token.len), put(&out, token.data, token.len);
    if (limit) text(&out, "limit"), head(&out, 0, rarely(w, 10) ? random_number(w) : below(w, 8));
    if (order) {
        uint64_t count = 1 + below(w, 2);
        text(&out, "order");
        head(&out, 4, count);
        for (; count > 0; count--) {
            head(&out, 4, 2);
            path(w, &out);
            byte(&out, 0xf4 + (uint8_t)below(w, 2));
        }
    }
    if (filter) {
        text(&out, "filter");
        if (rarely(w, 40)) {
            for (uint64_t i = 40 + below(w, 20); i > 0; i--) head(&out, 4, 2), text(&out, "not");
        }
        condition(w, &out, 0);
    }
    if (offset) text(&out, "offset"), head(&out, 0, rarely(w, 10) ? random_number(w) : below(w, 5));
    return odd(w, done(w, &out));
}

struct blob random_patch(struct worker *w) {
    struct out out = {0};
    uint64_t count = rarely(w, 30) ? 50 : 1 + below(w, 3);
    head(&out, 4, count);
    for (; count > 0; count--) {
        uint64_t operation = below(w, 4);
        head(&out, 4, operation == 1 ? 2 : 3);
        integer(&out, (int64_t)operation);
        path(w, &out);
        if (operation == 2) some_number(w, &out);
        else if (operation != 1) value(w, &out, 1);
    }
    return odd(w, done(w, &out));
}

struct blob random_value(struct worker *w) {
    struct out out = {0};
    value(w, &out, 1);
    return odd(w, done(w, &out));
}

struct blob random_key_range(struct worker *w) {
    struct out out = {0};
    int to = chance(w, 50), from = chance(w, 50), after = rarely(w, 4), limit = chance(w, 40), reverse = chance(w, 30);
    head(&out, 5, (uint64_t)(to + from + after + limit + reverse));
    if (to) text(&out, "to"), value(w, &out, 1);
    if (from) text(&out, "from"), value(w, &out, 1);
    if (after) text(&out, "after"), head(&out, 4, 2), value(w, &out, 1), head(&out, 2, 16), put(&out, random_id(w), 16);
    if (limit) text(&out, "limit"), head(&out, 0, below(w, 9));
    if (reverse) text(&out, "reverse"), byte(&out, 0xf5);
    return odd(w, done(w, &out));
}

struct blob random_definition(struct worker *w) {
    struct out out = {0};
    if (rarely(w, 3)) {
        int unique = rarely(w, 3);
        head(&out, 5, (uint64_t)(2 + unique));
        text(&out, "kind"), text(&out, "manual");
        text(&out, "name"), text(&out, "keys");
        if (unique) text(&out, "unique"), byte(&out, 0xf5);
        return odd(w, done(w, &out));
    }
    int name = chance(w, 50), multi = rarely(w, 4), unique = rarely(w, 4);
    head(&out, 5, (uint64_t)(1 + name + multi + unique));
    if (name) text(&out, "name"), text(&out, chance(w, 70) ? "by_n" : "by_t");
    if (multi) text(&out, "multi"), byte(&out, 0xf5);
    if (unique) text(&out, "unique"), byte(&out, 0xf5);
    text(&out, "columns");
    uint64_t count = 1 + below(w, 2);
    head(&out, 4, count);
    for (; count > 0; count--) {
        char column[16];
        snprintf(column, sizeof column, "%s%s", rarely(w, 4) ? "-" : "", paths[below(w, 8)]);
        text(&out, column);
    }
    return odd(w, done(w, &out));
}

const uint8_t database_key[32] = {7, 1, 2, 3, 4, 5, 6, 7, 8, 9};

/* Small limits, so that they are met, and short waits. */
struct blob good_options(struct worker *w, int encrypted) {
    static const char *const durabilities[] = {"durable", "grouped", "none"};
    struct out out = {0};
    head(&out, 5, (uint64_t)(8 + encrypted));
    if (encrypted) text(&out, "key"), head(&out, 2, 32), put(&out, database_key, 32);
    text(&out, "durability");
    text(&out, durabilities[below(w, 3)]);
    text(&out, "scan_policy");
    text(&out, rarely(w, 6) ? "forbid_unbounded" : "allow");
    text(&out, "memory_bytes");
    integer(&out, 1 << 20);
    text(&out, "sort_bytes_max");
    integer(&out, 1 << 16);
    text(&out, "lock_timeout_ms");
    integer(&out, (int64_t)below(w, 3));
    text(&out, "entity_bytes_max");
    integer(&out, chance(w, 50) ? 1024 : 65536);
    text(&out, "feed_commits_max");
    integer(&out, rarely(w, 5) ? 0 : (int64_t)(1 + below(w, 60)));
    text(&out, "transaction_bytes_max");
    integer(&out, rarely(w, 3) ? 4096 : 1 << 20);
    return done(w, &out);
}

struct blob random_options(struct worker *w) {
    return rarely(w, 40) ? odd(w, of(w, "\xa0", 1)) : odd(w, good_options(w, rarely(w, 3)));
}

/* A folder for a database, always below the folder of this round, which is the current one. */
struct blob random_place(struct worker *w) {
    char name[32];
    snprintf(name, sizeof name, "%s%d", rarely(w, 6) ? "backup" : "db", (int)below(w, 3));
    if (!rarely(w, 10)) return of(w, name, strlen(name));
    switch (below(w, 8)) {
    case 0: return of(w, "", 0);
    case 1: return of(w, "db0\0x", 5);
    case 2: return of(w, "\xff", 1);
    case 3: return of(w, "file", 4);
    case 4: return of(w, "file/db", 7);
    case 5: return of(w, "none/deeper/db", 14);
    case 6: return (struct blob){NULL, below(w, 2) * 9};
    default: {
        size_t len = 200 + below(w, 200) * 30;
        struct blob blob = {argument(w, len), len};
        memset(blob.data, 'p', len);
        return blob;
    }
    }
}

struct blob random_path(struct worker *w) {
    static const char *const odd_paths[] = {"", "a..b", ".", "\\", "m.[5]", "[", "[99999999999999999999]", "a.18446744073709551615", "\xff", "a.-1"};
    const char *chosen = chance(w, 80) ? paths[below(w, 8)] : odd_paths[below(w, 10)];
    return rarely(w, 40) ? odd(w, of(w, chosen, strlen(chosen))) : of(w, chosen, strlen(chosen));
}

struct blob random_frames(struct worker *w) {
    struct out out = {0};
    for (uint64_t count = below(w, 8); count > 0; count--) {
        struct out document = {0};
        write_document(w, &document);
        uint32_t len = (uint32_t)document.len;
        if (rarely(w, 60)) len = (uint32_t)next(w);
        put(&out, &len, 4);
        int has_id = chance(w, 70);
        byte(&out, rarely(w, 60) ? (uint8_t)next(w) : (uint8_t)has_id);
        if (has_id) put(&out, random_id(w), 16);
        put(&out, document.data, document.len);
        free(document.data);
    }
    return odd(w, done(w, &out));
}

/* One of a few ids, so that they meet; seldom another, or none. */
uint8_t *random_id(struct worker *w) {
    uint8_t *id = argument(w, 16);
    memset(id, 0, 16);
    id[15] = (uint8_t)below(w, 24);
    if (rarely(w, 30)) memset(id, 0xff, 16);
    if (rarely(w, 30))
        for (int i = 0; i < 16; i++) id[i] = (uint8_t)next(w);
    return id;
}

struct blob random_ids(struct worker *w, size_t *count) {
    *count = below(w, 6);
    struct blob ids = {argument(w, 16 * *count), 16 * *count};
    for (size_t i = 0; i < *count; i++) {
        memset(ids.data + 16 * i, 0, 16);
        ids.data[16 * i + 15] = (uint8_t)below(w, 24);
    }
    if (rarely(w, 40)) *count = (size_t)1 << (60 + below(w, 4));
    if (rarely(w, 40)) *count = SIZE_MAX / 16 + below(w, 3);
    /* Beyond memory it is refused by its size; what a size within memory claims must be there. */
    if (*count > 6 && *count < (size_t)1 << 59) *count = SIZE_MAX;
    if (rarely(w, 60)) ids.data = NULL;
    return ids;
}

uint64_t random_number(struct worker *w) {
    static const uint64_t edges[] = {0, 1, UINT64_MAX, UINT64_MAX - 1, UINT64_MAX - 2, INT64_MAX, 1ull << 63, UINT32_MAX, 1ull << 32, 255};
    switch (below(w, 3)) {
    case 0: return edges[below(w, 10)];
    case 1: return below(w, 300);
    default: return next(w) >> below(w, 64);
    }
}

/* Short; without an end only where the thread asks for the end of its calls. */
uint64_t random_timeout(struct worker *w) {
    if (w->armed && rarely(w, 60)) return rarely(w, 4) ? UINT64_MAX - 2 - below(w, 4) : ENTIDB_NO_LIMIT;
    return rarely(w, 20) ? 1 + below(w, 3) : 0;
}

struct blob kept_or_odd(struct worker *w, struct blob *kept) {
    struct blob chosen = kept[below(w, KEPT)];
    return odd(w, of(w, chosen.data, chosen.len));
}
