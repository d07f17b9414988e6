/* SPDX-License-Identifier: MIT */
#include "run/checkpoint.h"

#include "run/file.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { MOST_HEADER = 100 << 20, MOST_TENSORS = 1 << 20 };

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {{"F32", 4}, {"F64", 8}, {"I32", 4}, {"I64", 8}, {"U8", 1}};

/* A size of 0 comes first: the product of the others may overflow. */
int64_t mn__tensor_count(const struct mn__tensor *tensor) {
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

static size_t bytes_of(const struct mn__tensor *t) {
    return (size_t)mn__tensor_count(t) * dtypes[t->dtype].size;
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

static json_t *describe(const struct mn__tensor *t, size_t begin) {
    json_t *shape = json_array();
    for (int i = 0; i < t->n_dims; i++) {
        if (json_array_append_new(shape, json_integer(t->dims[i])) != 0) {
            json_decref(shape);
            return NULL;
        }
    }
    return json_pack("{s:s, s:o, s:[I,I]}", "dtype", dtypes[t->dtype].name, "shape", shape,
                     "data_offsets", (json_int_t)begin, (json_int_t)(begin + bytes_of(t)));
}

static json_t *describe_meta(int n_meta, const struct mn__meta *metadata) {
    json_t *meta = json_object();
    int failed = json_object_set_new(meta, "crc32", json_string(crc_zeros)) != 0;
    for (int i = 0; i < n_meta; i++) {
        failed |= json_object_set_new(meta, metadata[i].key, json_string(metadata[i].value)) != 0;
    }
    if (failed) {
        json_decref(meta);
        return NULL;
    }
    return meta;
}

/* The header as text, with room for the padding. */
static char *header_of(int n, const struct mn__tensor *tensors, int n_meta,
                       const struct mn__meta *metadata) {
    json_t *root = json_object();
    size_t begin = 0;
    int failed = json_object_set_new(root, "__metadata__", describe_meta(n_meta, metadata)) != 0;
    for (int i = 0; i < n; i++) {
        failed |= json_object_set_new(root, tensors[i].name, describe(&tensors[i], begin)) != 0;
        begin += bytes_of(&tensors[i]);
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

/* Fill in the checksum. 0 = the header has no place for it. */
static int seal(const uint8_t size[8], char *header, int n, const struct mn__tensor *tensors) {
    char text[CRC_DIGITS + 1];
    const size_t length = strlen(header);
    const char *digits = find_crc(header, length);
    if (digits == NULL) {
        return 0;
    }
    uLong crc = crc_of_header(size, header, length, digits);
    for (int i = 0; i < n; i++) {
        crc = crc32_z(crc, tensors[i].data, bytes_of(&tensors[i]));
    }
    crc_text(crc, text);
    memcpy(header + (digits - header), text, CRC_DIGITS);
    return 1;
}

static int put_all(struct mn_cx *cx, const char *path, const uint8_t size[8], const char *header,
                   int n, const struct mn__tensor *tensors) {
    struct mn__file file;
    const int status = mn__file_begin(&file, cx, path);
    if (status != MN_OK) {
        return status;
    }
    mn__file_put(&file, size, 8);
    mn__file_put(&file, header, strlen(header));
    for (int i = 0; i < n; i++) {
        mn__file_put(&file, tensors[i].data, bytes_of(&tensors[i]));
    }
    return mn__file_commit(&file, cx);
}

int mn__tensors_write(struct mn_cx *cx, const char *path, int n, const struct mn__tensor *tensors,
                      int n_meta, const struct mn__meta *metadata) {
    uint8_t size[8];
    char *header = header_of(n, tensors, n_meta, metadata);
    if (header == NULL) {
        return mn_fail(cx, MN_NOMEM, "%s: no memory for the header, or a text is not UTF-8", path);
    }
    for (int i = 0; i < 8; i++) {
        size[i] = (uint8_t)(strlen(header) >> (8 * i));
    }
    const int status = seal(size, header, n, tensors)
                           ? put_all(cx, path, size, header, n, tensors)
                           : mn_fail(cx, MN_INTERNAL, "%s: its header has no checksum", path);
    free(header);
    return status;
}

/* ---- reading ------------------------------------------------------------------------------ */

struct reader {
    struct mn_cx *cx;
    const char *path;
    struct mn__tensors *out;
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
    return mn_fail(r->cx, MN_IO, "%s: damaged at byte %zu: %s", r->path, offset, text);
}

static int find_dtype(const char *name) {
    for (int i = 0; name != NULL && i < (int)(sizeof dtypes / sizeof dtypes[0]); i++) {
        if (strcmp(dtypes[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

static int read_shape(struct reader *r, const char *name, const json_t *shape,
                      struct mn__tensor *t) {
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
    if (count > (double)r->size) {
        return damaged(r, 8, "tensor %s: its shape needs more than the whole file", name);
    }
    return MN_OK;
}

/* Tensors follow each other without gaps, in the order of the header. */
static int read_tensor(struct reader *r, const char *name, const json_t *entry, size_t *at) {
    struct mn__tensor *t = &r->out->tensors[r->out->n];
    const json_t *offsets = json_object_get(entry, "data_offsets");
    const int dtype = find_dtype(json_string_value(json_object_get(entry, "dtype")));
    const json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
    if (dtype < 0) {
        return damaged(r, 8, "tensor %s: unknown dtype; F32, F64, I32, I64 and U8 are known", name);
    }
    if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end) ||
        json_integer_value(begin) < 0 || json_integer_value(end) < json_integer_value(begin)) {
        return damaged(r, 8, "tensor %s: data_offsets is not [begin, end]", name);
    }
    t->dtype = (enum mn__dtype)dtype;
    const int status = read_shape(r, name, json_object_get(entry, "shape"), t);
    if (status != MN_OK) {
        return status;
    }
    const size_t first = (size_t)json_integer_value(begin), last = (size_t)json_integer_value(end);
    if (last > r->size - r->data) {
        return damaged(r, r->size, "tensor %s needs data up to byte %zu; the file is truncated",
                       name, r->data + last);
    }
    if (last - first != bytes_of(t)) {
        return damaged(r, r->data + first, "tensor %s: %zu bytes, its shape needs %zu", name,
                       last - first, bytes_of(t));
    }
    t->name = mn__arena_text(&r->out->arena, name);
    uint8_t *copy = mn__arena_take(&r->out->arena, last - first);
    if (t->name == NULL || copy == NULL) {
        return mn_fail(r->cx, MN_NOMEM, "%s: no memory for tensor %s", r->path, name);
    }
    memcpy(copy, r->bytes + r->data + first, last - first);
    t->data = copy;
    *at = first;
    r->out->n++;
    return MN_OK;
}

static int read_metadata(struct reader *r, const json_t *meta) {
    const char *key;
    json_t *value;
    if (!json_is_object(meta)) {
        return damaged(r, 8, "__metadata__ is not an object");
    }
    struct mn__meta *list =
        mn__arena_array(&r->out->arena, json_object_size(meta) + 1, sizeof *list);
    if (list == NULL) {
        return mn_fail(r->cx, MN_NOMEM, "%s: no memory for its metadata", r->path);
    }
    r->out->metadata = list;
    json_object_foreach((json_t *)meta, key, value) {
        if (!json_is_string(value)) {
            return damaged(r, 8, "metadata %s is not text", key);
        }
        list[r->out->n_meta].key = mn__arena_text(&r->out->arena, key);
        list[r->out->n_meta].value = mn__arena_text(&r->out->arena, json_string_value(value));
        if (list[r->out->n_meta].key == NULL || list[r->out->n_meta].value == NULL) {
            return mn_fail(r->cx, MN_NOMEM, "%s: no memory for its metadata", r->path);
        }
        r->out->n_meta++;
    }
    return MN_OK;
}

struct range {
    size_t begin, end;
};

static int by_begin(const void *a, const void *b) {
    const struct range *x = a, *y = b;
    return x->begin != y->begin ? (x->begin < y->begin ? -1 : 1)
                                : (x->end > y->end) - (x->end < y->end);
}

/* The data is covered once, from its first byte to its last. */
static int check_cover(struct reader *r, const size_t *begins) {
    struct range *ranges = malloc(((size_t)r->out->n + 1) * sizeof *ranges);
    size_t at = 0;
    int status = MN_OK;
    if (ranges == NULL) {
        return mn_fail(r->cx, MN_NOMEM, "%s: no memory to check it", r->path);
    }
    for (int i = 0; i < r->out->n; i++) {
        ranges[i] = (struct range){begins[i], begins[i] + bytes_of(&r->out->tensors[i])};
    }
    qsort(ranges, (size_t)r->out->n, sizeof *ranges, by_begin);
    for (int i = 0; status == MN_OK && i < r->out->n; i++) {
        if (ranges[i].begin != at) {
            status = damaged(r, r->data + at, "tensors overlap or leave a gap");
        }
        at = ranges[i].end;
    }
    free(ranges);
    if (status == MN_OK && at != r->size - r->data) {
        status =
            damaged(r, r->data + at, "%zu bytes follow the last tensor", r->size - r->data - at);
    }
    return status;
}

static int check_crc(struct reader *r) {
    const char *stored = mn__tensors_meta(r->out, "crc32");
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

static int read_entries(struct reader *r, const json_t *root) {
    const size_t n = json_object_size(root);
    if (n > MOST_TENSORS) {
        return damaged(r, 8, "%zu tensors; at most %d are read", n, MOST_TENSORS);
    }
    size_t *begins = malloc((n + 1) * sizeof *begins);
    r->out->tensors = begins == NULL
                          ? NULL
                          : mn__arena_zeroed(&r->out->arena, (n + 1) * sizeof(struct mn__tensor));
    if (r->out->tensors == NULL) {
        free(begins);
        return mn_fail(r->cx, MN_NOMEM, "%s: no memory for %zu tensors", r->path, n);
    }
    int status = MN_OK;
    const char *name;
    json_t *entry;
    json_object_foreach((json_t *)root, name, entry) {
        status = strcmp(name, "__metadata__") == 0
                     ? read_metadata(r, entry)
                     : read_tensor(r, name, entry, &begins[r->out->n]);
        if (status != MN_OK) {
            break;
        }
    }
    if (status == MN_OK) {
        status = check_cover(r, begins);
    }
    free(begins);
    return status;
}

static int parse(struct reader *r) {
    uint64_t length = 0;
    json_error_t error;
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
    json_t *root =
        json_loadb((const char *)r->bytes + 8, (size_t)length, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL || !json_is_object(root)) {
        json_decref(root);
        return damaged(r, 8 + (size_t)(error.position > 0 ? error.position : 0),
                       "the header is not a JSON object: %s", root == NULL ? error.text : "other");
    }
    int status = read_entries(r, root);
    json_decref(root);
    return status != MN_OK ? status : check_crc(r);
}

int mn__tensors_read(struct mn_cx *cx, const char *path, struct mn__tensors *out) {
    struct reader r = {.cx = cx, .path = path, .out = out};
    uint8_t *bytes;
    *out = (struct mn__tensors){0};
    int status = mn__file_read(cx, path, SIZE_MAX / 2, &bytes, &r.size);
    if (status != MN_OK) {
        return status;
    }
    r.bytes = bytes;
    status = parse(&r);
    free(bytes);
    if (status != MN_OK) {
        mn__tensors_fini(out);
    }
    return status;
}

void mn__tensors_fini(struct mn__tensors *tensors) {
    mn__arena_fini(&tensors->arena);
    *tensors = (struct mn__tensors){0};
}

/* ---- using -------------------------------------------------------------------------------- */

const struct mn__tensor *mn__tensors_find(const struct mn__tensors *tensors, const char *name) {
    for (int i = 0; i < tensors->n; i++) {
        if (strcmp(tensors->tensors[i].name, name) == 0) {
            return &tensors->tensors[i];
        }
    }
    return NULL;
}

const char *mn__tensors_meta(const struct mn__tensors *tensors, const char *key) {
    for (int i = 0; i < tensors->n_meta; i++) {
        if (strcmp(tensors->metadata[i].key, key) == 0) {
            return tensors->metadata[i].value;
        }
    }
    return NULL;
}

int mn__tensor_reals(struct mn_cx *cx, const struct mn__tensor *tensor, mn_real *out) {
    const int64_t n = mn__tensor_count(tensor);
    if (tensor->dtype == MN__F32) {
        const float *from = tensor->data;
        for (int64_t i = 0; i < n; i++) {
            out[i] = (mn_real)from[i];
        }
        return MN_OK;
    }
    if (tensor->dtype == MN__F64) {
        const double *from = tensor->data;
        for (int64_t i = 0; i < n; i++) {
            out[i] = (mn_real)from[i];
        }
        return MN_OK;
    }
    return mn_fail(cx, MN_IO, "tensor %s has dtype %s; F32 or F64 is needed", tensor->name,
                   dtypes[tensor->dtype].name);
}

int mn__tensor_ints(struct mn_cx *cx, const struct mn__tensor *tensor, int32_t *out) {
    const int64_t n = mn__tensor_count(tensor);
    if (tensor->dtype == MN__I32) {
        memcpy(out, tensor->data, (size_t)n * sizeof *out);
        return MN_OK;
    }
    if (tensor->dtype != MN__I64) {
        return mn_fail(cx, MN_IO, "tensor %s has dtype %s; I32 or I64 is needed", tensor->name,
                       dtypes[tensor->dtype].name);
    }
    const int64_t *from = tensor->data;
    for (int64_t i = 0; i < n; i++) {
        if (from[i] < INT32_MIN || from[i] > INT32_MAX) {
            return mn_fail(cx, MN_IO,
                           "tensor %s: element %" PRId64 " is %" PRId64 ", too large for a label",
                           tensor->name, i, from[i]);
        }
        out[i] = (int32_t)from[i];
    }
    return MN_OK;
}
