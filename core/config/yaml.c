/* SPDX-License-Identifier: MIT */
#include "config/yaml.h"

#include "base/input_file.h"
#include "base/text.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { MOST_BYTES = 1 << 20, MOST_NODES = 100000, MOST_KEYS = 1000, MOST_DEPTH = 10 };

/* ---- faults ------------------------------------------------------------------------------- */

static void add(struct nas_faults *faults, struct nas_mark mark, int warning, const char *format,
                va_list args) {
    char text[1024];
    vsnprintf(text, sizeof text, format, args);
    struct nas_fault *fault = nas_arena_take(faults->arena, sizeof *fault);
    char *copy = nas_arena_text(faults->arena, text);
    faults->count += !warning;
    if (fault == NULL || copy == NULL) {
        return; /* counted, so the failure is not lost; its text is */
    }
    *fault = (struct nas_fault){.mark = mark, .text = copy, .warning = warning};
    if (faults->last == NULL) {
        faults->first = fault;
    } else {
        faults->last->next = fault;
    }
    faults->last = fault;
}

void nas_fault_add(struct nas_faults *faults, struct nas_mark mark, const char *format, ...) {
    va_list args;
    va_start(args, format);
    add(faults, mark, 0, format, args);
    va_end(args);
}

void nas_fault_warn(struct nas_faults *faults, struct nas_mark mark, const char *format, ...) {
    va_list args;
    va_start(args, format);
    add(faults, mark, 1, format, args);
    va_end(args);
}

void nas_mark_text(struct nas_mark mark, char *out, size_t size) {
    if (mark.file == NULL) {
        out[0] = '\0';
    } else if (mark.line > 0) {
        snprintf(out, size, "%s:%d:%d: ", mark.file, mark.line, mark.column);
    } else {
        snprintf(out, size, "%s: ", mark.file);
    }
}

void nas_faults_print(const struct nas_faults *faults, FILE *out) {
    for (const struct nas_fault *f = faults->first; f != NULL; f = f->next) {
        char place[PATH_MAX + 64], line[sizeof place + 1100];
        nas_mark_text(f->mark, place, sizeof place);
        snprintf(line, sizeof line, "%s%s%s", place, f->warning ? "warning: " : "", f->text);
        nas_text_clean(line);
        if (!f->warning || out != stderr || !nas_warning_repeated(line)) {
            fprintf(out, "%s\n", line);
        }
    }
}

/* ---- events to tree ----------------------------------------------------------------------- */

struct reader {
    struct nas_arena *arena;
    const char *file, *text;
    struct nas_faults *faults;
    yaml_parser_t parser;
    int nodes;
    int failed; /* nothing sensible can follow */
};

static struct nas_mark mark_at(const struct reader *r, yaml_mark_t mark) {
    return (struct nas_mark){r->file, (int)mark.line + 1, (int)mark.column + 1};
}

static int next(struct reader *r, yaml_event_t *event) {
    const yaml_parser_t *p = &r->parser;
    if (r->failed) {
        return 0;
    }
    if (yaml_parser_parse(&r->parser, event)) {
        return 1;
    }
    r->failed = 1;
    const char *problem = p->problem != NULL ? p->problem : "unreadable";
    if (p->error == YAML_MEMORY_ERROR) {
        nas_fault_add(r->faults, (struct nas_mark){r->file, 0, 0}, "no memory to read the file");
    } else if (p->error == YAML_READER_ERROR) {
        /* libyaml decodes ahead of its own marks, so bytes that it cannot decode have an offset
         * only. Columns count characters, as in its marks. */
        struct nas_mark mark = {r->file, 1, 1};
        for (size_t i = 0; i < p->problem_offset; i++) {
            const int continues = ((unsigned char)r->text[i] & 0xC0) == 0x80;
            mark.column = r->text[i] == '\n' ? 1 : mark.column + !continues;
            mark.line += r->text[i] == '\n';
        }
        nas_fault_add(r->faults, mark, "not valid YAML: %s", problem);
    } else {
        nas_fault_add(r->faults, mark_at(r, p->problem_mark), "not valid YAML: %s%s%s", problem,
                      p->context != NULL ? " " : "", p->context != NULL ? p->context : "");
    }
    return 0;
}

