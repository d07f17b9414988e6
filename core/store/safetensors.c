/* SPDX-License-Identifier: MIT */
#include "store/safetensors.h"

#include "base/file.h"
#include "store/jsonl.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* Of 100,000 tensors. */
enum { MOST_HEADER = 16 << 20 };

/* By enum nas_dtype; behind them, without a size, those that the format has and nothing here reads.
 */
static const struct {
    const char *name;
    size_t size;
} dtypes[] = {{"F32", 4},  {"F64", 8},  {"I32", 4},     {"I64", 8},     {"U8", 1},     {"F16", 2},
              {"BF16", 2}, {"BOOL", 0}, {"I8", 0},      {"I16", 0},     {"U16", 0},    {"U32", 0},
              {"U64", 0},  {"C64", 0},  {"F8_E4M3", 0}, {"F8_E5M2", 0}, {"F8_E8M0", 0}};
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

/* How a header begins. The checksum covers the whole file, its own digits taken as zeros. */
static const char crc_head[] = "{\"__metadata__\":{\"crc32\":\"00000000";
enum { CRC_DIGITS = 8, CRC_AT = sizeof crc_head - 1 - CRC_DIGITS };

static void crc_text(uLong crc, char out[CRC_DIGITS + 1]) {
    snprintf(out, CRC_DIGITS + 1, "%08" PRIx32, (uint32_t)crc);
}

/* ---- writing ------------------------------------------------------------------------------ */

