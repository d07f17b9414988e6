/* SPDX-License-Identifier: MIT */
#include "store/provenance.h"

#include "base/file.h"
#include "base/text.h"
#include "learn/config_diff.h"
#include "learn/configuration.h"
#include "learn/fingerprint.h"
#include "learn/schedules.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { MOST_FILE = 1 << 30 };

int nas_provenance_checksum(struct mn_ctx *ctx, const char *file, uint32_t *out) {
    uint8_t *data;
    size_t length;
    const int status = nas_file_read(ctx, file, MOST_FILE, &data, &length);
    if (status == MN_OK) {
        *out = (uint32_t)crc32_z(crc32(0, NULL, 0), data, length);
        free(data);
    }
    return status;
}

/* "soft_prune of soft_prune 0.1.0, file crc32 0123abcd"; NULL where status is not MN_OK. */
static const char *origin_of(struct nas_experiment *e, struct mn_ctx *ctx, const struct nas_unit *u,
                             int *status) {
    uint32_t crc = 0;
    if (u->file[0] == '/') { /* others were registered without a file */
        *status = nas_provenance_checksum(ctx, u->file, &crc);
        if (*status != MN_OK) {
            return NULL;
        }
    }
    const char *text = nas_arena_format(&e->arena, "%s of %s %s, file crc32 %08" PRIx32,
                                        u->unit->name, u->plugin->name, u->plugin->version, crc);
    *status = text != NULL ? MN_OK : mn_fail(ctx, MN_NOMEM, "no memory for plugin names");
    return text;
}

static int note_operations(struct nas_experiment *e, struct mn_ctx *ctx) {
    const struct nas_instance *x;
    const char *name;
    int status = MN_OK;
    for (int i = 0; (x = nas_operations_at(&e->operations, i, &name)) != NULL; i++) {
        const char *before = e->operation_plugins;
        const char *origin = origin_of(e, ctx, &x->unit, &status);
        if (status != MN_OK) {
            return status;
        }
        e->operation_plugins =
            nas_arena_format(&e->arena, "%s%s%s: %s", before != NULL ? before : "",
                             before != NULL ? "; " : "", name, origin);
        if (e->operation_plugins == NULL) {
            return mn_fail(ctx, MN_NOMEM, "no memory for plugin names");
        }
    }
    return MN_OK;
}

int nas_provenance_note(struct nas_experiment *e, struct mn_ctx *ctx) {
    int status = MN_OK;
    for (int i = 0; status == MN_OK && i < nas_configuration_units(e); i++) {
        e->plugins[i] = origin_of(e, ctx, &nas_configuration_unit(e, i)->unit, &status);
    }
    return status != MN_OK ? status : note_operations(e, ctx);
}

int nas_provenance_describe(const struct nas_experiment *e, struct nas_metadata *out) {
    int n = 0;
    for (int i = 0; i < nas_configuration_units(e); i++) {
        out[n++] = (struct nas_metadata){nas_configuration_unit_section(e, i), e->plugins[i]};
    }
    if (e->operation_plugins != NULL) {
        out[n++] = (struct nas_metadata){"operations", e->operation_plugins};
    }
    if (e->fingerprint != NULL) {
        out[n++] = (struct nas_metadata){NAS_DATA_KEY, e->fingerprint};
    }
    out[n++] = (struct nas_metadata){"version", NAS_VERSION};
    out[n++] = (struct nas_metadata){"kernels", e->kernels->name};
    out[n++] = (struct nas_metadata){"blas", nas_gemm_version()};
    return n;
}

int nas_provenance_text(const struct nas_experiment *e, struct mn_ctx *ctx, char **out) {
    struct nas_metadata all[NAS_PROVENANCE_ENTRIES];
    const int n = nas_provenance_describe(e, all);
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    for (int i = 0; stream != NULL && i < n; i++) {
        fprintf(stream, "%s: %s\n", all[i].key, all[i].value);
    }
    if (stream == NULL || fclose(stream) != 0) {
        free(text);
        return mn_fail(ctx, MN_NOMEM, "no memory for plugin names");
    }
    *out = text;
    return MN_OK;
}