static struct nas_yaml *node_new(struct reader *r, enum nas_yaml_kind kind, yaml_mark_t mark) {
    if (++r->nodes > MOST_NODES) {
        if (!r->failed) {
            nas_fault_add(r->faults, mark_at(r, mark), "more than %d values: too large to be meant",
                          MOST_NODES);
        }
        r->failed = 1;
        return NULL;
    }
    struct nas_yaml *node = nas_arena_zeroed(r->arena, sizeof *node);
    if (node == NULL) {
        nas_fault_add(r->faults, mark_at(r, mark), "no memory to read the file");
        r->failed = 1;
        return NULL;
    }
    node->kind = kind;
    node->mark = mark_at(r, mark);
    return node;
}

/* Anchors, tags and aliases are refused, but reading goes on. */
static void refuse(struct reader *r, const yaml_event_t *event, const yaml_char_t *anchor,
                   const yaml_char_t *tag) {
    if (anchor != NULL) {
        nas_fault_add(r->faults, mark_at(r, event->start_mark),
                      "anchors (&%.80s) are not supported; write the value out",
                      (const char *)anchor);
    }
    if (tag != NULL) {
        nas_fault_add(r->faults, mark_at(r, event->start_mark),
                      "tags (%.80s) are not supported; write the plain value", (const char *)tag);
    }
}

static struct nas_yaml *read_node(struct reader *r, yaml_event_t *event, int depth);

static struct nas_yaml *read_scalar(struct reader *r, yaml_event_t *event) {
    refuse(r, event, event->data.scalar.anchor, event->data.scalar.tag);
    struct nas_yaml *node = node_new(r, NAS_YAML_SCALAR, event->start_mark);
    const char *value = (const char *)event->data.scalar.value;
    if (node == NULL) {
        return NULL;
    }
    if (strlen(value) != event->data.scalar.length) {
        nas_fault_add(r->faults, node->mark, "the text holds a zero byte");
    }
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    node->text = nas_arena_text(r->arena, value);
    if (node->text == NULL) {
        r->failed = 1;
        nas_fault_add(r->faults, node->mark, "no memory to read the file");
    }
    return node;
}

/* The next node of a list or map; NULL at its end, *ended = 1, or after a fault. */
static struct nas_yaml *read_next(struct reader *r, int depth, int *ended) {
    yaml_event_t event;
    if (!next(r, &event)) {
        return NULL;
    }
    *ended = event.type == YAML_SEQUENCE_END_EVENT || event.type == YAML_MAPPING_END_EVENT;
    struct nas_yaml *node = *ended ? NULL : read_node(r, &event, depth);
    yaml_event_delete(&event);
    return node;
}

static struct nas_yaml *read_list(struct reader *r, struct nas_yaml *list, int depth) {
    int ended = 0;
    struct nas_yaml **link = &list->first;
    while ((*link = read_next(r, depth, &ended)) != NULL) {
        link = &(*link)->next;
    }
    return ended ? list : NULL;
}

static struct nas_yaml *read_map(struct reader *r, struct nas_yaml *map, int depth) {
    int ended = 0;
    struct nas_yaml *key, *value, **link = &map->first;
    for (int keys = 0; (key = read_next(r, depth, &ended)) != NULL; keys++) {
        if (keys == MOST_KEYS) {
            nas_fault_add(r->faults, key->mark, "more than %d keys in one section: too many",
                          MOST_KEYS);
            r->failed = 1;
        }
        value = read_next(r, depth, &ended);
        if (value == NULL) {
            return NULL;
        }
        const struct nas_yaml *before =
            key->kind == NAS_YAML_SCALAR ? nas_yaml_get(map, key->text) : NULL;
        if (key->kind != NAS_YAML_SCALAR) {
            nas_fault_add(r->faults, key->mark, "a key must be plain text");
        } else if (before != NULL) {
            nas_fault_add(r->faults, key->mark,
                          "duplicate key '%.80s'; it was given in line %d already", key->text,
                          before->key_mark.line);
        } else {
            value->key = key->text;
            value->key_mark = key->mark;
            *link = value;
            link = &value->next;
        }
    }
    return ended ? map : NULL;
}

