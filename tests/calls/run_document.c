/* The functions of documents, encoders, values, errors and the library itself. */
#include "run.h"

static void check_item(struct worker *w, const entidb_item *item, struct blob document) {
    int has_detail = item->kind == ENTIDB_KIND_DECIMAL || item->kind == ENTIDB_KIND_VECTOR;
    if (item->kind > ENTIDB_KIND_TAGGED || (item->detail != 0 && !has_detail)) found(w, "an item of the kind %u", item->kind);
    check_lent(w, &item->bytes, document);
}

static struct blob some_document(struct worker *w) {
    return rarely(w, 3) ? kept_or_odd(w, w->documents) : random_document(w);
}

void run_document_lookup(struct worker *w) {
    struct blob document = some_document(w), path = random_path(w);
    entidb_item item, *out = place(w, &item);
    memset(&item, 0x5a, sizeof item);
    entidb_error **error = error_place(w);
    entidb_status status = STATUS(document_lookup, document.data, document.len, path.data, path.len, out, error);
    if (status == ENTIDB_OK && out != NULL) check_item(w, &item, document);
}

void run_document_next(struct worker *w) {
    struct blob document = some_document(w);
    size_t offset = rarely(w, 10) ? random_number(w) : 0;
    for (int steps = 0; steps < 12; steps++) {
        entidb_item key, value, *out_key = rarely(w, 8) ? NULL : &key, *out = place(w, &value);
        size_t before = offset;
        entidb_error **error = error_place(w);
        entidb_status status =
            STATUS(document_next, document.data, document.len, rarely(w, 100) ? NULL : &offset, out_key, out, error);
        if (status != ENTIDB_OK) {
            if (offset != before) found(w, "the offset moved with the status %d", status);
            break;
        }
        if (out_key != NULL) check_item(w, &key, document);
        check_item(w, &value, document);
    }
}

/* A whole document, written as one should. */
static void write_whole(struct worker *w, void *encoder) {
    uint64_t count = below(w, 4);
    (void)STATUS(encoder_begin_map, encoder, count);
    for (uint64_t i = 0; i < count; i++) {
        char key[2] = {(char)('z' - (char)i), 0};
        (void)STATUS(encoder_key, encoder, (const uint8_t *)key, 1);
        if (chance(w, 50)) (void)STATUS(encoder_int, encoder, (int64_t)next(w));
        else (void)STATUS(encoder_text, encoder, (const uint8_t *)MARK, strlen(MARK));
    }
    (void)STATUS(encoder_end, encoder);
}

void run_encoder_new(struct worker *w) {
    entidb_encoder *encoder = poison(), **out = place(w, &encoder);
    entidb_error **error = error_place(w);
    entidb_status status = STATUS(encoder_new, out, error);
    if (status == ENTIDB_OK && out != NULL && chance(w, 60)) {
        write_whole(w, encoder);
        entidb_buffer buffer = empty_buffer();
        error = error_place(w);
        entidb_status finished = STATUS(encoder_finish, encoder, &buffer, error);
        if (finished != ENTIDB_OK) found(w, "a whole document is refused with %d", finished);
        take_buffer(w, &buffer, finished, w->documents);
    }
    adopt(w, ENCODER, encoder, status);
}

void run_encoder_uuid(struct worker *w) { (void)STATUS(encoder_uuid, pick(w, ENCODER), rarely(w, 20) ? NULL : random_id(w)); }
void run_encoder_begin_tag(struct worker *w) { (void)STATUS(encoder_begin_tag, pick(w, ENCODER), random_number(w)); }
void run_encoder_decimal(struct worker *w) {
    (void)STATUS(encoder_decimal, pick(w, ENCODER), (int64_t)random_number(w), rarely(w, 4) ? (int64_t)random_number(w) : -2);
}
void run_encoder_vector(struct worker *w) {
    struct blob bytes = random_name(w);
    (void)STATUS(encoder_vector, pick(w, ENCODER), (uint32_t)below(w, 6), bytes.data, bytes.len);
}