/* The header as text, padded with spaces; NULL = no memory, or a text is not UTF-8. */
static char *header_of(int n, const struct nas_safetensor *tensors, int n_meta,
                       const struct nas_metadata *metadata) {
    json_t *root = json_object(), *meta = json_object();
    size_t begin = 0;
    int failed = json_object_set_new(meta, "crc32", json_string(crc_head + CRC_AT));
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
    CLEANUP(nas_free) char *text = failed ? NULL : json_dumps(root, JSON_COMPACT);
    json_decref(root);
    const size_t length = text != NULL ? (strlen(text) + 7) / 8 * 8 : 0;
    char *padded = text != NULL ? malloc(length + 1) : NULL;
    if (padded != NULL) {
        snprintf(padded, length + 1, "%-*s", (int)length, text);
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
    for (int i = 0; i < 8; i++) {
        size[i] = (uint8_t)(length >> (8 * i));
    }
    uLong crc = crc32_z(crc32(0, NULL, 0), size, sizeof size);
    crc = crc32_z(crc, (const Bytef *)header, length);
    for (int i = 0; i < n; i++) {
        crc = crc32_z(crc, tensors[i].data, bytes_of(&tensors[i]));
    }
    crc_text(crc, crc_digits);
    memcpy(header + CRC_AT, crc_digits, CRC_DIGITS);
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
    uint8_t *bytes;
    size_t size, data; /* of the file; where its data begins */
};

MN_PRINTF(3, 4) static int damaged(struct reader *r, size_t offset, const char *format, ...) {
    va_list args;
    va_start(args, format);
    nas_service_fail(r->ctx, MN_IO, format, args);
    va_end(args);
    return nas_ctx_where(r->ctx, "%s: damaged at byte %zu", r->path, offset);
}

static int no_memory(struct reader *r) {
    return mn_fail(r->ctx, MN_NOMEM, "%s: no memory to read it", r->path);
}

static int read_metadata(struct reader *r, json_t *from) {
    struct nas_safetensors *out = r->out;
    const char *key;
    json_t *value;
    if (!json_is_object(from)) {
        return damaged(r, 8, "__metadata__ is not an object");
    }
    out->metadata = nas_arena_array(&out->arena, json_object_size(from), sizeof *out->metadata);
    if (out->metadata == NULL) {
        return no_memory(r);
    }
    json_object_foreach(from, key, value) {
        struct nas_metadata *entry = &out->metadata[out->n_meta++];
        if (!json_is_string(value)) {
            return damaged(r, 8, "metadata %s is not text", key);
        }
        entry->key = nas_arena_text(&out->arena, key);
        entry->value = nas_arena_text(&out->arena, json_string_value(value));
        if (entry->key == NULL || entry->value == NULL) {
            return no_memory(r);
        }
    }
    return MN_OK;
}

/* A tensor by its entry in the header; its data is still that of the file. */
static int read_tensor(struct reader *r, const char *name, json_t *entry,
                       struct nas_safetensor *t) {
    const size_t n_dtypes = sizeof dtypes / sizeof dtypes[0];
    const char *dtype = NULL;
    const json_t *shape = NULL;
    json_int_t begin = 0, end = 0;
    json_error_t error;
    size_t type = 0;
    double count = 1;
    if (json_unpack_ex(entry, &error, 0, "{s:s, s:o, s:[I,I!]}", "dtype", &dtype, "shape", &shape,
                       "data_offsets", &begin, &end) != 0 ||
        begin < 0 || end < begin) {
        return damaged(r, 8, "tensor %s: no dtype, shape and data_offsets [begin, end]: %s", name,
                       error.text[0] != '\0' ? error.text : "end before begin");
    }
    while (type < n_dtypes && strcmp(dtypes[type].name, dtype) != 0) {
        type++;
    }
    if (type == n_dtypes) {
        return damaged(r, 8, "tensor %s: unknown dtype '%.40s'; " READ_DTYPES, name, dtype);
    }
    if (dtypes[type].size == 0) { /* a sound file all the same */
        return mn_fail(r->ctx, MN_IO, "%s: tensor %s has dtype %s; " READ_DTYPES, r->path, name,
                       dtype);
    }
    if (!json_is_array(shape) || json_array_size(shape) > sizeof t->dims / sizeof t->dims[0]) {
        return damaged(r, 8, "tensor %s: its shape is not a list of at most 8 sizes", name);
    }
    t->dtype = (enum nas_dtype)type;
    for (; t->n_dims < (int)json_array_size(shape); t->n_dims++) {
        const json_t *dim = json_array_get(shape, (size_t)t->n_dims);
        if (!json_is_integer(dim) || json_integer_value(dim) < 0) {
            return damaged(r, 8, "tensor %s: size %d of its shape is not a count", name, t->n_dims);
        }
        t->dims[t->n_dims] = json_integer_value(dim);
        count *= (double)t->dims[t->n_dims];
    }
    if (!(count <= (double)r->size)) {
        return damaged(r, 8, "tensor %s: its shape needs more than the whole file", name);
    }
    if ((size_t)end > r->size - r->data) {
        return damaged(r, r->size, "tensor %s needs data up to byte %zu; the file is truncated",
                       name, r->data + (size_t)end);
    }
    t->data = r->bytes + r->data + begin;
    if ((size_t)(end - begin) != bytes_of(t)) {
        return damaged(r, r->data + (size_t)begin, "tensor %s: %zu bytes, its shape needs %zu",
                       name, (size_t)(end - begin), bytes_of(t));
    }
    t->name = nas_arena_text(&r->out->arena, name);
    return t->name != NULL ? MN_OK : no_memory(r);
}

/* A bracket of JSON takes some hundred bytes of memory: no more of them are read than tensors have,
 * which is 3 in at least 48 bytes. */
static int read_header(struct reader *r) {
    struct nas_safetensors *out = r->out;
    CLEANUP(nas_json_free) json_t *header = NULL;
    const char *text = (const char *)r->bytes + 8, *name;
    const size_t length = r->data - 8;
    size_t brackets = 0;
    int quoted = 0;
    json_error_t error;
    json_t *entry;
    for (size_t i = 0; i < length; i++) {
        const char c = text[i];
        i += quoted && c == '\\';
        quoted ^= c == '"';
        brackets += !quoted && (c == '{' || c == '[');
    }
    if (brackets > length / 16 + 4) {
        return damaged(r, 8,
                       "the header is not a JSON object of tensors: %zu brackets in %zu bytes",
                       brackets, length);
    }
    header = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(header)) {
        return damaged(r, 8 + (size_t)error.position, "the header is not a JSON object: %s",
                       header == NULL ? error.text : "it is a list");
    }
    out->tensors = nas_arena_zeroed(&out->arena, json_object_size(header) * sizeof *out->tensors);
    if (out->tensors == NULL) {
        return no_memory(r);
    }
    json_object_foreach(header, name, entry) {
        if (strcmp(name, "__metadata__") == 0) {
            TRY(read_metadata(r, entry));
        } else {
            TRY(read_tensor(r, name, entry, &out->tensors[out->n]));
            out->n++;
        }
    }
    return MN_OK;
}

static int by_place(const void *a, const void *b) {
    const struct nas_safetensor *x = *(const void *const *)a, *y = *(const void *const *)b;
    const uint8_t *p = x->data, *q = y->data;
    return p != q ? (p > q) - (p < q) : (bytes_of(x) > bytes_of(y)) - (bytes_of(x) < bytes_of(y));
}