static struct nas_yaml *read_node(struct reader *r, yaml_event_t *event, int depth) {
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return read_scalar(r, event);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT: {
        const int is_map = event->type == YAML_MAPPING_START_EVENT;
        if (is_map) {
            refuse(r, event, event->data.mapping_start.anchor, event->data.mapping_start.tag);
        } else {
            refuse(r, event, event->data.sequence_start.anchor, event->data.sequence_start.tag);
        }
        struct nas_yaml *node =
            node_new(r, is_map ? NAS_YAML_MAP : NAS_YAML_LIST, event->start_mark);
        if (node != NULL && depth > MOST_DEPTH) {
            nas_fault_add(r->faults, node->mark, "nested deeper than %d levels", MOST_DEPTH);
            r->failed = 1;
        }
        return node == NULL || r->failed ? NULL
               : is_map                  ? read_map(r, node, depth + 1)
                                         : read_list(r, node, depth + 1);
    }
    case YAML_ALIAS_EVENT: {
        nas_fault_add(r->faults, mark_at(r, event->start_mark),
                      "aliases (*%.80s) are not supported; write the value out",
                      (const char *)event->data.alias.anchor);
        struct nas_yaml *stand_in = node_new(r, NAS_YAML_SCALAR, event->start_mark);
        if (stand_in != NULL) {
            stand_in->text = "";
        }
        return stand_in;
    }
    default:
        r->failed = 1;
        nas_fault_add(r->faults, mark_at(r, event->start_mark), "not valid YAML here");
        return NULL;
    }
}

static struct nas_yaml *read_document(struct reader *r) {
    struct nas_yaml *root = NULL;
    int documents = 0, end = 0;
    while (!end) {
        yaml_event_t event;
        if (!next(r, &event)) {
            return NULL;
        }
        end = event.type == YAML_STREAM_END_EVENT;
        if (event.type == YAML_DOCUMENT_START_EVENT && ++documents > 1) {
            nas_fault_add(r->faults, mark_at(r, event.start_mark),
                          "a second document starts here; a configuration is one document");
            r->failed = 1;
        } else if (event.type == YAML_SCALAR_EVENT || event.type == YAML_SEQUENCE_START_EVENT ||
                   event.type == YAML_MAPPING_START_EVENT || event.type == YAML_ALIAS_EVENT) {
            root = read_node(r, &event, 1);
            r->failed |= root == NULL;
        }
        yaml_event_delete(&event);
    }
    return root;
}

static struct nas_yaml *parse(struct nas_arena *arena, const char *file, const char *text,
                              size_t length, struct nas_faults *faults, int any_kind) {
    struct reader r = {.arena = arena, .file = file, .text = text, .faults = faults};
    const int before = faults->count;
    if (length > MOST_BYTES) {
        nas_fault_add(faults, (struct nas_mark){file, 0, 0},
                      "more than %d bytes: too large for a configuration", MOST_BYTES);
        return NULL;
    }
    if (!yaml_parser_initialize(&r.parser)) {
        nas_fault_add(faults, (struct nas_mark){file, 0, 0}, "no memory to read the file");
        return NULL;
    }
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, length);
    struct nas_yaml *root = read_document(&r);
    yaml_parser_delete(&r.parser);
    if (faults->count > before && r.failed) {
        return NULL;
    }
    const int empty = root == NULL || (root->kind == NAS_YAML_SCALAR && root->text[0] == '\0');
    if (empty && !any_kind) {
        root = nas_arena_zeroed(arena, sizeof *root);
        if (root == NULL) {
            nas_fault_add(faults, (struct nas_mark){file, 0, 0}, "no memory to read the file");
            return NULL;
        }
        root->kind = NAS_YAML_MAP;
        root->mark = (struct nas_mark){file, 1, 1};
    } else if (!any_kind && root->kind != NAS_YAML_MAP) {
        nas_fault_add(faults, root->mark, "a configuration is a map of sections (key: value)");
        return NULL;
    }
    return root;
}