void run_database_new_id(struct worker *w) {
    uint8_t *id = rarely(w, 20) ? NULL : argument(w, 16);
    GIVES_NOTHING(database_new_id, pick(w, DATABASE), id);
}

void run_id_text(struct worker *w) {
    char *text = rarely(w, 20) ? NULL : argument(w, ENTIDB_ID_TEXT_BYTES);
    const uint8_t *id = rarely(w, 20) ? NULL : random_id(w);
    entidb_error **error = error_place(w);
    entidb_status status = STATUS(id_text, id, text, error);
    if (status == ENTIDB_OK && strlen(text) != ENTIDB_ID_TEXT_BYTES - 1) found(w, "the text of an id has another length");
}

void run_id_parse(struct worker *w) {
    static const char *const texts[] = {"01890a5d-ac96-774b-bcce-b302099a8057", "01890a5dac96774bbcceb302099a8057", "", "01890a5d-ac96"};
    const char *chosen = texts[below(w, 4)];
    struct blob text = odd(w, of(w, chosen, strlen(chosen)));
    uint8_t *id = rarely(w, 20) ? NULL : argument(w, 16);
    GIVES_NOTHING(id_parse, text.data, text.len, id);
}

void run_encoder_null(struct worker *w) { (void)STATUS(encoder_null, pick(w, ENCODER)); }
void run_encoder_bool(struct worker *w) { (void)STATUS(encoder_bool, pick(w, ENCODER), (int32_t)next(w)); }
void run_encoder_int(struct worker *w) { (void)STATUS(encoder_int, pick(w, ENCODER), (int64_t)random_number(w)); }
void run_encoder_uint(struct worker *w) { (void)STATUS(encoder_uint, pick(w, ENCODER), random_number(w)); }
void run_encoder_end(struct worker *w) { (void)STATUS(encoder_end, pick(w, ENCODER)); }
void run_encoder_timestamp(struct worker *w) { (void)STATUS(encoder_timestamp, pick(w, ENCODER), (int64_t)random_number(w)); }

void run_encoder_double(struct worker *w) {
    uint64_t bits = random_number(w);
    double number;
    memcpy(&number, &bits, sizeof number);
    (void)STATUS(encoder_double, pick(w, ENCODER), number);
}

void run_encoder_text(struct worker *w) {
    struct blob text = random_name(w);
    (void)STATUS(encoder_text, pick(w, ENCODER), text.data, text.len);
}

void run_encoder_key(struct worker *w) {
    struct blob key = random_name(w);
    (void)STATUS(encoder_key, pick(w, ENCODER), key.data, key.len);
}

void run_encoder_bytes(struct worker *w) {
    struct blob bytes = random_document(w);
    (void)STATUS(encoder_bytes, pick(w, ENCODER), bytes.data, bytes.len);
}

void run_encoder_document(struct worker *w) {
    struct blob document = some_document(w);
    (void)STATUS(encoder_document, pick(w, ENCODER), document.data, document.len);
}

void run_encoder_id(struct worker *w) { (void)STATUS(encoder_id, pick(w, ENCODER), rarely(w, 20) ? NULL : random_id(w)); }

void run_encoder_begin_array(struct worker *w) {
    (void)STATUS(encoder_begin_array, pick(w, ENCODER), chance(w, 70) ? below(w, 3) : random_number(w));
}

void run_encoder_begin_map(struct worker *w) {
    (void)STATUS(encoder_begin_map, pick(w, ENCODER), chance(w, 70) ? below(w, 3) : random_number(w));
}

void run_encoder_finish(struct worker *w) { GIVES_BYTES(encoder_finish, w->documents, pick(w, ENCODER)); }

void run_encoder_free(struct worker *w) {
    discard(w, ENCODER);
    NOTHING(encoder_free, NULL);
}

