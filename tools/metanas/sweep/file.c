/* SPDX-License-Identifier: MIT */
#include "read.h"

#include "base/text.h"
#include "learn/configuration.h"
#include "learn/experiment.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The last one is what a folder's name can have. */
enum { MOST_LABEL = 48, MOST_RUNS = 100000, MOST_NAME = 255 };

/* Of labels and of names of axes. */
static const char name_characters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                      "0123456789._=-";

void *sweep_room(struct sweep_reader *r, int n, size_t size) {
    void *at = nas_arena_zeroed(&r->sweep->arena, (size_t)(n > 0 ? n : 1) * size);
    if (at == NULL) {
        nas_fault_add(r->faults, (struct nas_mark){r->sweep->file, 0, 0},
                      "no memory to read the sweep");
    }
    return at;
}

int sweep_count(const struct nas_yaml *node) {
    int n = 0;
    for (const struct nas_yaml *child = node->first; child != NULL; child = child->next) {
        n++;
    }
    return n;
}

/* ---- assignments -------------------------------------------------------------------------- */

static struct nas_assignment assignment(struct sweep_reader *r, const char *key,
                                        struct nas_mark mark, const struct nas_yaml *value) {
    if (strcmp(key, "run.seed") == 0 || strcmp(key, "run") == 0) {
        nas_fault_add(r->faults, mark,
                      "%s cannot be set here: 'seeds' lists the values of run.seed", key);
    }
    if (r->halving && strcmp(key, "run.meta_epochs") == 0) {
        nas_fault_add(r->faults, mark,
                      "%s cannot be set here: rungs.max of the search is its value", key);
    }
    return (struct nas_assignment){key, mark, value};
}

/* A map of dotted keys or sections. */
static struct nas_assignment *read_set(struct sweep_reader *r, const struct nas_yaml *map, int *n) {
    *n = 0;
    if (map->kind != NAS_YAML_MAP) {
        nas_fault_add(
            r->faults, map->mark,
            "expected assignments, like {task_learner.lr_a: 0.1, op_mixer: {use: softmax}}");
        return NULL;
    }
    struct nas_assignment *set = sweep_room(r, sweep_count(map), sizeof *set);
    for (const struct nas_yaml *node = map->first; set != NULL && node != NULL; node = node->next) {
        set[(*n)++] = assignment(r, node->key, node->key_mark, node);
    }
    return set;
}

/* ---- axes --------------------------------------------------------------------------------- */

void sweep_check_label(struct sweep_reader *r, const struct sweep_value *value) {
    const char *label = value->label;
    if (label == NULL) {
        return; /* a fault was added */
    }
    const size_t length = strlen(label);
    if (length == 0 || length > MOST_LABEL || strchr(".=-", label[0]) != NULL ||
        strspn(label, name_characters) != length) {
        nas_fault_add(r->faults, value->mark,
                      "'%.80s' cannot be a label: 1 to %d letters, digits and . _ = - are one, "
                      "with none of . = - in front",
                      label, MOST_LABEL);
    }
}

/* By label, then as they stand. */
static int by_label(const void *a, const void *b) {
    const struct sweep_value *x = *(const struct sweep_value *const *)a;
    const struct sweep_value *y = *(const struct sweep_value *const *)b;
    const int order = strcmp(x->label != NULL ? x->label : "", y->label != NULL ? y->label : "");
    return order != 0 ? order : (x > y) - (x < y);
}

static void check_labels(struct sweep_reader *r, const struct sweep_axis *axis) {
    const struct sweep_value **all = sweep_room(r, axis->n, sizeof *all);
    for (int i = 0; all != NULL && i < axis->n; i++) {
        all[i] = &axis->values[i];
    }
    if (all != NULL) {
        qsort(all, (size_t)axis->n, sizeof *all, by_label);
    }
    for (int i = 1; all != NULL && i < axis->n; i++) {
        if (all[i - 1]->label != NULL && all[i]->label != NULL &&
            strcmp(all[i - 1]->label, all[i]->label) == 0) {
            nas_fault_add(r->faults, all[i]->mark,
                          "axis '%s' has two values '%s'; give them labels: a map of label: value",
                          axis->name, all[i]->label);
        }
    }
}

/* The label of a value without one: KEY=VALUE with the last part of the key, or the plugin. NULL =
 * a fault was added. */