struct nas_yaml *nas_yaml_parse(struct nas_arena *arena, const char *file, const char *text,
                                size_t length, struct nas_faults *faults) {
    return parse(arena, file, text, length, faults, 0);
}

struct nas_yaml *nas_yaml_parse_value(struct nas_arena *arena, const char *file, const char *text,
                                      struct nas_faults *faults) {
    return parse(arena, file, text, strlen(text), faults, 1);
}

struct nas_yaml *nas_yaml_read(struct nas_arena *arena, const char *path,
                               struct nas_faults *faults) {
    const char *name = nas_arena_text(arena, path); /* marks outlive the caller's text */
    char *text = NULL;
    size_t length;
    const int error =
        name != NULL ? nas_input_file_read(path, MOST_BYTES + 1, &text, &length) : ENOMEM;
    struct nas_yaml *root = NULL;
    if (error != 0) {
        nas_fault_add(faults, (struct nas_mark){name, 0, 0}, "cannot read: %s", strerror(error));
        faults->unreadable = error;
    } else {
        root = nas_yaml_parse(arena, name, text, length, faults);
    }
    free(text);
    return root;
}

/* ---- maps --------------------------------------------------------------------------------- */

struct nas_yaml *nas_yaml_copy(struct nas_arena *arena, const struct nas_yaml *node) {
    struct nas_yaml *copy = nas_arena_take(arena, sizeof *copy);
    if (copy == NULL) {
        return NULL;
    }
    *copy = *node;
    copy->first = copy->next = NULL;
    copy->text = node->text != NULL ? nas_arena_text(arena, node->text) : NULL;
    copy->key = node->key != NULL ? nas_arena_text(arena, node->key) : NULL;
    if ((node->text != NULL && copy->text == NULL) || (node->key != NULL && copy->key == NULL)) {
        return NULL;
    }
    struct nas_yaml **link = &copy->first;
    for (const struct nas_yaml *child = node->first; child != NULL; child = child->next) {
        *link = nas_yaml_copy(arena, child);
        if (*link == NULL) {
            return NULL;
        }
        link = &(*link)->next;
    }
    return copy;
}

struct nas_yaml *nas_yaml_get(const struct nas_yaml *map, const char *key) {
    if (map == NULL || map->kind != NAS_YAML_MAP) {
        return NULL;
    }
    for (struct nas_yaml *child = map->first; child != NULL; child = child->next) {
        if (strcmp(child->key, key) == 0) {
            return child;
        }
    }
    return NULL;
}

struct nas_yaml *nas_yaml_find(const struct nas_yaml *map, const char *path) {
    char key[256];
    const char *dot = strchr(path, '.');
    if (dot == NULL) {
        return nas_yaml_get(map, path);
    }
    snprintf(key, sizeof key, "%.*s", (int)(dot - path), path);
    return nas_yaml_find(nas_yaml_get(map, key), dot + 1);
}

int nas_yaml_put(struct nas_arena *arena, struct nas_yaml *map, const char *key,
                 struct nas_yaml *value) {
    struct nas_yaml **link = &map->first;
    while (*link != NULL && strcmp((*link)->key, key) != 0) {
        link = &(*link)->next;
    }
    value->key = *link != NULL ? (*link)->key : nas_arena_text(arena, key);
    if (value->key == NULL) {
        return 0;
    }
    value->next = *link != NULL ? (*link)->next : NULL;
    *link = value;
    return 1;
}
