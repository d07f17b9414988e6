/* SPDX-License-Identifier: MIT */
#include "record.h"

#include "../rundir.h"

#include "base/file.h"
#include "base/text.h"
#include "store/checkpoint_store.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_TEXT = 1 << 20 };

/* DIR/NAME in *out, or NULL in it where there is no such file. */
static int find(struct mn_ctx *ctx, struct record *s, const char *name, const char **out) {
    TRY(rundir_file(ctx, &s->arena, s->dir, name, out));
    if (access(*out, F_OK) != 0) {
        *out = NULL;
    }
    return MN_OK;
}

static int read_text(struct mn_ctx *ctx, struct record *s, const char *name, const char **path,
                     const char **out) {
    CLEANUP(nas_free) uint8_t *bytes = NULL;
    size_t length;
    TRY(find(ctx, s, name, path));
    if (*path == NULL) {
        return MN_OK;
    }
    TRY(nas_file_read(ctx, *path, MOST_TEXT, &bytes, &length));
    *out = nas_arena_text(&s->arena, (const char *)bytes);
    return *out != NULL ? MN_OK : no_memory(ctx);
}

static int read_config(struct mn_ctx *ctx, struct record *s, const char *name) {
    struct nas_faults faults = {.arena = &s->arena};
    const char *path;
    TRY(read_text(ctx, s, name, &path, &s->config));
    if (path == NULL) {
        return MN_OK;
    }
    s->root = nas_yaml_parse(&s->arena, path, s->config, strlen(s->config), &faults);
    if (faults.count > 0) {
        nas_faults_print(&faults, stderr);
        return mn_fail(ctx, MN_CONFIG, "%s: not a configuration", path);
    }
    return MN_OK;
}

static int read_table(struct mn_ctx *ctx, struct record *s, const char *name,
                      struct nas_csv **out) {
    const char *path;
    TRY(find(ctx, s, name, &path));
    if (path == NULL) {
        return MN_OK;
    }
    *out = nas_arena_zeroed(&s->arena, sizeof **out);
    return *out != NULL ? nas_csv_read(ctx, &s->arena, path, *out) : no_memory(ctx);
}

int record_add_line(void *data, struct mn_ctx *ctx, json_t *object) {
    struct lines *lines = data;
    if (lines->n == lines->room) {
        const size_t room = lines->room > 0 ? 2 * lines->room : 64;
        json_t **at = realloc(lines->at, room * sizeof *at);
        if (at == NULL) {
            return no_memory(ctx);
        }
        lines->at = at;
        lines->room = room;
    }
    lines->at[lines->n++] = json_incref(object);
    return MN_OK;
}

void record_forget_lines(struct lines *lines) {
    for (size_t i = 0; i < lines->n; i++) {
        json_decref(lines->at[i]);
    }
    free(lines->at);
    *lines = (struct lines){0};
}

static int read_lines(struct mn_ctx *ctx, struct record *s, const char *name, struct lines *out) {
    const char *path;
    TRY(find(ctx, s, name, &path));
    return path != NULL ? nas_jsonl_read(ctx, path, record_add_line, out) : MN_OK;
}

static int read_json(struct mn_ctx *ctx, struct record *s, const char *name, json_t **out) {
    const char *path;
    TRY(find(ctx, s, name, &path));
    return path != NULL ? rundir_json(ctx, path, out) : MN_OK;
}

static int read_checkpoint(struct mn_ctx *ctx, struct record *s) {
    const char *path;
    TRY(find(ctx, s, NAS_CHECKPOINT_FILE, &path));
    if (path == NULL) {
        return MN_OK;
    }
    struct nas_safetensors *file = nas_arena_zeroed(&s->arena, sizeof *file);
    TRY(file != NULL ? nas_safetensors_read(ctx, path, file) : no_memory(ctx));
    s->checkpoint = file;
    return MN_OK;
}

int record_take_test(struct mn_ctx *ctx, json_t *test, struct record *s) {
    s->test = test;
    if (test == NULL) {
        return MN_OK;
    }
    s->result = nas_arena_zeroed(&s->arena, sizeof *s->result);
    return s->result != NULL &&
                   nas_columns_read(&nas_record_columns, NAS_IN_TEST, test, &s->arena, s->result)
               ? MN_OK
               : no_memory(ctx);
}

int record_read(struct mn_ctx *ctx, const char *dir, struct record *s) {
    const char *path;
    json_t *test = NULL;
    *s = (struct record){.dir = dir};
    TRY(read_config(ctx, s, "config.resolved.yaml"));
    if (s->config == NULL) {
        TRY(read_config(ctx, s, "sweep.yaml"));
    }
    TRY(read_checkpoint(ctx, s));
    TRY(read_lines(ctx, s, "metrics.jsonl", &s->metrics));
    TRY(read_lines(ctx, s, "timing.jsonl", &s->timing));
    TRY(read_json(ctx, s, "test.json", &test));
    TRY(record_take_test(ctx, test, s));
    TRY(read_json(ctx, s, "sweep.json", &s->command));
    TRY(read_table(ctx, s, "architecture.csv", &s->architecture));
    TRY(read_table(ctx, s, "test-steps.csv", &s->steps));
    TRY(read_text(ctx, s, "results.txt", &path, &s->summary));
    return read_table(ctx, s, "results.csv", &s->results);
}

void record_fini(struct record *s) {
    if (s->checkpoint != NULL) {
        nas_safetensors_fini(s->checkpoint);
    }
    record_forget_lines(&s->metrics);
    record_forget_lines(&s->timing);
    json_decref(s->test);
    json_decref(s->command);
    nas_arena_fini(&s->arena);
}

const char *record_option(const struct record *s, const char *section, const char *key) {
    const struct nas_yaml *map = s->root != NULL ? nas_yaml_get(s->root, section) : NULL;
    const struct nas_yaml *value =
        map != NULL && map->kind == NAS_YAML_MAP ? nas_yaml_get(map, key) : NULL;
    return value != NULL && value->kind == NAS_YAML_SCALAR ? value->text : NULL;
}

double record_number(const struct record *s, const char *section, const char *key) {
    const char *text = record_option(s, section, key);
    double x;
    return text != NULL && nas_text_real(text, &x) ? x : (double)NAN;
}

const char *record_meta(const struct record *s, const char *key) {
    return s->checkpoint != NULL ? nas_safetensors_meta(s->checkpoint, key) : NULL;
}
