/* SPDX-License-Identifier: MIT */
#include "record.h"

#include "../rundir.h"

#include "base/text.h"
#include "run/file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_TEXT = 1 << 20 };

/* DIR/NAME in *out, or NULL in it where there is no such file. */
static int find(struct mn_cx *cx, struct record *s, const char *name, const char **out) {
    const int status = rundir_file(cx, &s->arena, s->dir, name, out);
    if (status == MN_OK && access(*out, F_OK) != 0) {
        *out = NULL;
    }
    return status;
}

static int read_text(struct mn_cx *cx, struct record *s, const char *name, const char **path,
                     const char **out) {
    uint8_t *bytes;
    size_t length;
    int status = find(cx, s, name, path);
    if (status != MN_OK || *path == NULL) {
        return status;
    }
    status = mn__file_read(cx, *path, MOST_TEXT, &bytes, &length);
    if (status == MN_OK) {
        *out = mn__arena_text(&s->arena, (const char *)bytes);
        free(bytes);
        status = *out != NULL ? MN_OK : no_memory(cx);
    }
    return status;
}

static int read_config(struct mn_cx *cx, struct record *s, const char *name) {
    const char *path;
    const int status = read_text(cx, s, name, &path, &s->config);
    if (status != MN_OK || path == NULL) {
        return status;
    }
    struct mn__faults faults = {.arena = &s->arena};
    s->root = mn__yaml_parse(&s->arena, path, s->config, strlen(s->config), &faults);
    if (faults.count > 0) {
        mn__faults_print(&faults, stderr);
        return mn_fail(cx, MN_CONFIG, "%s: not a configuration", path);
    }
    return MN_OK;
}

static int read_table(struct mn_cx *cx, struct record *s, const char *name,
                      struct mn__table **out) {
    const char *path;
    const int status = find(cx, s, name, &path);
    if (status != MN_OK || path == NULL) {
        return status;
    }
    *out = mn__arena_zeroed(&s->arena, sizeof **out);
    return *out != NULL ? mn__table_read(cx, &s->arena, path, *out) : no_memory(cx);
}

int record_add_line(void *data, struct mn_cx *cx, json_t *object) {
    struct lines *lines = data;
    if (lines->n == lines->room) {
        const size_t room = lines->room > 0 ? 2 * lines->room : 64;
        json_t **at = realloc(lines->at, room * sizeof *at);
        if (at == NULL) {
            return no_memory(cx);
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

static int read_lines(struct mn_cx *cx, struct record *s, const char *name, struct lines *out) {
    const char *path;
    const int status = find(cx, s, name, &path);
    return status != MN_OK || path == NULL ? status
                                           : mn__lines_read(cx, path, record_add_line, out);
}

static int read_json(struct mn_cx *cx, struct record *s, const char *name, json_t **out) {
    const char *path;
    const int status = find(cx, s, name, &path);
    return status != MN_OK || path == NULL ? status : rundir_json(cx, path, out);
}

static int read_checkpoint(struct mn_cx *cx, struct record *s) {
    const char *path;
    int status = find(cx, s, "checkpoint.safetensors", &path);
    if (status != MN_OK || path == NULL) {
        return status;
    }
    struct mn__tensors *file = mn__arena_zeroed(&s->arena, sizeof *file);
    status = file != NULL ? mn__tensors_read(cx, path, file) : no_memory(cx);
    s->checkpoint = status == MN_OK ? file : NULL;
    return status;
}

int record_read(struct mn_cx *cx, const char *dir, struct record *s) {
    *s = (struct record){.dir = dir};
    int status = read_config(cx, s, "config.resolved.yaml");
    if (status == MN_OK && s->config == NULL) {
        status = read_config(cx, s, "sweep.yaml");
    }
    if (status == MN_OK) {
        status = read_checkpoint(cx, s);
    }
    if (status == MN_OK) {
        status = read_lines(cx, s, "metrics.jsonl", &s->metrics);
    }
    if (status == MN_OK) {
        status = read_lines(cx, s, "timing.jsonl", &s->timing);
    }
    if (status == MN_OK) {
        status = read_json(cx, s, "test.json", &s->test);
    }
    if (status == MN_OK) {
        status = read_json(cx, s, "sweep.json", &s->command);
    }
    if (status == MN_OK) {
        status = read_table(cx, s, "architecture.csv", &s->architecture);
    }
    if (status == MN_OK) {
        status = read_table(cx, s, "test-steps.csv", &s->steps);
    }
    if (status == MN_OK) {
        const char *path;
        status = read_text(cx, s, "results.txt", &path, &s->summary);
    }
    return status == MN_OK ? read_table(cx, s, "results.csv", &s->results) : status;
}

void record_fini(struct record *s) {
    if (s->checkpoint != NULL) {
        mn__tensors_fini(s->checkpoint);
    }
    record_forget_lines(&s->metrics);
    record_forget_lines(&s->timing);
    json_decref(s->test);
    json_decref(s->command);
    mn__arena_fini(&s->arena);
}

const char *record_option(const struct record *s, const char *section, const char *key) {
    const struct mn__yaml *map = s->root != NULL ? mn__yaml_get(s->root, section) : NULL;
    const struct mn__yaml *value =
        map != NULL && map->kind == MN__YAML_MAP ? mn__yaml_get(map, key) : NULL;
    return value != NULL && value->kind == MN__YAML_SCALAR ? value->text : NULL;
}

double record_number(const struct record *s, const char *section, const char *key) {
    const char *text = record_option(s, section, key);
    double x;
    return text != NULL && mn__text_real(text, &x) ? x : (double)NAN;
}

const char *record_meta(const struct record *s, const char *key) {
    return s->checkpoint != NULL ? mn__tensors_meta(s->checkpoint, key) : NULL;
}
