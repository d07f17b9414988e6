/* SPDX-License-Identifier: MIT */
#include "run/origin.h"

#include "base/text.h"
#include "run/difference.h"
#include "run/file.h"
#include "run/fingerprint.h"
#include "run/schedules.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { MOST_FILE = 1 << 30 };

int mn__origin_checksum(struct mn_cx *cx, const char *file, uint32_t *out) {
    uint8_t *data;
    size_t length;
    const int status = mn__file_read(cx, file, MOST_FILE, &data, &length);
    if (status == MN_OK) {
        *out = (uint32_t)crc32_z(crc32(0, NULL, 0), data, length);
        free(data);
    }
    return status;
}

/* "soft_prune of soft_prune 0.1.0, file crc32 0123abcd"; NULL where status is not MN_OK. */
static const char *origin_of(struct mn__experiment *e, struct mn_cx *cx, const struct mn__unit *u,
                             int *status) {
    uint32_t crc = 0;
    if (u->file[0] == '/') { /* others were registered without a file */
        *status = mn__origin_checksum(cx, u->file, &crc);
        if (*status != MN_OK) {
            return NULL;
        }
    }
    const char *text = mn__arena_format(&e->arena, "%s of %s %s, file crc32 %08" PRIx32,
                                        u->unit->name, u->plugin->name, u->plugin->version, crc);
    *status = text != NULL ? MN_OK : mn_fail(cx, MN_NOMEM, "no memory for plugin names");
    return text;
}

static int note_operations(struct mn__experiment *e, struct mn_cx *cx) {
    const struct mn__instance *x;
    const char *name;
    int status = MN_OK;
    for (int i = 0; (x = mn__operations_at(&e->operations, i, &name)) != NULL; i++) {
        const char *before = e->operation_plugins;
        const char *origin = origin_of(e, cx, &x->unit, &status);
        if (status != MN_OK) {
            return status;
        }
        e->operation_plugins =
            mn__arena_format(&e->arena, "%s%s%s: %s", before != NULL ? before : "",
                             before != NULL ? "; " : "", name, origin);
        if (e->operation_plugins == NULL) {
            return mn_fail(cx, MN_NOMEM, "no memory for plugin names");
        }
    }
    return MN_OK;
}

int mn__origin_note(struct mn__experiment *e, struct mn_cx *cx) {
    int status = MN_OK;
    for (int i = 0; status == MN_OK && i < mn__experiment_units(e); i++) {
        e->plugins[i] = origin_of(e, cx, &mn__experiment_unit(e, i)->unit, &status);
    }
    return status != MN_OK ? status : note_operations(e, cx);
}

int mn__origin_describe(const struct mn__experiment *e, struct mn__meta *out) {
    int n = 0;
    for (int i = 0; i < mn__experiment_units(e); i++) {
        out[n++] = (struct mn__meta){mn__experiment_unit_section(e, i), e->plugins[i]};
    }
    if (e->operation_plugins != NULL) {
        out[n++] = (struct mn__meta){"operations", e->operation_plugins};
    }
    if (e->fingerprint != NULL) {
        out[n++] = (struct mn__meta){MN__DATA_KEY, e->fingerprint};
    }
    out[n++] = (struct mn__meta){"version", MN__VERSION};
    out[n++] = (struct mn__meta){"kernels", e->kernels->name};
    out[n++] = (struct mn__meta){"blas", mn__gemm_version()};
    return n;
}

int mn__origin_text(const struct mn__experiment *e, struct mn_cx *cx, char **out) {
    struct mn__meta all[MN__ORIGIN_ENTRIES];
    const int n = mn__origin_describe(e, all);
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    for (int i = 0; stream != NULL && i < n; i++) {
        fprintf(stream, "%s: %s\n", all[i].key, all[i].value);
    }
    if (stream == NULL || fclose(stream) != 0) {
        free(text);
        return mn_fail(cx, MN_NOMEM, "no memory for plugin names");
    }
    *out = text;
    return MN_OK;
}

/* ---- going on ----------------------------------------------------------------------------- */

static int check_seed(const struct mn__experiment *e, struct mn_cx *cx, const char *path,
                      const struct mn__tensors *file) {
    int64_t seed;
    const char *text = mn__tensors_meta(file, "seed");
    if (text != NULL && mn__text_int(text, &seed) && seed == e->run.seed) {
        return MN_OK;
    }
    return mn_fail(cx, MN_CONFIG, "%s: was made with run.seed %s, the configuration has %" PRId64,
                   path, text != NULL ? text : "unknown", e->run.seed);
}

#define ACCEPT "; --accept-changes goes on all the same"

static int check_config(const struct mn__experiment *e, struct mn_cx *cx, const char *path,
                        const struct mn__tensors *file, int accept) {
    const char *then = mn__tensors_meta(file, "config");
    struct mn__difference d = {"", "", ""};
    const int status =
        then != NULL ? mn__difference_find(e, cx, path, then, mn__resume_may_change, &d) : MN_OK;
    if (status != MN_OK || d.key[0] == '\0') {
        return status;
    }
    if (!accept) {
        return mn_fail(cx, MN_CONFIG,
                       "%s: was made with another configuration: %s was %s, now it is %s" ACCEPT,
                       path, d.key, d.there, d.here);
    }
    mn_log(cx, MN_LOG_WARN,
           "%s: %s was %s, now it is %s: the configuration no longer tells how this run came about",
           path, d.key, d.there, d.here);
    return MN_OK;
}

/* One entry of mn__origin_describe. */
static int check_entry(struct mn_cx *cx, const char *path, const struct mn__meta *now,
                       const char *then, int refuse) {
    if (then != NULL && strcmp(then, now->value) == 0) {
        return MN_OK;
    }
    then = then != NULL ? then : "unknown";
    if (refuse) {
        return mn_fail(cx, MN_CONFIG,
                       "%s: was made with another plugin: %s was '%s', now it is '%s'" ACCEPT, path,
                       now->key, then, now->value);
    }
    mn_log(cx, MN_LOG_WARN,
           "%s: %s was '%s', now it is '%s': the run may not end with the same bits", path,
           now->key, then, now->value);
    return MN_OK;
}

static void check_length(const struct mn__experiment *e, struct mn_cx *cx,
                         const struct mn__tensors *file) {
    const char *config = mn__tensors_meta(file, "config");
    const char *epoch = mn__tensors_meta(file, "meta_epoch");
    int64_t before, now;
    if (config != NULL && epoch != NULL && mn__text_int(epoch, &now) &&
        mn__resolved_int(config, "run", "meta_epochs", &before)) {
        mn__schedules_tell(e, cx, before, now);
    }
}

int mn__origin_check(const struct mn__experiment *e, struct mn_cx *cx, const char *path,
                     const struct mn__tensors *file, int accept) {
    struct mn__meta now[MN__ORIGIN_ENTRIES];
    const int n = mn__origin_describe(e, now);
    const int n_plugins = mn__experiment_units(e) + (e->operation_plugins != NULL);
    int status = check_seed(e, cx, path, file);
    if (status == MN_OK) {
        status = check_config(e, cx, path, file, accept);
    }
    for (int i = 0; status == MN_OK && i < n; i++) {
        const char *then = mn__tensors_meta(file, now[i].key);
        status = strcmp(now[i].key, MN__DATA_KEY) == 0
                     ? mn__fingerprint_check(e, cx, path, then, accept)
                     : check_entry(cx, path, &now[i], then, i < n_plugins && !accept);
    }
    if (status == MN_OK) {
        check_length(e, cx, file);
    }
    return status;
}
