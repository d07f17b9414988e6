/* SPDX-License-Identifier: MIT */
#include "store/safetensors.h"

#include "base/file.h"
#include "store/jsonl.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { MOST_HEADER = 100 << 20, MOST_TENSORS = 1 << 20, MOST_ENTRY = 4096 };

/* By enum nas_dtype. */
static const struct {
    const char *name;
    size_t size;
} dtypes[] = {{"F32", 4}, {"F64", 8}, {"I32", 4}, {"I64", 8}, {"U8", 1}, {"F16", 2}, {"BF16", 2}};
#define READ_DTYPES "F64, F32, F16, BF16, I64, I32 and U8 are read"

/* A size of 0 comes first: the product of the others may overflow. */
int64_t nas_safetensor_count(const struct nas_safetensor *tensor) {
    int64_t n = 1;
    for (int i = 0; i < tensor->n_dims; i++) {
        if (tensor->dims[i] == 0) {
            return 0;
        }
    }
    for (int i = 0; i < tensor->n_dims; i++) {
        n *= tensor->dims[i];
    }
    return n;
}

static size_t bytes_of(const struct nas_safetensor *t) {
    return (size_t)nas_safetensor_count(t) * dtypes[t->dtype].size;
}

/* ---- checksum ----------------------------------------------------------------------------- */

/* The checksum covers the whole file, its own digits taken as zeros. */
#define CRC_KEY "\"crc32\":\""
enum { CRC_DIGITS = 8 };
static const char crc_zeros[] = "00000000";

/* Where the digits stand in a header, or NULL. Inside a text the quotes would be escaped. */
static const char *find_crc(const char *header, size_t length) {
    const char *key = memmem(header, length, CRC_KEY, strlen(CRC_KEY));
    const size_t before = key == NULL ? 0 : (size_t)(key - header) + strlen(CRC_KEY);
    return key == NULL || length - before < CRC_DIGITS ? NULL : header + before;
}

static uLong crc_of_header(const uint8_t size[8], const char *header, size_t length,
                           const char *digits) {
    const size_t before = (size_t)(digits - header);
    uLong crc = crc32_z(crc32(0, NULL, 0), size, 8);
    crc = crc32_z(crc, (const Bytef *)header, before);
    crc = crc32_z(crc, (const Bytef *)crc_zeros, CRC_DIGITS);
    return crc32_z(crc, (const Bytef *)digits + CRC_DIGITS, length - before - CRC_DIGITS);
}

static void crc_text(uLong crc, char out[CRC_DIGITS + 1]) {
    snprintf(out, CRC_DIGITS + 1, "%08" PRIx32, (uint32_t)crc);
}

/* ---- writing ------------------------------------------------------------------------------ */

/* The header as text, with room for the padding; NULL = no memory, or a text is not UTF-8. */
static char *header_of(int n, const struct nas_safetensor *tensors, int n_meta,
                       const struct nas_metadata *metadata) {
    json_t *root = json_object(), *meta = json_object();
    size_t begin = 0;
    int failed = json_object_set_new(meta, "crc32", json_string(crc_zeros));
    for (int i = 0; i < n_meta; i++) {
        failed |= json_object_set_new(meta, metadata[i].key, json_string(metadata[i].value));
    }
    failed |= json_object_set_new(root, "__metadata__", meta);
    for (int i = 0; i < n; i++) {
        const struct nas_safetensor *t = &tensors[i];
        json_t *shape = json_array();
        for (int d = 0; d < t->n_dims; d++) {
            failed |= json_array_append_new(shape, json_integer(t->dims[d]));
        }
        failed |= json_object_set_new(
            root, t->name,
            json_pack("{s:s, s:o, s:[I,I]}", "dtype", dtypes[t->dtype].name, "shape", shape,
                      "data_offsets", (json_int_t)begin, (json_int_t)(begin + bytes_of(t))));
        begin += bytes_of(t);
    }
    char *text = failed ? NULL : json_dumps(root, JSON_COMPACT);
    json_decref(root);
    char *padded = text == NULL ? NULL : realloc(text, strlen(text) + 8);
    if (padded == NULL) {
        free(text);
        return NULL;
    }
    while (strlen(padded) % 8 != 0) {
        strcat(padded, " ");
    }
    return padded;
}

