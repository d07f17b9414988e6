/* SPDX-License-Identifier: MIT */
#include "config/override.h"

#include <string.h>

static void no_memory(struct nas_faults *faults, struct nas_mark mark) {
    nas_fault_add(faults, mark, "no memory to apply an override");
}

/* a.b.c with nothing missing */
static int well_formed(const char *key) {
    const size_t length = strlen(key);
    return length > 0 && key[0] != '.' && key[length - 1] != '.' && strstr(key, "..") == NULL;
}

/* Nothing after the = is an empty value. NULL after a fault. */
static struct nas_yaml *read_value(struct nas_arena *arena, const char *name, const char *text,
                                   struct nas_faults *faults) {
    const int before = faults->count;
    struct nas_fault *last = faults->last;
    struct nas_yaml *value = nas_yaml_parse_value(arena, name, text, faults);
    for (struct nas_fault *f = last != NULL ? last->next : faults->first; f != NULL; f = f->next) {
        f->mark.line = 0; /* lines and columns of one argument say little */
    }
    if (value != NULL || faults->count > before) {
        return faults->count > before ? NULL : value;
    }
    value = nas_arena_zeroed(arena, sizeof *value);
    if (value == NULL) {
        no_memory(faults, (struct nas_mark){name, 0, 0});
        return NULL;
    }
    value->text = "";
    return value;
}

static void set_marks(struct nas_yaml *node, struct nas_mark mark) {
    node->mark = mark;
    node->key_mark = mark;
    for (struct nas_yaml *child = node->first; child != NULL; child = child->next) {
        set_marks(child, mark);
    }
}

/* Put a value where a dotted key leads to; maps on the way are made where missing. */
static void put(struct nas_arena *arena, struct nas_yaml *map, const char *key,
                struct nas_mark mark, struct nas_yaml *value, struct nas_faults *faults) {
    for (const char *dot; (dot = strchr(key, '.')) != NULL; key = dot + 1) {
        const char *name = nas_arena_format(arena, "%.*s", (int)(dot - key), key);
        struct nas_yaml *inner = name != NULL ? nas_yaml_get(map, name) : NULL;
        if (name != NULL && inner == NULL) {
            inner = nas_arena_zeroed(arena, sizeof *inner);
            if (inner != NULL) {
                inner->kind = NAS_YAML_MAP;
                inner->mark = inner->key_mark = mark;
            }
            if (inner != NULL && !nas_yaml_put(arena, map, name, inner)) {
                inner = NULL;
            }
        }
        if (inner == NULL) {
            no_memory(faults, mark);
            return;
        }
        if (inner->kind == NAS_YAML_SCALAR && !inner->quoted && inner->text[0] == '\0') {
            inner->kind = NAS_YAML_MAP; /* "section:" with nothing under it */
        }
        if (inner->kind != NAS_YAML_MAP) {
            nas_fault_add(faults, mark,
                          "'%s' is a value, not a section, so '%s' cannot be set in it", name,
                          dot + 1);
            return;
        }
        map = inner;
    }
    if (!nas_yaml_put(arena, map, key, value)) {
        no_memory(faults, mark);
    }
}

void nas_override_apply(struct nas_arena *arena, struct nas_yaml *root, const char *assignment,
                        int argument, struct nas_faults *faults) {
    const size_t length = strlen(assignment), most = length < 200 ? length : 200;
    char shown[204] = "";
    memcpy(shown, assignment, most);
    memcpy(shown + most, "...", most < length ? 3 : 0);
    const char *name = nas_arena_format(arena, "argument %d (--set %s)", argument, shown);
    const struct nas_mark mark = {name, 0, 0};
    const char *equals = strchr(assignment, '=');
    if (name == NULL) {
        no_memory(faults, (struct nas_mark){0});
        return;
    }
    const char *key = equals != NULL
                          ? nas_arena_format(arena, "%.*s", (int)(equals - assignment), assignment)
                          : "";
    if (key == NULL) {
        no_memory(faults, mark);
        return;
    }
    if (!well_formed(key)) {
        nas_fault_add(faults, mark, "expected section.key=value, such as run.seed=2");
        return;
    }
    struct nas_yaml *value = read_value(arena, name, equals + 1, faults);
    if (value != NULL) {
        set_marks(value, mark);
        put(arena, root, key, mark, value, faults);
    }
}

