/* SPDX-License-Identifier: MIT */
#include "config/override.h"

#include <string.h>

static void no_memory(struct mn__faults *faults, struct mn__mark mark) {
    mn__fault_add(faults, mark, "no memory to apply an override");
}

static int is_empty(const struct mn__yaml *node) {
    return node->kind == MN__YAML_SCALAR && !node->quoted && node->text[0] == '\0';
}

/* a.b.c with nothing missing */
static int well_formed(const char *key) {
    const size_t length = strlen(key);
    return length > 0 && key[0] != '.' && key[length - 1] != '.' && strstr(key, "..") == NULL;
}

/* Nothing after the = is an empty value. NULL after a fault. */
static struct mn__yaml *read_value(struct mn__arena *arena, const char *name, const char *text,
                                   struct mn__faults *faults) {
    const int before = faults->count;
    struct mn__fault *last = faults->last;
    struct mn__yaml *value = mn__yaml_parse_value(arena, name, text, faults);
    for (struct mn__fault *f = last != NULL ? last->next : faults->first; f != NULL; f = f->next) {
        f->mark.line = 0; /* lines and columns of one argument say little */
    }
    if (value != NULL || faults->count > before) {
        return faults->count > before ? NULL : value;
    }
    value = mn__arena_zeroed(arena, sizeof *value);
    if (value == NULL) {
        no_memory(faults, (struct mn__mark){name, 0, 0});
        return NULL;
    }
    value->text = "";
    return value;
}

static void set_marks(struct mn__yaml *node, struct mn__mark mark) {
    node->mark = mark;
    node->key_mark = mark;
    for (struct mn__yaml *child = node->first; child != NULL; child = child->next) {
        set_marks(child, mark);
    }
}

static struct mn__yaml *map_new(struct mn__arena *arena, struct mn__mark mark) {
    struct mn__yaml *map = mn__arena_zeroed(arena, sizeof *map);
    if (map != NULL) {
        map->kind = MN__YAML_MAP;
        map->mark = map->key_mark = mark;
    }
    return map;
}

static const char *part(struct mn__arena *arena, const char *text, size_t length) {
    char *copy = mn__arena_take(arena, length + 1);
    if (copy != NULL) {
        memcpy(copy, text, length);
        copy[length] = '\0';
    }
    return copy;
}

/* The map that holds the last part of a dotted key; maps on the way are made where missing. */
static struct mn__yaml *walk(struct mn__arena *arena, struct mn__yaml *root, const char **key,
                             struct mn__mark mark, struct mn__faults *faults) {
    struct mn__yaml *map = root;
    const char *dot;
    while ((dot = strchr(*key, '.')) != NULL) {
        const char *name = part(arena, *key, (size_t)(dot - *key));
        struct mn__yaml *inner = name == NULL ? NULL : mn__yaml_get(map, name);
        if (name != NULL && inner == NULL) {
            inner = map_new(arena, mark);
            if (inner != NULL && !mn__yaml_put(arena, map, name, inner)) {
                inner = NULL;
            }
        }
        if (inner == NULL) {
            no_memory(faults, mark);
            return NULL;
        }
        if (is_empty(inner)) {
            inner->kind = MN__YAML_MAP; /* "section:" with nothing under it */
        }
        if (inner->kind != MN__YAML_MAP) {
            mn__fault_add(faults, mark,
                          "'%s' is a value, not a section, so '%s' cannot be set in it", name,
                          dot + 1);
            return NULL;
        }
        map = inner;
        *key = dot + 1;
    }
    return map;
}

/* Put a value where a dotted key leads to. */
static void put(struct mn__arena *arena, struct mn__yaml *root, const char *key,
                struct mn__mark mark, struct mn__yaml *value, struct mn__faults *faults) {
    struct mn__yaml *map = walk(arena, root, &key, mark, faults);
    if (map == NULL) {
        return;
    }
    if (!mn__yaml_put(arena, map, key, value)) {
        no_memory(faults, mark);
    }
}

void mn__override_apply(struct mn__arena *arena, struct mn__yaml *root, const char *assignment,
                        int argument, struct mn__faults *faults) {
    const size_t length = strlen(assignment), most = length < 200 ? length : 200;
    char shown[204] = "";
    memcpy(shown, assignment, most);
    memcpy(shown + most, "...", most < length ? 3 : 0);
    const char *name = mn__arena_format(arena, "argument %d (--set %s)", argument, shown);
    const struct mn__mark mark = {name, 0, 0};
    const char *equals = strchr(assignment, '=');
    if (name == NULL) {
        no_memory(faults, (struct mn__mark){0});
        return;
    }
    const char *key = equals != NULL ? part(arena, assignment, (size_t)(equals - assignment)) : "";
    if (key == NULL) {
        no_memory(faults, mark);
        return;
    }
    if (!well_formed(key)) {
        mn__fault_add(faults, mark, "expected section.key=value, such as run.seed=2");
        return;
    }
    struct mn__yaml *value = read_value(arena, name, equals + 1, faults);
    if (value != NULL) {
        set_marks(value, mark);
        put(arena, root, key, mark, value, faults);
    }
}