static const char *derive_label(struct sweep_reader *r, const char *key,
                                const struct nas_yaml *value) {
    const struct nas_yaml *use = nas_yaml_get(value, "use");
    const char *dot = strrchr(key, '.');
    char *label;
    if (use != NULL && use->kind == NAS_YAML_SCALAR) {
        label = nas_arena_text(&r->sweep->arena, use->text);
    } else if (value->kind == NAS_YAML_SCALAR) {
        label =
            nas_arena_format(&r->sweep->arena, "%s=%s", dot != NULL ? dot + 1 : key, value->text);
    } else {
        nas_fault_add(r->faults, value->mark,
                      "a value of this kind needs a label: write the values of '%s' as a map of "
                      "label: value",
                      key);
        return NULL;
    }
    if (label == NULL) {
        nas_fault_add(r->faults, value->mark, "no memory to read the sweep");
    }
    for (char *at = label; at != NULL && *at != '\0'; at++) {
        *at = strchr(name_characters, *at) != NULL ? *at : '-';
    }
    return label;
}

int sweep_is_key(const char *name) {
    return strchr(name, '.') != NULL || nas_configuration_has_section(name);
}

void sweep_read_value(struct sweep_reader *r, const struct nas_yaml *axis,
                      const struct nas_yaml *value, struct sweep_value *out) {
    const int labelled = axis->kind == NAS_YAML_MAP;
    out->mark = labelled ? value->key_mark : value->mark;
    out->label = labelled ? value->key : derive_label(r, axis->key, value);
    if (labelled && !sweep_is_key(axis->key)) {
        out->set = read_set(r, value, &out->n);
        return;
    }
    out->set = sweep_room(r, 1, sizeof *out->set); /* the axis is named by the key that it sets */
    if (out->set != NULL) {
        out->n = 1;
        out->set[0] = assignment(r, axis->key, axis->key_mark, value);
    }
}

void sweep_check_name(struct sweep_reader *r, const struct nas_yaml *node) {
    if (node->key[0] == '\0' || strchr(".=-", node->key[0]) != NULL ||
        strspn(node->key, name_characters) != strlen(node->key)) {
        nas_fault_add(r->faults, node->key_mark,
                      "'%.80s' cannot be the name of an axis: letters, digits and . _ = - are one, "
                      "with none of . = - in front",
                      node->key);
    }
}

void sweep_read_axis(struct sweep_reader *r, const struct nas_yaml *node, struct sweep_axis *out) {
    const int n = sweep_count(node);
    out->name = node->key;
    sweep_check_name(r, node);
    if (n > MOST_ARMS) {
        nas_fault_add(r->faults, node->mark, "axis '%s' has %d values; a sweep can have %d arms",
                      node->key, n, MOST_ARMS);
        return;
    }
    if (node->kind == NAS_YAML_SCALAR || n == 0) {
        nas_fault_add(r->faults, node->mark,
                      "axis '%s': expected a list of values or a map of label: value", node->key);
        return;
    }
    if (node->kind == NAS_YAML_LIST && !sweep_is_key(node->key)) {
        nas_fault_add(r->faults, node->key_mark,
                      "axis '%s' is neither section.key nor a section, so its values need labels "
                      "and say what they set: %s: {LABEL: {section.key: value}}",
                      node->key, node->key);
        return;
    }
    out->values = sweep_room(r, n, sizeof *out->values);
    for (const struct nas_yaml *value = node->first; out->values != NULL && value != NULL;
         value = value->next) {
        sweep_read_value(r, node, value, &out->values[out->n]);
        sweep_check_label(r, &out->values[out->n]);
        out->n++;
    }
    check_labels(r, out);
}

/* A key that a value of an axis sets. */
struct setting {
    const char *key, *name; /* of the key, of the axis */
    struct nas_mark mark;
    int axis;
};

/* Keys in an order in which those that begin with a key and a dot follow it at once. */
static int compare_keys(const char *x, const char *y) {
    for (; *x != '\0' && *x == *y; x++, y++) {
    }
    const int a = *x == '.' ? 1 : *x == '\0' ? 0 : (unsigned char)*x + 1;
    const int b = *y == '.' ? 1 : *y == '\0' ? 0 : (unsigned char)*y + 1;
    return a - b;
}

static int by_key(const void *a, const void *b) {
    const struct setting *x = a, *y = b;
    const int order = compare_keys(x->key, y->key);
    return order != 0 ? order : x->axis - y->axis;
}