int nas_safetensors_write(struct mn_ctx *ctx, const char *path, int n,
                          const struct nas_safetensor *tensors, int n_meta,
                          const struct nas_metadata *metadata) {
    CLEANUP(nas_free) char *header = header_of(n, tensors, n_meta, metadata);
    struct nas_file file;
    uint8_t size[8];
    char crc_digits[CRC_DIGITS + 1];
    if (header == NULL) {
        return mn_fail(ctx, MN_NOMEM, "%s: no memory for the header, or a text is not UTF-8", path);
    }
    const size_t length = strlen(header);
    const char *digits = find_crc(header, length);
    if (digits == NULL) {
        return mn_fail(ctx, MN_INTERNAL, "%s: its header has no checksum", path);
    }
    for (int i = 0; i < 8; i++) {
        size[i] = (uint8_t)(length >> (8 * i));
    }
    uLong crc = crc_of_header(size, header, length, digits);
    for (int i = 0; i < n; i++) {
        crc = crc32_z(crc, tensors[i].data, bytes_of(&tensors[i]));
    }
    crc_text(crc, crc_digits);
    memcpy(header + (digits - header), crc_digits, CRC_DIGITS);
    TRY(nas_file_begin(&file, ctx, path));
    nas_file_put(&file, size, sizeof size);
    nas_file_put(&file, header, length);
    for (int i = 0; i < n; i++) {
        nas_file_put(&file, tensors[i].data, bytes_of(&tensors[i]));
    }
    return nas_file_commit(&file, ctx);
}

/* ---- reading ------------------------------------------------------------------------------ */

struct reader {
    struct mn_ctx *ctx;
    const char *path;
    struct nas_safetensors *out;
    const uint8_t *bytes;
    size_t size, data; /* of the file; where its data begins */
};

__attribute__((format(printf, 3, 4))) static int damaged(struct reader *r, size_t offset,
                                                         const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return mn_fail(r->ctx, MN_IO, "%s: damaged at byte %zu: %s", r->path, offset, text);
}

static int read_dtype(struct reader *r, const char *name, const char *dtype,
                      struct nas_safetensor *t) {
    /* The format knows more types than are read here. */
    static const char *const others[] = {"BOOL", "I8",  "I16",     "U16",     "U32",
                                         "U64",  "C64", "F8_E4M3", "F8_E5M2", "F8_E8M0"};
    for (int i = 0; dtype != NULL && i < (int)(sizeof dtypes / sizeof dtypes[0]); i++) {
        if (strcmp(dtypes[i].name, dtype) == 0) {
            t->dtype = (enum nas_dtype)i;
            return MN_OK;
        }
    }
    for (size_t i = 0; dtype != NULL && i < sizeof others / sizeof others[0]; i++) {
        if (strcmp(dtype, others[i]) == 0) {
            return mn_fail(r->ctx, MN_IO, "%s: tensor %s has dtype %s; " READ_DTYPES, r->path, name,
                           dtype);
        }
    }
    return damaged(r, 8, "tensor %s: unknown dtype; " READ_DTYPES, name);
}

static int read_shape(struct reader *r, const char *name, const json_t *shape,
                      struct nas_safetensor *t) {
    const size_t n = json_array_size(shape);
    double count = 1;
    if (!json_is_array(shape) || n > 8) {
        return damaged(r, 8, "tensor %s: its shape is not a list of at most 8 sizes", name);
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *dim = json_array_get(shape, i);
        if (!json_is_integer(dim) || json_integer_value(dim) < 0) {
            return damaged(r, 8, "tensor %s: size %zu of its shape is not a count", name, i);
        }
        t->dims[i] = json_integer_value(dim);
        count *= (double)t->dims[i];
    }
    t->n_dims = (int)n;
    return count <= (double)r->size
               ? MN_OK
               : damaged(r, 8, "tensor %s: its shape needs more than the whole file", name);
}

