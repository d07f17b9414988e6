/* SPDX-License-Identifier: MIT */
#ifndef NAS_STORE_SAFETENSORS_H
#define NAS_STORE_SAFETENSORS_H

/* Tensors in files: the safetensors format (8-byte little-endian header length, JSON header, data).
 * The header is read and written with jansson. Written to a temporary name in the same folder,
 * fsynced, renamed, the folder fsynced. */

#include "base/ctx.h"

enum nas_dtype { NAS_F32, NAS_F64, NAS_I32, NAS_I64, NAS_U8, NAS_FLOAT16, NAS_BFLOAT16 };

struct nas_safetensor {
    const char *name;
    enum nas_dtype dtype;
    int n_dims;
    int64_t dims[8];
    const void *data; /* row-major, little-endian, 8-byte aligned */
};

struct nas_metadata {
    const char *key, *value;
};

/* Write a file. `metadata` goes to __metadata__, with a crc32 of the whole file under "crc32" (its
 * own digits taken as zeros). Texts are UTF-8.
 * On any failure the final name is untouched and the temporary file removed; the message names the
 * file, the step and errno. */
int nas_safetensors_write(struct mn_ctx *ctx, const char *path, int n,
                          const struct nas_safetensor *tensors, int n_meta,
                          const struct nas_metadata *metadata);

/* A file read whole. Refused with file, offset and reason: truncated, header too large or not JSON,
 * offsets that overlap, leave gaps or leave the file, sizes that do not match shapes, duplicate
 * names, wrong crc32 (checked where present); and a dtype that is not read, by its name. Memory is
 * a small multiple of the file's size. */
struct nas_safetensors {
    int n;
    struct nas_safetensor *tensors;
    int n_meta;
    struct nas_metadata *metadata;
    struct nas_arena arena;
};
int nas_safetensors_read(struct mn_ctx *ctx, const char *path, struct nas_safetensors *out);
void nas_safetensors_fini(struct nas_safetensors *tensors);
const struct nas_safetensor *nas_safetensors_find(const struct nas_safetensors *tensors,
                                                  const char *name);
/* The value of a key; NULL = there is none. */
const char *nas_safetensors_meta(const struct nas_safetensors *tensors, const char *key);
const char *nas_metadata_find(int n, const struct nas_metadata *metadata, const char *key);
int64_t nas_safetensor_count(const struct nas_safetensor *tensor);
/* A shape as people read it: "[5, 1, 28, 28]". */
void nas_shape_text(int n_dims, const int64_t *dims, char *out, size_t size);
/* Whether it holds numbers with a point, of any precision. */
int nas_safetensor_is_real(const struct nas_safetensor *tensor);
/* Copy to reals, converting F64, F32, F16 and BF16; MN_IO names the tensor for other types. */
int nas_safetensor_reals(struct mn_ctx *ctx, const struct nas_safetensor *tensor, mn_real *out);
int nas_safetensor_ints(struct mn_ctx *ctx, const struct nas_safetensor *tensor, int32_t *out);

#endif