/* The tensors cover the data once, from its first byte to its last. They get copies of it, which
 * are aligned. */
static int read_data(struct reader *r) {
    struct nas_safetensors *out = r->out;
    CLEANUP(nas_free)
    const struct nas_safetensor **sorted = malloc(((size_t)out->n + 1) * sizeof *sorted);
    size_t at = r->data;
    if (sorted == NULL) {
        return no_memory(r);
    }
    for (int i = 0; i < out->n; i++) {
        sorted[i] = &out->tensors[i];
    }
    qsort(sorted, (size_t)out->n, sizeof *sorted, by_place);
    for (int i = 0; i < out->n; i++) {
        const struct nas_safetensor *t = sorted[i];
        if (t->data != r->bytes + at) {
            return damaged(r, at, "tensors overlap or leave a gap");
        }
        at += bytes_of(t);
    }
    if (at != r->size) {
        return damaged(r, at, "%zu bytes follow the last tensor", r->size - at);
    }
    for (int i = 0; i < out->n; i++) {
        struct nas_safetensor *t = &out->tensors[i];
        void *copy = nas_arena_take(&out->arena, bytes_of(t));
        if (copy == NULL) {
            return no_memory(r);
        }
        t->data = memcpy(copy, t->data, bytes_of(t));
    }
    return MN_OK;
}

int nas_safetensors_read(struct mn_ctx *ctx, const char *path, struct nas_safetensors *out) {
    CLEANUP(nas_free) uint8_t *bytes = NULL;
    CLEANUP(nas_safetensors_fini) struct nas_safetensors file = {0};
    struct reader r = {.ctx = ctx, .path = path, .out = &file};
    uint64_t length = 0;
    *out = file;
    TRY(nas_file_read(ctx, path, SIZE_MAX / 2, &bytes, &r.size));
    if (r.size < 8) {
        return damaged(&r, r.size,
                       "%zu bytes; the header's length alone has 8: the file is truncated", r.size);
    }
    for (int i = 0; i < 8; i++) {
        length |= (uint64_t)bytes[i] << (8 * i);
    }
    if (length > MOST_HEADER || length > r.size - 8) {
        return damaged(&r, 0,
                       "a header of %" PRIu64 " bytes does not fit the file's %zu: truncated, "
                       "or not a safetensors file",
                       length, r.size);
    }
    r.bytes = bytes;
    r.data = 8 + (size_t)length;
    TRY(read_header(&r));
    TRY(read_data(&r));
    const char *stored = nas_safetensors_meta(&file, "crc32");
    if (stored != NULL) {
        char now[CRC_DIGITS + 1];
        if (length < sizeof crc_head || memcmp(bytes + 8, crc_head, CRC_AT) != 0) {
            return damaged(&r, 8, "its checksum '%s' does not stand where metanas writes it",
                           stored);
        }
        memset(bytes + 8 + CRC_AT, '0', CRC_DIGITS);
        crc_text(crc32_z(crc32(0, NULL, 0), bytes, r.size), now);
        if (strcmp(now, stored) != 0) {
            return damaged(&r, 0, "the file's checksum is %s, not %s as stored", now, stored);
        }
    }
    *out = file;
    file = (struct nas_safetensors){0};
    return MN_OK;
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

/* bfloat16 is the upper half of a float; IEEE 754 binary16 has 5 bits of exponent, 10 of fraction.
 */
static float half_precision(const struct nas_safetensor *t, int64_t i) {
    const uint32_t half = ((const uint16_t *)t->data)[i], sign = (half & 0x8000) << 16;
    const uint32_t exponent = half >> 10 & 0x1F, fraction = half & 0x3FF;
    uint32_t bits = half << 16;
    float out;
    if (t->dtype == NAS_FLOAT16 && exponent == 0) { /* below the normal ones: fraction * 2^-24 */
        return (sign != 0 ? -1.0F : 1.0F) * (float)fraction * 0x1p-24F;
    }
    if (t->dtype == NAS_FLOAT16) {
        bits = sign | (exponent == 0x1F ? 0xFFu : exponent + 127 - 15) << 23 | fraction << 13;
    }
    memcpy(&out, &bits, sizeof out);
    return out;
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
                                            : (mn_real)half_precision(tensor, i);
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