/* A tensor by its entry in the header; *at is where its data begins. */
static int read_tensor(struct reader *r, const char *name, const json_t *entry, size_t *at) {
    struct nas_safetensor *t = &r->out->tensors[r->out->n];
    const json_t *offsets = json_object_get(entry, "data_offsets");
    const json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
    TRY(read_dtype(r, name, json_string_value(json_object_get(entry, "dtype")), t));
    if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end) ||
        json_integer_value(begin) < 0 || json_integer_value(end) < json_integer_value(begin)) {
        return damaged(r, 8, "tensor %s: data_offsets is not [begin, end]", name);
    }
    TRY(read_shape(r, name, json_object_get(entry, "shape"), t));
    const size_t first = (size_t)json_integer_value(begin), last = (size_t)json_integer_value(end);
    if (last > r->size - r->data) {
        return damaged(r, r->size, "tensor %s needs data up to byte %zu; the file is truncated",
                       name, r->data + last);
    }
    if (last - first != bytes_of(t)) {
        return damaged(r, r->data + first, "tensor %s: %zu bytes, its shape needs %zu", name,
                       last - first, bytes_of(t));
    }
    t->name = nas_arena_text(&r->out->arena, name);
    uint8_t *copy = nas_arena_take(&r->out->arena, last - first);
    if (t->name == NULL || copy == NULL) {
        return mn_fail(r->ctx, MN_NOMEM, "%s: no memory for tensor %s", r->path, name);
    }
    memcpy(copy, r->bytes + r->data + first, last - first);
    t->data = copy;
    *at = first;
    r->out->n++;
    return MN_OK;
}

/* ---- the header ----------------------------------------------------------------------------- */

/* A place in the header. Its members are handed to the JSON reader one by one, so that what is read
 * at a time is small, whatever the header holds. */
struct scan {
    struct reader *r;
    size_t at, end; /* bytes of the file */
};

struct span {
    size_t begin, end;
};

static int not_json(const struct scan *s, const char *what) {
    return damaged(s->r, s->at, "the header is not a JSON object: %s", what);
}

static int peek(struct scan *s) {
    while (s->at < s->end && memchr(" \t\n\r", s->r->bytes[s->at], 4) != NULL) {
        s->at++;
    }
    return s->at < s->end ? s->r->bytes[s->at] : -1;
}

static void skip_text(struct scan *s) {
    for (s->at++; s->at < s->end && s->r->bytes[s->at] != '"'; s->at++) {
        s->at += s->r->bytes[s->at] == '\\';
    }
    s->at = s->at < s->end ? s->at + 1 : s->end;
}

/* One value; whether it is one is for the JSON reader to say. */
static struct span skip_value(struct scan *s) {
    struct span out = {0, 0};
    int64_t depth = 0;
    peek(s);
    out.begin = s->at;
    for (int done = 0; !done && s->at < s->end;) {
        const uint8_t c = s->r->bytes[s->at];
        if (depth == 0 && (c == ',' || c == '}' || c == ']' || c == ':')) {
            break;
        }
        if (c == '"') {
            skip_text(s);
            done = depth == 0;
            continue;
        }
        depth += (c == '{' || c == '[') - (c == '}' || c == ']');
        done = depth == 0 && (c == '}' || c == ']');
        s->at++;
    }
    out.end = s->at;
    return out;
}