/* The setting of an earlier axis that this one undoes; they begin at it or at one of its key. */
static const struct setting *undone(const struct setting *all, int n, const struct setting *by) {
    int from = 0, to = n;
    while (from < to) {
        const int middle = from + (to - from) / 2;
        if (compare_keys(all[middle].key, by->key) < 0) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    const size_t length = strlen(by->key);
    for (; from < n && strncmp(by->key, all[from].key, length) == 0 &&
           (all[from].key[length] == '\0' || all[from].key[length] == '.');
         from++) {
        if (all[from].axis < by->axis) {
            return &all[from];
        }
    }
    return NULL;
}

/* All settings of all axes, one of each key and axis. *n of them in room for `most`. */
static struct setting *list_settings(struct sweep_reader *r, int *n) {
    const struct sweep *s = r->sweep;
    int most = 0;
    for (int i = 0; i < s->n_axes; i++) {
        for (int k = 0; k < s->axes[i].n; k++) {
            most += s->axes[i].values[k].n;
        }
    }
    struct setting *all = sweep_room(r, most, sizeof *all);
    *n = 0;
    for (int i = 0; all != NULL && i < s->n_axes; i++) {
        for (int k = 0; k < s->axes[i].n; k++) {
            const struct sweep_value *value = &s->axes[i].values[k];
            for (int o = 0; o < value->n; o++) {
                all[(*n)++] =
                    (struct setting){value->set[o].key, s->axes[i].name, value->set[o].mark, i};
            }
        }
    }
    return all;
}

/* One fault for an axis is enough. */
void sweep_check_axes(struct sweep_reader *r) {
    int n, kept = 0;
    struct setting *all = list_settings(r, &n);
    if (all == NULL) {
        return;
    }
    qsort(all, (size_t)n, sizeof *all, by_key);
    for (int i = 0; i < n; i++) {
        if (kept == 0 || by_key(&all[kept - 1], &all[i]) != 0) {
            all[kept++] = all[i];
        }
    }
    for (int axis = 0, i = 0; axis < r->sweep->n_axes; axis++) {
        const struct setting *later = NULL, *earlier = NULL;
        for (i = 0; i < kept && earlier == NULL; i++) {
            later = &all[i];
            earlier = later->axis == axis ? undone(all, kept, later) : NULL;
        }
        if (earlier != NULL) {
            nas_fault_add(r->faults, later->mark,
                          "%s would undo what axis '%s' sets (%s); a key belongs to one axis, a "
                          "whole section goes before its keys",
                          later->key, earlier->name, earlier->key);
        }
    }
}

static void read_axes(struct sweep_reader *r, const struct nas_yaml *node) {
    struct sweep *s = r->sweep;
    if (node->kind != NAS_YAML_MAP) {
        nas_fault_add(r->faults, node->mark,
                      "axes: expected a map of axes, like "
                      "{task_learner.order: [joint, alternating]}");
        return;
    }
    s->axes = sweep_room(r, sweep_count(node), sizeof *s->axes);
    for (const struct nas_yaml *axis = node->first; s->axes != NULL && axis != NULL;
         axis = axis->next) {
        sweep_read_axis(r, axis, &s->axes[s->n_axes]);
        s->n_axes++;
    }
    sweep_check_axes(r);
}

static void count_arms(struct sweep_reader *r, struct nas_mark mark) {
    struct sweep *s = r->sweep;
    size_t length = s->n_axes > 0 ? (size_t)s->n_axes - 1 : 0; /* of the longest name */
    s->n_arms = s->drawn ? s->axes[0].n : 1;
    for (int i = 0; !s->drawn && i < s->n_axes && s->n_arms <= MOST_ARMS; i++) {
        s->n_arms *= s->axes[i].n > 0 ? s->axes[i].n : 1;
    }
    if (s->n_arms > MOST_ARMS) {
        nas_fault_add(r->faults, mark, "the axes make more than %d arms", MOST_ARMS);
    } else if (s->n_arms * s->n_seeds > MOST_RUNS) {
        nas_fault_add(r->faults, mark,
                      "%" PRId64
                      " arms with %d seeds make more than %d runs; a sweep can be parted "
                      "into several files",
                      s->n_arms, s->n_seeds, MOST_RUNS);
    }
    for (int i = 0; i < s->n_axes; i++) {
        size_t most = 0;
        for (int k = 0; k < s->axes[i].n; k++) {
            const char *label = s->axes[i].values[k].label;
            const size_t n = label != NULL ? strlen(label) : 0;
            most = n > most ? n : most;
        }
        length += most;
    }
    if (length > MOST_NAME) {
        nas_fault_add(r->faults, mark,
                      "an arm is called by its labels and would have a name of %zu characters; a "
                      "folder can have %d: give shorter labels, as a map of label: value",
                      length, MOST_NAME);
    }
}

/* ---- the rest ----------------------------------------------------------------------------- */

static void read_base(struct sweep_reader *r, const struct nas_yaml *root) {
    const struct nas_yaml *base = nas_yaml_get(root, "base");
    if (base == NULL || base->kind != NAS_YAML_SCALAR || base->text[0] == '\0') {
        nas_fault_add(r->faults, base != NULL ? base->mark : root->mark,
                      "base: expected the configuration to start from, relative to this file");
        return;
    }
    const char *slash = strrchr(r->sweep->file, '/');
    const int folder =
        slash != NULL && base->text[0] != '/' ? (int)(slash + 1 - r->sweep->file) : 0;
    r->sweep->base =
        nas_arena_format(&r->sweep->arena, "%.*s%s", folder, r->sweep->file, base->text);
    if (r->sweep->base == NULL) {
        nas_fault_add(r->faults, base->mark, "no memory to read the sweep");
    }
}

struct numbered {
    int64_t seed;
    int i;
};

static int by_seed(const void *a, const void *b) {
    const struct numbered *x = a, *y = b;
    return x->seed != y->seed ? (x->seed < y->seed ? -1 : 1) : x->i - y->i;
}

static void check_seeds(struct sweep_reader *r) {
    const struct sweep *s = r->sweep;
    struct numbered *all = sweep_room(r, s->n_seeds, sizeof *all);
    for (int i = 0; all != NULL && i < s->n_seeds; i++) {
        all[i] = (struct numbered){s->seeds[i], i};
    }
    if (all != NULL) {
        qsort(all, (size_t)s->n_seeds, sizeof *all, by_seed);
    }
    for (int i = 1; all != NULL && i < s->n_seeds; i++) {
        if (all[i].seed == all[i - 1].seed) {
            nas_fault_add(r->faults, s->set_seed[all[i].i].mark,
                          "seeds: %" PRId64 " was given before", all[i].seed);
        }
    }
}

static void read_seeds(struct sweep_reader *r, const struct nas_yaml *root) {
    const struct nas_yaml *list = nas_yaml_get(root, "seeds");
    if (list == NULL || list->kind != NAS_YAML_LIST || list->first == NULL) {
        nas_fault_add(r->faults, list != NULL ? list->mark : root->mark,
                      "seeds: expected a list of values of run.seed, like [1, 2, 3]");
        return;
    }
    r->sweep->seeds = sweep_room(r, sweep_count(list), sizeof *r->sweep->seeds);
    r->sweep->set_seed = sweep_room(r, sweep_count(list), sizeof *r->sweep->set_seed);
    for (const struct nas_yaml *node = list->first;
         r->sweep->seeds != NULL && r->sweep->set_seed != NULL && node != NULL; node = node->next) {
        struct sweep *sweep = r->sweep;
        int64_t seed;
        if (node->kind != NAS_YAML_SCALAR || !nas_text_int(node->text, &seed) || seed < 0) {
            nas_fault_add(r->faults, node->mark, "seeds: expected whole numbers, 0 or more");
            continue;
        }
        sweep->set_seed[sweep->n_seeds] = (struct nas_assignment){"run.seed", node->mark, node};
        sweep->seeds[sweep->n_seeds++] = seed;
    }
    check_seeds(r);
}

void sweep_check_keys(struct sweep_reader *r, const struct nas_yaml *map, const char *const *known,
                      size_t n, const char *otherwise) {
    for (const struct nas_yaml *node = map->first; node != NULL; node = node->next) {
        int found = 0;
        for (size_t i = 0; i < n; i++) {
            found |= strcmp(node->key, known[i]) == 0;
        }
        if (!found) {
            char hint[256];
            nas_fault_add(
                r->faults, node->key_mark, "unknown key '%s'%s", node->key,
                nas_text_hint(nas_text_nearest(node->key, known, n), otherwise, hint, sizeof hint));
        }
    }
}

static void read_all(struct sweep_reader *r, const struct nas_yaml *root) {
    static const char *const known[] = {"base", "set", "seeds", "axes", "search"};
    int sections = 0; /* a configuration has some, and no base */
    for (const struct nas_yaml *node = root->first; node != NULL; node = node->next) {
        sections |= nas_configuration_has_section(node->key);
    }
    if (sections && nas_yaml_get(root, "base") == NULL) {
        nas_fault_add(r->faults, root->mark,
                      "a configuration, which 'metanas train' takes; a sweep has base, set, seeds, "
                      "axes and search");
        return;
    }
    const struct nas_yaml *set = nas_yaml_get(root, "set"), *axes = nas_yaml_get(root, "axes");
    const struct nas_yaml *search = nas_yaml_get(root, "search");
    const struct nas_yaml *method = nas_yaml_get(search, "method");
    r->halving =
        method != NULL && method->kind == NAS_YAML_SCALAR && strcmp(method->text, "halving") == 0;
    sweep_check_keys(r, root, known, sizeof known / sizeof known[0],
                     "; a sweep has base, set, seeds, axes and search");
    read_base(r, root);
    read_seeds(r, root);
    if (set != NULL) {
        r->sweep->set = read_set(r, set, &r->sweep->n_set);
    }
    if (axes != NULL) {
        read_axes(r, axes);
    }
    if (search != NULL) {
        sweep_read_search(r, search);
    }
    count_arms(r, axes != NULL ? axes->mark : search != NULL ? search->mark : root->mark);
}

int sweep_read(struct mn_ctx *ctx, const char *path, FILE *out, struct sweep *sweep) {
    memset(sweep, 0, sizeof *sweep);
    struct nas_faults faults = {.arena = &sweep->arena};
    struct sweep_reader r = {.sweep = sweep, .faults = &faults};
    sweep->file = nas_arena_text(&sweep->arena, path);
    if (sweep->file == NULL) {
        return mn_fail(ctx, MN_NOMEM, "no memory to read %s", path);
    }
    const struct nas_yaml *root = nas_yaml_read(&sweep->arena, sweep->file, &faults);
    const int unreadable = root == NULL && faults.first != NULL && faults.first->mark.line == 0;
    if (root != NULL) {
        read_all(&r, root);
    }
    nas_faults_print(&faults, out);
    if (faults.count > 0 && nas_cancel_signal() != 0) {
        return mn_fail(ctx, MN_CANCELLED, "stopped by the user");
    }
    return faults.count == 0
               ? MN_OK
               : mn_fail(ctx, unreadable ? MN_IO : MN_CONFIG, "%s: %d fault%s; nothing was run",
                         path, faults.count, nas_text_s(faults.count));
}

void sweep_fini(struct sweep *sweep) {
    nas_arena_fini(&sweep->arena);
    memset(sweep, 0, sizeof *sweep);
}

/* ---- arms --------------------------------------------------------------------------------- */

const struct sweep_value *sweep_value_at(const struct sweep *s, int64_t arm, int axis) {
    for (int i = s->n_axes - 1; !s->drawn && i > axis; i--) {
        arm /= s->axes[i].n;
    }
    return &s->axes[axis].values[arm % s->axes[axis].n];
}

const char *sweep_arm_name(const struct sweep *s, int64_t arm, struct nas_arena *arena) {
    const char *name = s->n_axes == 0 ? "base" : sweep_value_at(s, arm, 0)->label;
    for (int i = 1; name != NULL && i < s->n_axes; i++) {
        name = nas_arena_format(arena, "%s+%s", name, sweep_value_at(s, arm, i)->label);
    }
    return name;
}

struct nas_assignment *sweep_assignments(const struct sweep *s, int64_t arm, int seed,
                                         struct nas_arena *arena, int *n) {
    size_t most = (size_t)s->n_set + 2;
    for (int i = 0; i < s->n_axes; i++) {
        most += (size_t)sweep_value_at(s, arm, i)->n;
    }
    struct nas_assignment *all = nas_arena_array(arena, most, sizeof *all);
    *n = 0;
    for (int i = 0; all != NULL && i < s->n_set; i++) {
        all[(*n)++] = s->set[i];
    }
    for (int i = 0; all != NULL && i < s->n_axes; i++) {
        const struct sweep_value *value = sweep_value_at(s, arm, i);
        for (int k = 0; k < value->n; k++) {
            all[(*n)++] = value->set[k];
        }
    }
    if (all != NULL && s->n_rungs > 0) {
        all[(*n)++] = s->set_length;
    }
    if (all != NULL) {
        all[(*n)++] = s->set_seed[seed];
    }
    return all;
}
