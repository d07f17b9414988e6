/* SPDX-License-Identifier: MIT */

/* Change and compare files of tensors, for the command-line tests:
 *   tensors edit IN OUT EDIT...   edits: drop NAME, rename OLD NEW, reshape NAME DIMS,
 *                                 nudge NAME INDEX DELTA, images NAME DIMS, labels NAME DIMS WAYS
 *   tensors get FILE NAME INDEX   print one element
 *   tensors names FILE            print "NAME DTYPE DIMS" of every tensor
 *   tensors differ A B            print the largest difference over the tensors of A, relative to
 *                                 max(1, |a|); fail where B lacks one or has another shape
 * DIMS are sizes joined with x. IN may be "-": start from nothing. */

#include "store/safetensors.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 4096 };

struct file {
    int n;
    struct nas_safetensor at[MOST];
    struct nas_arena arena;
    struct nas_safetensors read;
};

static struct nas_ctx context;

static void stop(const char *why) {
    fprintf(stderr, "tensors: %s\n", why);
    exit(1);
}

static void load(const char *path, struct file *file) {
    if (nas_safetensors_read(&context.pub, path, &file->read) != MN_OK) {
        stop(nas_ctx_message(&context.pub));
    }
    for (file->n = 0; file->n < file->read.n && file->n < MOST; file->n++) {
        file->at[file->n] = file->read.tensors[file->n];
    }
}