/* The JSON of a span, for json_decref. */
static int load(const struct scan *s, struct span span, json_t **out) {
    json_error_t error;
    *out = json_loadb((const char *)s->r->bytes + span.begin, span.end - span.begin,
                      JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    return *out != NULL ? MN_OK : not_json(s, error.text);
}

/* Enter an object; the first member follows. */
static int enter(struct scan *s) {
    if (peek(s) != '{') {
        return not_json(s, "other");
    }
    s->at++;
    return MN_OK;
}

/* The n-th member of an object: its name, for json_decref, and its value. *name is NULL at the end
 * of the object. */
static int next_member(struct scan *s, size_t n, json_t **name, struct span *value) {
    int c = peek(s);
    *name = NULL;
    if (c == '}') {
        s->at++;
        return MN_OK;
    }
    if (n > 0 && c != ',') {
        return not_json(s, "',' or '}' expected");
    }
    s->at += n > 0;
    struct span text = {.begin = s->at};
    if ((c = peek(s)) == '"') {
        text.begin = s->at;
        skip_text(s);
        text.end = s->at;
    }
    if (c != '"' || peek(s) != ':') {
        return not_json(s, "a name and ':' expected");
    }
    s->at++;
    *value = skip_value(s);
    return value->end > value->begin ? load(s, text, name) : not_json(s, "a value expected");
}

/* How many members an object can have at most, so that there is room for them. */
static size_t count_members(struct scan s) {
    size_t n = 0;
    while (peek(&s) >= 0 && peek(&s) != '}') {
        const size_t before = s.at;
        skip_value(&s);
        n += peek(&s) == ':';
        s.at += s.at < s.end && memchr(",:", s.r->bytes[s.at], 2) != NULL;
        if (s.at == before) {
            break;
        }
    }
    return n;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* No two of the names are the same; they are sorted. */
static int check_names(struct reader *r, size_t n, const char **names) {
    qsort(names, n, sizeof *names, compare_names);
    for (size_t i = 1; i < n; i++) {
        if (strcmp(names[i - 1], names[i]) == 0) {
            return damaged(r, 8, "the header is not a JSON object: duplicate name '%.200s'",
                           names[i]);
        }
    }
    return MN_OK;
}

static int read_metadata(struct reader *r, struct span at) {
    struct scan s = {r, at.begin, at.end};
    struct nas_safetensors *out = r->out;
    if (r->bytes[at.begin] != '{') {
        return damaged(r, at.begin, "__metadata__ is not an object");
    }
    TRY(enter(&s));
    const size_t n = count_members(s) + 1;
    CLEANUP(nas_free) const char **names = malloc(n * sizeof *names);
    out->metadata = nas_arena_array(&out->arena, n, sizeof *out->metadata);
    int done = names != NULL && out->metadata != NULL;
    while (done) {
        CLEANUP(nas_json_free) json_t *key = NULL;
        CLEANUP(nas_json_free) json_t *text = NULL;
        struct nas_metadata *entry = &out->metadata[out->n_meta];
        struct span value;
        TRY(next_member(&s, (size_t)out->n_meta, &key, &value));
        if (key == NULL) {
            return check_names(r, (size_t)out->n_meta, names);
        }
        if (r->bytes[value.begin] != '"') {
            return damaged(r, value.begin, "metadata %s is not text", json_string_value(key));
        }
        TRY(load(&s, value, &text));
        entry->key = names[out->n_meta] = nas_arena_text(&out->arena, json_string_value(key));
        entry->value = nas_arena_text(&out->arena, json_string_value(text));
        done = entry->key != NULL && entry->value != NULL;
        out->n_meta += done;
    }
    return mn_fail(r->ctx, MN_NOMEM, "%s: no memory for its metadata", r->path);
}

static int read_members(struct scan *s, size_t *begins) {
    struct reader *r = s->r;
    for (size_t i = 0, described = 0;; i++) {
        CLEANUP(nas_json_free) json_t *name = NULL;
        CLEANUP(nas_json_free) json_t *entry = NULL;
        struct span value;
        TRY(next_member(s, i, &name, &value));
        if (name == NULL) {
            return peek(s) < 0 ? MN_OK : not_json(s, "more follows it");
        }
        const char *text = json_string_value(name);
        if (strcmp(text, "__metadata__") == 0) {
            TRY(described++ == 0 ? read_metadata(r, value) : not_json(s, "two of __metadata__"));
            continue;
        }
        if (value.end - value.begin > MOST_ENTRY) {
            return damaged(r, value.begin, "tensor %.200s: its entry has more than %d bytes", text,
                           MOST_ENTRY);
        }
        TRY(load(s, value, &entry));
        TRY(read_tensor(r, text, entry, &begins[r->out->n]));
    }
}

/* ---- checks of the whole ------------------------------------------------------------------ */

struct range {
    size_t begin, end;
};

static int by_begin(const void *a, const void *b) {
    const struct range *x = a, *y = b;
    return x->begin != y->begin ? (x->begin < y->begin ? -1 : 1)
                                : (x->end > y->end) - (x->end < y->end);
}

/* No two names are the same, and the data is covered once, from its first byte to its last. */
static int check_tensors(struct reader *r, const size_t *begins) {
    const size_t n = (size_t)r->out->n;
    CLEANUP(nas_free) const char **names = malloc((n + 1) * sizeof *names);
    CLEANUP(nas_free) struct range *ranges = malloc((n + 1) * sizeof *ranges);
    size_t at = 0;
    if (names == NULL || ranges == NULL) {
        return mn_fail(r->ctx, MN_NOMEM, "%s: no memory to check it", r->path);
    }
    for (size_t i = 0; i < n; i++) {
        names[i] = r->out->tensors[i].name;
        ranges[i] = (struct range){begins[i], begins[i] + bytes_of(&r->out->tensors[i])};
    }
    TRY(check_names(r, n, names));
    qsort(ranges, n, sizeof *ranges, by_begin);
    for (size_t i = 0; i < n; i++) {
        if (ranges[i].begin != at) {
            return damaged(r, r->data + at, "tensors overlap or leave a gap");
        }
        at = ranges[i].end;
    }
    return at == r->size - r->data ? MN_OK
                                   : damaged(r, r->data + at, "%zu bytes follow the last tensor",
                                             r->size - r->data - at);
}

static int check_crc(struct reader *r) {
    const char *stored = nas_safetensors_meta(r->out, "crc32");
    const char *header = (const char *)r->bytes + 8;
    char now[CRC_DIGITS + 1];
    if (stored == NULL) {
        return MN_OK;
    }
    const char *digits = find_crc(header, r->data - 8);
    if (digits == NULL) {
        return damaged(r, 8, "its checksum '%s' does not stand where metanas writes it", stored);
    }
    crc_text(crc32_z(crc_of_header(r->bytes, header, r->data - 8, digits), r->bytes + r->data,
                     r->size - r->data),
             now);
    return strcmp(now, stored) == 0
               ? MN_OK
               : damaged(r, 0, "the file's checksum is %s, not %s as stored", now, stored);
}

static int parse(struct reader *r) {
    uint64_t length = 0;
    if (r->size < 8) {
        return damaged(r, r->size,
                       "%zu bytes; the header's length alone has 8: the file is truncated",
                       r->size);
    }
    for (int i = 0; i < 8; i++) {
        length |= (uint64_t)r->bytes[i] << (8 * i);
    }
    if (length > MOST_HEADER || length > r->size - 8) {
        return damaged(r, 0,
                       "a header of %" PRIu64 " bytes does not fit the file's %zu: truncated, "
                       "or not a safetensors file",
                       length, r->size);
    }
    r->data = 8 + (size_t)length;
    struct scan s = {r, 8, r->data};
    TRY(enter(&s));
    const size_t n = count_members(s);
    if (n > MOST_TENSORS) {
        return damaged(r, 8, "%zu tensors; at most %d are read", n, MOST_TENSORS);
    }
    CLEANUP(nas_free) size_t *begins = malloc((n + 1) * sizeof *begins);
    r->out->tensors = nas_arena_zeroed(&r->out->arena, (n + 1) * sizeof *r->out->tensors);
    if (begins == NULL || r->out->tensors == NULL) {
        return mn_fail(r->ctx, MN_NOMEM, "%s: no memory for %zu tensors", r->path, n);
    }
    TRY(read_members(&s, begins));
    TRY(check_tensors(r, begins));
    return check_crc(r);
}

int nas_safetensors_read(struct mn_ctx *ctx, const char *path, struct nas_safetensors *out) {
    CLEANUP(nas_free) uint8_t *bytes = NULL;
    struct reader r = {.ctx = ctx, .path = path, .out = out};
    *out = (struct nas_safetensors){0};
    TRY(nas_file_read(ctx, path, SIZE_MAX / 2, &bytes, &r.size));
    r.bytes = bytes;
    const int status = parse(&r);
    if (status != MN_OK) {
        nas_safetensors_fini(out);
    }
    return status;
}

void nas_safetensors_fini(struct nas_safetensors *tensors) {
    nas_arena_fini(&tensors->arena);
    *tensors = (struct nas_safetensors){0};
}

/* ---- using -------------------------------------------------------------------------------- */

const struct nas_safetensor *nas_safetensors_find(const struct nas_safetensors *tensors,
                                                  const char *name) {
    for (int i = 0; i < tensors->n; i++) {
        if (strcmp(tensors->tensors[i].name, name) == 0) {
            return &tensors->tensors[i];
        }
    }
    return NULL;
}

const char *nas_metadata_find(int n, const struct nas_metadata *metadata, const char *key) {
    for (int i = 0; i < n; i++) {
        if (strcmp(metadata[i].key, key) == 0) {
            return metadata[i].value;
        }
    }
    return NULL;
}

const char *nas_safetensors_meta(const struct nas_safetensors *tensors, const char *key) {
    return nas_metadata_find(tensors->n_meta, tensors->metadata, key);
}

int nas_safetensor_is_real(const struct nas_safetensor *t) {
    return t->dtype == NAS_F32 || t->dtype == NAS_F64 || t->dtype == NAS_FLOAT16 ||
           t->dtype == NAS_BFLOAT16;
}

static float from_bits(uint32_t bits) {
    float out;
    memcpy(&out, &bits, sizeof out);
    return out;
}

/* IEEE 754 binary16: 5 bits of exponent, 10 of fraction. */
static float half_to_float(uint16_t half) {
    const uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    const uint32_t exponent = half >> 10 & 0x1F, fraction = half & 0x3FF;
    if (exponent == 0) { /* below the normal ones: fraction * 2^-24 */
        return (sign != 0 ? -1.0F : 1.0F) * (float)fraction * 0x1p-24F;
    }
    return from_bits(sign | (exponent == 0x1F ? 0xFFu : exponent + 127 - 15) << 23 |
                     fraction << 13);
}

static float element(const struct nas_safetensor *t, int64_t i) {
    const uint16_t bits = ((const uint16_t *)t->data)[i];
    return t->dtype == NAS_FLOAT16 ? half_to_float(bits) : from_bits((uint32_t)bits << 16);
}

int nas_safetensor_reals(struct mn_ctx *ctx, const struct nas_safetensor *tensor, mn_real *out) {
    const int64_t n = nas_safetensor_count(tensor);
    if (!nas_safetensor_is_real(tensor)) {
        return mn_fail(ctx, MN_IO, "tensor %s has dtype %s; F32, F64, F16 or BF16 is needed",
                       tensor->name, dtypes[tensor->dtype].name);
    }
    for (int64_t i = 0; i < n; i++) {
        out[i] = tensor->dtype == NAS_F32   ? (mn_real)((const float *)tensor->data)[i]
                 : tensor->dtype == NAS_F64 ? (mn_real)((const double *)tensor->data)[i]
                                            : (mn_real)element(tensor, i);
    }
    return MN_OK;
}

int nas_safetensor_ints(struct mn_ctx *ctx, const struct nas_safetensor *tensor, int32_t *out) {
    const int64_t n = nas_safetensor_count(tensor);
    if (tensor->dtype == NAS_I32) {
        memcpy(out, tensor->data, (size_t)n * sizeof *out);
        return MN_OK;
    }
    if (tensor->dtype != NAS_I64) {
        return mn_fail(ctx, MN_IO, "tensor %s has dtype %s; I32 or I64 is needed", tensor->name,
                       dtypes[tensor->dtype].name);
    }
    const int64_t *from = tensor->data;
    for (int64_t i = 0; i < n; i++) {
        if (from[i] < INT32_MIN || from[i] > INT32_MAX) {
            return mn_fail(ctx, MN_IO,
                           "tensor %s: element %" PRId64 " is %" PRId64 ", too large for a label",
                           tensor->name, i, from[i]);
        }
        out[i] = (int32_t)from[i];
    }
    return MN_OK;
}

void nas_shape_text(int n_dims, const int64_t *dims, char *out, size_t size) {
    size_t used = (size_t)snprintf(out, size, "[");
    for (int i = 0; i < n_dims && used < size; i++) {
        used += (size_t)snprintf(out + used, size - used, "%s%" PRId64, i > 0 ? ", " : "", dims[i]);
    }
    if (used < size) {
        snprintf(out + used, size - used, "]");
    }
}