void nas_override_assign(struct nas_arena *arena, struct nas_yaml *root,
                         const struct nas_assignment *assignment, struct nas_faults *faults) {
    if (!well_formed(assignment->key)) {
        nas_fault_add(faults, assignment->mark,
                      "expected section.key, such as run.seed, or a whole section; "
                      "got '%.80s'",
                      assignment->key);
        return;
    }
    struct nas_yaml *value = nas_yaml_copy(arena, assignment->value);
    if (value == NULL) {
        no_memory(faults, assignment->mark);
        return;
    }
    value->key_mark = assignment->mark;
    put(arena, root, assignment->key, assignment->mark, value, faults);
}

/* ---- another unit ------------------------------------------------------------------------- */

static const char *use_text(const struct nas_yaml *map) {
    const struct nas_yaml *use = nas_yaml_get(map, "use");
    return use != NULL && use->kind == NAS_YAML_SCALAR && use->text[0] != '\0' ? use->text : NULL;
}

void nas_override_begin(struct nas_yaml *root) {
    root->use_before = use_text(root);
    for (struct nas_yaml *child = root->first; child != NULL; child = child->next) {
        child->existed = 1;
        nas_override_begin(child);
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

static void drop_options(struct nas_yaml *map, const char *section, const char *before,
                         const struct nas_yaml *use, struct nas_faults *faults) {
    char dropped[512] = ""; /* "lr_w: 1.0, lr_a, ..." */
    for (struct nas_yaml **link = &map->first; *link != NULL;) {
        if (!(*link)->existed) {
            link = &(*link)->next;
            continue;
        }
        const struct nas_yaml *node = *link;
        const size_t used = strlen(dropped), room = sizeof dropped - used;
        const char *comma = used > 0 ? ", " : "";
        if (strlen(node->key) + 80 > room) {
            snprintf(dropped + used, room, "%s",
                     used > 3 && dropped[used - 1] == '.' ? "" : ", ...");
        } else if (node->kind == NAS_YAML_SCALAR) {
            snprintf(dropped + used, room, "%s%s: %.60s", comma, node->key, node->text);
        } else {
            snprintf(dropped + used, room, "%s%s", comma, node->key);
        }
        *link = node->next;
    }
    if (dropped[0] != '\0') {
        nas_fault_warn(faults, use->mark,
                       "%s: %s starts from its own defaults; dropped with %s: %s", section,
                       use->text, before != NULL ? before : "what was there", dropped);
    }
}

static void drop_stale(struct nas_arena *arena, struct nas_yaml *map, const char *section,
                       const char *(*default_use)(const char *section, const struct nas_yaml *map),
                       struct nas_faults *faults) {
    const char *now = use_text(map);
    const char *before = map->use_before != NULL ? map->use_before : default_use(section, map);
    if (now != NULL && map->existed && (before == NULL || !same_unit(before, now))) {
        drop_options(map, section, before, nas_yaml_get(map, "use"), faults);
    }
    for (struct nas_yaml *child = map->first; child != NULL; child = child->next) {
        if (child->kind != NAS_YAML_MAP || !child->existed) {
            continue;
        }
        const char *name = nas_arena_format(arena, "%s.%s", section, child->key);
        if (name == NULL) {
            no_memory(faults, child->key_mark);
            return;
        }
        drop_stale(arena, child, name, default_use, faults);
    }
}

void nas_override_end(struct nas_arena *arena, struct nas_yaml *root,
                      const char *(*default_use)(const char *section, const struct nas_yaml *map),
                      struct nas_faults *faults) {
    for (struct nas_yaml *child = root->first; child != NULL; child = child->next) {
        if (child->kind == NAS_YAML_MAP) {
            drop_stale(arena, child, child->key, default_use, faults);
        }
    }
}