static int find(const struct file *file, const char *name) {
    for (int i = 0; i < file->n; i++) {
        if (strcmp(file->at[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

static struct nas_safetensor *get(struct file *file, const char *name) {
    const int i = find(file, name);
    if (i < 0) {
        fprintf(stderr, "tensors: no tensor '%s'\n", name);
        exit(1);
    }
    return &file->at[i];
}

static double element(const struct nas_safetensor *t, int64_t i) {
    switch (t->dtype) {
    case NAS_F32:
        return (double)((const float *)t->data)[i];
    case NAS_F64:
        return ((const double *)t->data)[i];
    case NAS_I32:
        return ((const int32_t *)t->data)[i];
    case NAS_I64:
        return (double)((const int64_t *)t->data)[i];
    case NAS_U8:
        return ((const uint8_t *)t->data)[i];
    default:
        break;
    }
    return NAN;
}

static void parse_dims(const char *text, struct nas_safetensor *t) {
    char *end = (char *)(uintptr_t)text;
    for (t->n_dims = 0; t->n_dims < 8; t->n_dims++) {
        t->dims[t->n_dims] = strtoll(end, &end, 10);
        if (*end != 'x') {
            t->n_dims++;
            return;
        }
        end++;
    }
}

/* ---- edits ---------------------------------------------------------------------------------- */

static struct nas_safetensor *add(struct file *file, const char *name, const char *dims,
                                  enum nas_dtype dtype, void **data) {
    if (file->n == MOST) {
        stop("too many tensors");
    }
    struct nas_safetensor *t = &file->at[file->n++];
    *t = (struct nas_safetensor){.name = name, .dtype = dtype};
    parse_dims(dims, t);
    *data = nas_arena_zeroed(&file->arena, (size_t)nas_safetensor_count(t) * 8);
    if (*data == NULL) {
        stop("no memory");
    }
    t->data = *data;
    return t;
}

static void edit_images(struct file *file, const char *name, const char *dims) {
    void *data;
    struct nas_safetensor *t = add(file, name, dims, NAS_F32, &data);
    struct mn_rng rng = mn_rng_make(7, MN_RNG_PLUGIN, 0, 0, (uint32_t)file->n, 0);
    for (int64_t i = 0; i < nas_safetensor_count(t); i++) {
        ((float *)data)[i] = (float)mn_rng_uniform(&rng);
    }
}

static void edit_labels(struct file *file, const char *name, const char *dims, int ways) {
    void *data;
    struct nas_safetensor *t = add(file, name, dims, NAS_I64, &data);
    for (int64_t i = 0; i < nas_safetensor_count(t); i++) {
        ((int64_t *)data)[i] = i % ways;
    }
}

static void edit_nudge(struct file *file, const char *name, int64_t i, double delta) {
    struct nas_safetensor *t = get(file, name);
    void *at = (void *)(uintptr_t)t->data; /* our own copy of the file */
    if (i < 0 || i >= nas_safetensor_count(t)) {
        stop("nudge: no such element");
    }
    switch (t->dtype) {
    case NAS_F32:
        ((float *)at)[i] += (float)delta;
        break;
    case NAS_F64:
        ((double *)at)[i] += delta;
        break;
    case NAS_I64:
        ((int64_t *)at)[i] += (int64_t)delta;
        break;
    default:
        stop("nudge: not a type to change");
    }
}

static int is_edit(char **word, int left, const char *name, int operands) {
    if (strcmp(word[0], name) != 0) {
        return 0;
    }
    if (left <= operands) {
        stop("edit without all its operands");
    }
    return 1;
}

/* Applies one edit; returns the words it took. */
static int apply(struct file *file, char **word, int left) {
    if (is_edit(word, left, "drop", 1)) {
        struct nas_safetensor *t = get(file, word[1]);
        memmove(t, t + 1, (size_t)(&file->at[--file->n] - t) * sizeof *t);
        return 2;
    }
    if (is_edit(word, left, "rename", 2)) {
        get(file, word[1])->name = word[2];
        return 3;
    }
    if (is_edit(word, left, "reshape", 2)) {
        struct nas_safetensor *t = get(file, word[1]);
        const int64_t before = nas_safetensor_count(t);
        parse_dims(word[2], t);
        if (nas_safetensor_count(t) > before) {
            stop("reshape: larger than before");
        }
        return 3;
    }
    if (is_edit(word, left, "nudge", 3)) {
        edit_nudge(file, word[1], strtoll(word[2], NULL, 10), strtod(word[3], NULL));
        return 4;
    }
    if (is_edit(word, left, "images", 2)) {
        edit_images(file, word[1], word[2]);
        return 3;
    }
    if (is_edit(word, left, "labels", 3)) {
        edit_labels(file, word[1], word[2], (int)strtol(word[3], NULL, 10));
        return 4;
    }
    stop("unknown edit");
    return left;
}

static int edit(int argc, char **argv) {
    static struct file file;
    if (strcmp(argv[2], "-") != 0) {
        load(argv[2], &file);
    }
    for (int i = 4; i < argc;) {
        i += apply(&file, argv + i, argc - i);
    }
    if (nas_safetensors_write(&context.pub, argv[3], file.n, file.at, 0, NULL) != MN_OK) {
        stop(nas_ctx_message(&context.pub));
    }
    nas_safetensors_fini(&file.read);
    nas_arena_fini(&file.arena);
    return 0;
}

/* ---- questions ------------------------------------------------------------------------------ */

static int print_names(const char *path) {
    static const char *const types[] = {"F32", "F64", "I32", "I64", "U8"};
    static struct file file;
    load(path, &file);
    for (int i = 0; i < file.n; i++) {
        printf("%s %s ", file.at[i].name, types[file.at[i].dtype]);
        for (int d = 0; d < file.at[i].n_dims; d++) {
            printf("%s%" PRId64, d > 0 ? "x" : "", file.at[i].dims[d]);
        }
        printf("\n");
    }
    nas_safetensors_fini(&file.read);
    return 0;
}

static int differ(const char *left, const char *right) {
    static struct file a, b;
    double most = 0;
    load(left, &a);
    load(right, &b);
    for (int i = 0; i < a.n; i++) {
        const struct nas_safetensor *x = &a.at[i], *y = get(&b, x->name);
        if (x->n_dims != y->n_dims ||
            memcmp(x->dims, y->dims, (size_t)x->n_dims * sizeof *x->dims) != 0) {
            stop("shapes differ");
        }
        for (int64_t k = 0; k < nas_safetensor_count(x); k++) {
            const double p = element(x, k), q = element(y, k);
            const double d = fabs(p - q) / fmax(1, fabs(p));
            most = d > most || isnan(d) ? d : most;
        }
    }
    printf("%.3e\n", most);
    nas_safetensors_fini(&a.read);
    nas_safetensors_fini(&b.read);
    return 0;
}

static int print_element(const char *path, const char *name, int64_t i) {
    static struct file file;
    load(path, &file);
    const struct nas_safetensor *t = get(&file, name);
    if (i < 0 || i >= nas_safetensor_count(t)) {
        stop("no such element");
    }
    printf("%.17g\n", element(t, i));
    nas_safetensors_fini(&file.read);
    return 0;
}

int main(int argc, char **argv) {
    nas_ctx_init(&context, NULL);
    if (argc >= 4 && strcmp(argv[1], "edit") == 0) {
        return edit(argc, argv);
    }
    if (argc == 5 && strcmp(argv[1], "get") == 0) {
        return print_element(argv[2], argv[3], strtoll(argv[4], NULL, 10));
    }
    if (argc == 3 && strcmp(argv[1], "names") == 0) {
        return print_names(argv[2]);
    }
    if (argc == 4 && strcmp(argv[1], "differ") == 0) {
        return differ(argv[2], argv[3]);
    }
    stop("usage: tensors edit|get|names|differ ...");
    return 1;
}