/* ---- going on ----------------------------------------------------------------------------- */

static int check_seed(const struct nas_experiment *e, struct mn_ctx *ctx, const char *path,
                      const struct nas_safetensors *file) {
    int64_t seed;
    const char *text = nas_safetensors_meta(file, "seed");
    if (text != NULL && nas_text_int(text, &seed) && seed == e->run.seed) {
        return MN_OK;
    }
    return mn_fail(ctx, MN_CONFIG, "%s: was made with run.seed %s, the configuration has %" PRId64,
                   path, text != NULL ? text : "unknown", e->run.seed);
}

#define ACCEPT "; --accept-changes goes on all the same"

static int check_config(const struct nas_experiment *e, struct mn_ctx *ctx, const char *path,
                        const struct nas_safetensors *file, int accept) {
    const char *then = nas_safetensors_meta(file, "config");
    struct nas_config_diff d = {"", "", ""};
    const int status =
        then != NULL ? nas_config_diff_find(e, ctx, path, then, nas_config_may_change, &d) : MN_OK;
    if (status != MN_OK || d.key[0] == '\0') {
        return status;
    }
    if (!accept) {
        return mn_fail(ctx, MN_CONFIG,
                       "%s: was made with another configuration: %s was %s, now it is %s" ACCEPT,
                       path, d.key, d.there, d.here);
    }
    mn_log(ctx, MN_LOG_WARN,
           "%s: %s was %s, now it is %s: the configuration no longer tells how this run came about",
           path, d.key, d.there, d.here);
    return MN_OK;
}

/* One entry of nas_provenance_describe. */
static int check_entry(struct mn_ctx *ctx, const char *path, const struct nas_metadata *now,
                       const char *then, int refuse) {
    if (then != NULL && strcmp(then, now->value) == 0) {
        return MN_OK;
    }
    then = then != NULL ? then : "unknown";
    if (refuse) {
        return mn_fail(ctx, MN_CONFIG,
                       "%s: was made with another plugin: %s was '%s', now it is '%s'" ACCEPT, path,
                       now->key, then, now->value);
    }
    mn_log(ctx, MN_LOG_WARN,
           "%s: %s was '%s', now it is '%s': the run may not end with the same bits", path,
           now->key, then, now->value);
    return MN_OK;
}

static void check_length(const struct nas_experiment *e, struct mn_ctx *ctx,
                         const struct nas_safetensors *file) {
    const char *config = nas_safetensors_meta(file, "config");
    const char *epoch = nas_safetensors_meta(file, "meta_epoch");
    int64_t before, now;
    if (config != NULL && epoch != NULL && nas_text_int(epoch, &now) &&
        nas_config_int(config, "run", "meta_epochs", &before)) {
        nas_schedules_tell(e, ctx, before, now);
    }
}

int nas_provenance_check(const struct nas_experiment *e, struct mn_ctx *ctx, const char *path,
                         const struct nas_safetensors *file, int accept) {
    struct nas_metadata now[NAS_PROVENANCE_ENTRIES];
    const int n = nas_provenance_describe(e, now);
    const int n_plugins = nas_configuration_units(e) + (e->operation_plugins != NULL);
    int status = check_seed(e, ctx, path, file);
    if (status == MN_OK) {
        status = check_config(e, ctx, path, file, accept);
    }
    for (int i = 0; status == MN_OK && i < n; i++) {
        const char *then = nas_safetensors_meta(file, now[i].key);
        status = strcmp(now[i].key, NAS_DATA_KEY) == 0
                     ? nas_fingerprint_check(e, ctx, path, then, accept)
                     : check_entry(ctx, path, &now[i], then, i < n_plugins && !accept);
    }
    if (status == MN_OK) {
        check_length(e, ctx, file);
    }
    return status;
}