void run_value_bytes(struct worker *w) {
    entidb_bytes bytes = {poison(), 3};
    NOTHING(value_bytes, pick(w, VALUE), rarely(w, 30) ? NULL : &bytes);
    unsigned sum = 0;
    if (bytes.data != poison())
        for (size_t i = 0; i < bytes.len; i++) sum += bytes.data[i];
    if (sum == 0xffffffffu) found(w, "unlikely");
}

void run_value_id(struct worker *w) {
    const uint8_t *id = PLAIN(value_id, pick(w, VALUE));
    uint8_t copy[16];
    if (id != NULL) memcpy(copy, id, 16);
}

void run_value_version(struct worker *w) { (void)PLAIN(value_version, pick(w, VALUE)); }

void run_value_free(struct worker *w) {
    discard(w, VALUE);
    NOTHING(value_free, NULL);
}

static void read_text(struct worker *w, const char *text) {
    if (text != NULL && strlen(text) > 100000) found(w, "a text of %zu bytes", strlen(text));
}

void run_error_code(struct worker *w) { (void)PLAIN(error_code, pick(w, ERROR)); }
void run_error_message(struct worker *w) { read_text(w, PLAIN(error_message, pick(w, ERROR))); }
void run_error_path(struct worker *w) { read_text(w, PLAIN(error_path, pick(w, ERROR))); }
void run_error_collection(struct worker *w) { read_text(w, PLAIN(error_collection, pick(w, ERROR))); }
void run_error_index(struct worker *w) { read_text(w, PLAIN(error_index, pick(w, ERROR))); }
void run_error_os_code(struct worker *w) { (void)PLAIN(error_os_code, pick(w, ERROR)); }
void run_error_offset(struct worker *w) { (void)PLAIN(error_offset, pick(w, ERROR)); }

void run_error_id(struct worker *w) {
    const uint8_t *id = PLAIN(error_id, pick(w, ERROR));
    uint8_t copy[16];
    if (id != NULL) memcpy(copy, id, 16);
}

void run_error_free(struct worker *w) {
    discard(w, ERROR);
    NOTHING(error_free, NULL);
}

static void static_text(struct worker *w, const uint8_t *text, size_t len) {
    unsigned sum = 0;
    for (size_t i = 0; i < len; i++) sum += text[i];
    if (text == NULL || len > 400 || sum == 1) found(w, "a static text of %zu bytes", len);
}

void run_code_hint(struct worker *w) {
    size_t len = 0;
    int32_t code = (int32_t)random_number(w);
    const uint8_t *text = PLAIN(code_hint, code, rarely(w, 10) ? NULL : &len);
    static_text(w, text, len);
}

void run_code_name(struct worker *w) {
    size_t len = 0;
    int32_t code = (int32_t)below(w, 1000);
    const uint8_t *text = PLAIN(code_name, code, rarely(w, 10) ? NULL : &len);
    static_text(w, text, len);
}

void run_version(struct worker *w) {
    size_t len = 0;
    const uint8_t *text = PLAIN(version, rarely(w, 10) ? NULL : &len);
    static_text(w, text, len);
}

void run_abi_version(struct worker *w) {
    if (PLAIN(abi_version) != ENTIDB_ABI_VERSION) found(w, "another version than the header's");
}

void run_format_version(struct worker *w) {
    if (PLAIN(format_version) == 0) found(w, "gave 0");
}

void run_has_feature(struct worker *w) {
    struct blob name = chance(w, 50) ? of(w, "memory", 6) : random_name(w);
    int32_t has = PLAIN(has_feature, name.data, name.len);
    if (has != 0 && has != 1) found(w, "gave %d", has);
}

void run_buffer_free(struct worker *w) {
    entidb_buffer buffer = {0};
    NOTHING(buffer_free, rarely(w, 2) ? NULL : &buffer);
}

void run_interrupt_set(struct worker *w) {
    w->armed = chance(w, 70);
    w->countdown = 1 + (int)below(w, 60);
    clock_gettime(CLOCK_MONOTONIC, &w->began);
    NOTHING(interrupt_set, w->armed ? ask : NULL, w);
}