void mn__override_assign(struct mn__arena *arena, struct mn__yaml *root,
                         const struct mn__assignment *assignment, struct mn__faults *faults) {
    if (!well_formed(assignment->key)) {
        mn__fault_add(faults, assignment->mark,
                      "expected section.key, such as run.seed, or a whole section; got '%.80s'",
                      assignment->key);
        return;
    }
    struct mn__yaml *value = mn__yaml_copy(arena, assignment->value);
    if (value == NULL) {
        no_memory(faults, assignment->mark);
        return;
    }
    value->key_mark = assignment->mark;
    put(arena, root, assignment->key, assignment->mark, value, faults);
}

/* ---- another unit ------------------------------------------------------------------------- */

static const char *use_text(const struct mn__yaml *map) {
    const struct mn__yaml *use = mn__yaml_get(map, "use");
    return use != NULL && use->kind == MN__YAML_SCALAR && use->text[0] != '\0' ? use->text : NULL;
}

void mn__override_begin(struct mn__yaml *root) {
    root->used = use_text(root);
    for (struct mn__yaml *child = root->first; child != NULL; child = child->next) {
        child->older = 1;
        mn__override_begin(child);
    }
}

/* "soft_prune/soft_prune" is "soft_prune". */
static int same_unit(const char *a, const char *b) {
    const char *const names[2] = {a, b};
    const char *unit[2];
    size_t file[2];
    for (int i = 0; i < 2; i++) {
        const char *slash = strchr(names[i], '/');
        file[i] = slash != NULL ? (size_t)(slash - names[i]) : strlen(names[i]);
        unit[i] = slash != NULL ? slash + 1 : names[i];
    }
    return file[0] == file[1] && strncmp(a, b, file[0]) == 0 && strcmp(unit[0], unit[1]) == 0;
}

/* "lr_w: 1.0, lr_a, .." */
static void name_option(const struct mn__yaml *node, char *out, size_t size) {
    const size_t used = strlen(out);
    const char *comma = used > 0 ? ", " : "";
    if (used + strlen(node->key) + 80 > size) {
        snprintf(out + used, size - used, "%s", used > 3 && out[used - 1] == '.' ? "" : ", ...");
    } else if (node->kind == MN__YAML_SCALAR) {
        snprintf(out + used, size - used, "%s%s: %.60s", comma, node->key, node->text);
    } else {
        snprintf(out + used, size - used, "%s%s", comma, node->key);
    }
}

static void drop_options(struct mn__yaml *map, const char *section, const char *before,
                         const struct mn__yaml *use, struct mn__faults *faults) {
    char dropped[512] = "";
    for (struct mn__yaml **link = &map->first; *link != NULL;) {
        if (!(*link)->older) {
            link = &(*link)->next;
            continue;
        }
        name_option(*link, dropped, sizeof dropped);
        *link = (*link)->next;
    }
    if (dropped[0] != '\0') {
        mn__fault_warn(faults, use->mark,
                       "%s: %s starts from its own defaults; dropped with %s: %s", section,
                       use->text, before != NULL ? before : "what was there", dropped);
    }
}

static void settle(struct mn__arena *arena, struct mn__yaml *map, const char *section,
                   const char *(*default_use)(const char *section, const struct mn__yaml *map),
                   struct mn__faults *faults) {
    const char *now = use_text(map);
    const char *before = map->used != NULL ? map->used : default_use(section, map);
    if (now != NULL && map->older && (before == NULL || !same_unit(before, now))) {
        drop_options(map, section, before, mn__yaml_get(map, "use"), faults);
    }
    for (struct mn__yaml *child = map->first; child != NULL; child = child->next) {
        if (child->kind != MN__YAML_MAP || !child->older) {
            continue;
        }
        const char *name = mn__arena_format(arena, "%s.%s", section, child->key);
        if (name == NULL) {
            no_memory(faults, child->key_mark);
            return;
        }
        settle(arena, child, name, default_use, faults);
    }
}

void mn__override_end(struct mn__arena *arena, struct mn__yaml *root,
                      const char *(*default_use)(const char *section, const struct mn__yaml *map),
                      struct mn__faults *faults) {
    for (struct mn__yaml *child = root->first; child != NULL; child = child->next) {
        if (child->kind == MN__YAML_MAP) {
            settle(arena, child, child->key, default_use, faults);
        }
    }
}
