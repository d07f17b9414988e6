/* SPDX-License-Identifier: MIT */
#ifndef MN__RUN_CHECKPOINT_H
#define MN__RUN_CHECKPOINT_H

/* Tensors in files: the safetensors format (8-byte little-endian header length, JSON header, data).
 * The header is read and written with jansson. Written to a temporary name in the same folder,
 * fsynced, renamed, the folder fsynced. */

#include "base/cx.h"

enum mn__dtype { MN__F32, MN__F64, MN__I32, MN__I64, MN__U8, MN__FLOAT16, MN__BFLOAT16 };

struct mn__tensor {
    const char *name;
    enum mn__dtype dtype;
    int n_dims;
    int64_t dims[8];
    const void *data; /* row-major, little-endian, 8-byte aligned */
};

struct mn__meta {
    const char *key, *value;
};

/* Write a file. `metadata` goes to __metadata__, with a crc32 of the whole file under "crc32" (its
 * own digits taken as zeros). Texts are UTF-8.
 * On any failure the final name is untouched and the temporary file removed; the message names the
 * file, the step and errno. */
int mn__tensors_write(struct mn_cx *cx, const char *path, int n, const struct mn__tensor *tensors,
                      int n_meta, const struct mn__meta *metadata);

/* A file read whole. Refused with file, offset and reason: truncated, header too large or not JSON,
 * offsets that overlap, leave gaps or leave the file, sizes that do not match shapes, duplicate
 * names, wrong crc32 (checked where present); and a dtype that is not read, by its name. Memory is
 * a small multiple of the file's size: the header is taken member by member. */
struct mn__tensors {
    int n;
    struct mn__tensor *tensors;
    int n_meta;
    struct mn__meta *metadata;
    struct mn__arena arena;
};
int mn__tensors_read(struct mn_cx *cx, const char *path, struct mn__tensors *out);
void mn__tensors_fini(struct mn__tensors *tensors);
const struct mn__tensor *mn__tensors_find(const struct mn__tensors *tensors, const char *name);
const char *mn__tensors_meta(const struct mn__tensors *tensors, const char *key);
int64_t mn__tensor_count(const struct mn__tensor *tensor);
/* Whether it holds numbers with a point, of any precision. */
int mn__tensor_is_real(const struct mn__tensor *tensor);
/* Copy to reals, converting F64, F32, F16 and BF16; MN_IO names the tensor for other types. */
int mn__tensor_reals(struct mn_cx *cx, const struct mn__tensor *tensor, mn_real *out);
int mn__tensor_ints(struct mn_cx *cx, const struct mn__tensor *tensor, int32_t *out);

#endif
