/* SPDX-License-Identifier: MIT */
#include "read.h"

#include "base/hash.h"
#include "base/text.h"
#include "metanas/rng.h"

#include <inttypes.h>
#include <math.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

/* The purpose of the streams that arms are drawn from (metanas/rng.h): those of runs have others.
 */
enum { RNG_ARMS = 100 };

enum { MOST_DRAWN = 100000 };

static const char *const distributions[] = {"uniform", "log_uniform", "int_uniform",
                                            "int_log_uniform", "choice"};
enum { UNIFORM, LOG_UNIFORM, INT_UNIFORM, INT_LOG_UNIFORM, CHOICE, DISTRIBUTIONS };

/* A key of the space. */
struct dimension {
    struct nas_yaml axis; /* as if it were an axis of the file; its mark is that of the bounds */
    int kind;             /* of distributions */
    double low, high;
    struct sweep_axis values; /* all that a choice has, one of a distribution of numbers */
    uint64_t stream;          /* by its key: it draws the same whatever else is in the space */
};

static int is_log(int kind) {
    return kind == LOG_UNIFORM || kind == INT_LOG_UNIFORM;
}

static int is_whole(int kind) {
    return kind == INT_UNIFORM || kind == INT_LOG_UNIFORM;
}

/* ---- a value ------------------------------------------------------------------------------ */

/* Four significant digits: they are read by people, and do not depend on the last bit of a
 * library's exp. */
static double draw_number(const struct dimension *d, double u) {
    const double end = is_whole(d->kind) ? d->high + 1 : d->high;
    char text[40];
    double x = is_log(d->kind) ? exp(log(d->low) + u * (log(end) - log(d->low)))
                               : d->low + u * (end - d->low);
    if (is_whole(d->kind)) {
        x = floor(x);
    } else {
        snprintf(text, sizeof text, "%.4g", x);
        nas_text_real(text, &x);
    }
    return fmin(fmax(x, d->low), d->high);
}

/* 0 = no memory; a fault was added. */
static int draw_value(struct sweep_reader *r, const struct dimension *d, int64_t seed,
                      uint32_t draw, struct sweep_value *out) {
    struct mn_rng rng = mn_rng_make((uint64_t)seed, RNG_ARMS, 0, d->stream, draw, 0);
    if (d->kind == CHOICE) {
        *out = d->values.values[mn_rng_below(&rng, (uint32_t)d->values.n)];
        return 1;
    }
    struct nas_yaml *value = sweep_room(r, 1, sizeof *value);
    char *text = sweep_room(r, 40, 1);
    if (value == NULL || text == NULL) {
        return 0;
    }
    const double x = draw_number(d, mn_rng_uniform(&rng));
    if (is_whole(d->kind)) {
        snprintf(text, 40, "%.0f", x);
    } else {
        nas_text_from_real(x, text, 40);
    }
    char *plus = strchr(text, '+'); /* 1e+07: a label has no such character */
    if (plus != NULL) {
        memmove(plus, plus + 1, strlen(plus));
    }
    *value = (struct nas_yaml){.kind = NAS_YAML_SCALAR, .mark = d->axis.mark, .text = text};
    sweep_read_value(r, &d->axis, value, out);
    return out->label != NULL && out->n > 0;
}

/* ---- the space ---------------------------------------------------------------------------- */

/* [LOW, HIGH] */
static void read_bounds(struct sweep_reader *r, const struct nas_yaml *list, struct dimension *d) {
    const char *name = distributions[d->kind];
    const struct nas_yaml *low = list->kind == NAS_YAML_LIST ? list->first : NULL;
    const struct nas_yaml *high = low != NULL ? low->next : NULL;
    const double most = is_whole(d->kind) ? 1e15 : 1e30;
    int64_t whole[2];
    d->axis.kind = NAS_YAML_LIST;
    if (strchr(d->axis.key, '.') == NULL) {
        nas_fault_add(r->faults, d->axis.key_mark,
                      "'%.80s': %s draws the value of an option: its name is section.key",
                      d->axis.key, name);
        return;
    }
    if (high == NULL || high->next != NULL || low->kind != NAS_YAML_SCALAR ||
        high->kind != NAS_YAML_SCALAR) {
        nas_fault_add(r->faults, list->mark, "%s: expected [LOW, HIGH]", name);
        return;
    }
    const int read = is_whole(d->kind)
                         ? nas_text_int(low->text, &whole[0]) && nas_text_int(high->text, &whole[1])
                         : nas_text_real(low->text, &d->low) && nas_text_real(high->text, &d->high);
    if (read && is_whole(d->kind)) {
        d->low = (double)whole[0];
        d->high = (double)whole[1];
    }
    if (!read || !(d->low < d->high) || fabs(d->low) > most || fabs(d->high) > most) {
        nas_fault_add(
            r->faults, list->mark,
            "%s: expected [LOW, HIGH], two %snumbers from %g to %g, the second one larger", name,
            is_whole(d->kind) ? "whole " : "", -most, most);
    } else if (is_log(d->kind) && d->low <= 0) {
        nas_fault_add(r->faults, low->mark, "%s: expected numbers above 0", name);
    }
}

static void read_dimension(struct sweep_reader *r, const struct nas_yaml *node, int64_t seed,
                           struct dimension *d) {
    const struct nas_yaml *given = node->kind == NAS_YAML_MAP ? node->first : NULL;
    char hint[256];
    int kind = 0;
    sweep_check_name(r, node);
    while (given != NULL && kind < DISTRIBUTIONS && strcmp(given->key, distributions[kind]) != 0) {
        kind++;
    }
    if (given == NULL || given->next != NULL || kind == DISTRIBUTIONS) {
        nas_fault_add(
            r->faults, given != NULL ? given->key_mark : node->mark,
            "space: %.80s: expected one of uniform, log_uniform, int_uniform, int_log_uniform, as "
            "{uniform: [LOW, HIGH]}, or {choice: [VALUE, ..]}%s",
            node->key,
            nas_text_hint(given != NULL && kind == DISTRIBUTIONS
                              ? nas_text_nearest(given->key, distributions, DISTRIBUTIONS)
                              : NULL,
                          "", hint, sizeof hint));
        return;
    }
    d->kind = kind;
    d->axis = *given;
    d->axis.key = node->key;
    d->axis.key_mark = node->key_mark;
    d->stream = nas_hash_bytes(nas_hash_begin(), node->key, strlen(node->key));
    if (kind == CHOICE) {
        sweep_read_axis(r, &d->axis, &d->values);
        return;
    }
    const int before = r->faults->count;
    read_bounds(r, given, d);
    d->values = (struct sweep_axis){node->key, 0, sweep_room(r, 1, sizeof *d->values.values)};
    if (r->faults->count == before && draw_value(r, d, seed, 0, d->values.values)) {
        d->values.n = 1;
        sweep_check_label(r, d->values.values); /* others are made alike */
    }
}

/* ---- arms --------------------------------------------------------------------------------- */

static int by_text(const void *a, const void *b) {
    return strcmp(a, b);
}

static void keep_it(void *name) {
}

/* Arms are the draws that none before them equals, so they stay what they are where more are asked
 * for. */
static void draw_arms(struct sweep_reader *r, const struct nas_yaml *space,
                      const struct dimension *all, int64_t seed, int64_t arms) {
    struct sweep *s = r->sweep;
    void *names = NULL; /* tree of those of the arms so far */
    int64_t arm = 0, repeats = 0;
    for (uint32_t draw = 0; arm < arms; draw++) {
        const size_t mark = nas_arena_mark(&s->arena);
        int drawn = 1;
        for (int i = 0; drawn && i < s->n_axes; i++) {
            drawn = draw_value(r, &all[i], seed, draw, &s->axes[i].values[arm]);
        }
        const char *name = drawn ? sweep_arm_name(s, arm, &s->arena) : NULL;
        const int repeated = name != NULL && tfind(name, &names, by_text) != NULL;
        if (name == NULL || (!repeated && tsearch(name, &names, by_text) == NULL)) {
            nas_fault_add(r->faults, space->mark, "no memory to draw the arms");
            break;
        }
        if (!repeated) {
            arm++;
            repeats = 0;
            continue;
        }
        nas_arena_release(&s->arena, mark);
        if (++repeats > 20 * arm + 100) {
            nas_fault_add(r->faults, space->mark,
                          "search: arms: the space gives only %" PRId64 " different arms, %" PRId64
                          " are asked for",
                          arm, arms);
            break;
        }
    }
    tdestroy(names, keep_it);
    for (int i = 0; i < s->n_axes; i++) {
        s->axes[i].n = (int)arm;
    }
}

static void read_space(struct sweep_reader *r, const struct nas_yaml *space, int64_t seed,
                       int64_t arms) {
    struct sweep *s = r->sweep;
    const int n = space->kind == NAS_YAML_MAP ? sweep_count(space) : 0, before = r->faults->count;
    if (n == 0) {
        nas_fault_add(r->faults, space->mark,
                      "space: expected a map of keys and what they are drawn from, like "
                      "{task_learner.lr_a: {log_uniform: [0.01, 0.2]}}");
        return;
    }
    if (n * arms > MOST_DRAWN) {
        nas_fault_add(r->faults, space->mark,
                      "space: %" PRId64 " arms of %d keys are more than %d values", arms, n,
                      MOST_DRAWN);
        return;
    }
    struct dimension *all = sweep_room(r, n, sizeof *all);
    s->axes = sweep_room(r, n, sizeof *s->axes);
    for (const struct nas_yaml *node = space->first; all != NULL && s->axes != NULL && node != NULL;
         node = node->next) {
        read_dimension(r, node, seed, &all[s->n_axes]);
        s->axes[s->n_axes] = all[s->n_axes].values;
        s->n_axes++;
    }
    if (r->faults->count == before) {
        sweep_check_axes(r);
    }
    for (int i = 0; r->faults->count == before && i < n; i++) {
        s->axes[i].n = (int)arms;
        s->axes[i].values = sweep_room(r, (int)arms, sizeof *s->axes[i].values);
    }
    if (r->faults->count == before) {
        s->drawn = 1;
        draw_arms(r, space, all, seed, arms);
    }
}

/* ---- the section -------------------------------------------------------------------------- */

/* A whole number of the section, `def` where it is missing; out of range after a fault. */
static int64_t read_whole(struct sweep_reader *r, const struct nas_yaml *map, const char *key,
                          int64_t def, int64_t min, int64_t max) {
    const struct nas_yaml *node = nas_yaml_get(map, key);
    int64_t out = def;
    if (node != NULL && (node->kind != NAS_YAML_SCALAR || !nas_text_int(node->text, &out))) {
        out = min - 1;
    }
    if (out < min || out > max) {
        nas_fault_add(r->faults, node != NULL ? node->mark : map->mark,
                      "search: %s: expected a whole number from %" PRId64 " to %" PRId64, key, min,
                      max);
    }
    return out;
}

/* As far apart as eta at least: the last one is the whole run. */
static void read_rungs(struct sweep_reader *r, const struct nas_yaml *search) {
    static const char *const known[] = {"min", "max"};
    const struct nas_yaml *rungs = nas_yaml_get(search, "rungs");
    const struct nas_yaml *metric = nas_yaml_get(search, "metric");
    struct sweep *s = r->sweep;
    const int before = r->faults->count;
    if (metric != NULL &&
        (metric->kind != NAS_YAML_SCALAR || strcmp(metric->text, "validation accuracy") != 0)) {
        nas_fault_add(r->faults, metric->mark, "search: metric: expected validation accuracy");
    }
    s->eta = read_whole(r, search, "eta", 3, 2, 1000);
    if (rungs == NULL || rungs->kind != NAS_YAML_MAP) {
        nas_fault_add(r->faults, rungs != NULL ? rungs->mark : search->mark,
                      "search: rungs: expected meta-epochs of the first and of the last rung, like "
                      "{min: 100, max: 900}");
        return;
    }
    sweep_check_keys(r, rungs, known, sizeof known / sizeof known[0], "; rungs have min and max");
    const int64_t min = read_whole(r, rungs, "min", 0, 1, 1000000000);
    const int64_t max = read_whole(r, rungs, "max", 0, 1, 1000000000);
    if (r->faults->count > before) {
        return;
    }
    if (min * s->eta > max) {
        nas_fault_add(r->faults, rungs->mark,
                      "search: rungs: expected a max of at least eta times min, %" PRId64,
                      min * s->eta);
        return;
    }
    for (int64_t at = min; at * s->eta <= max; at *= s->eta) {
        s->rungs[s->n_rungs++] = at;
    }
    s->rungs[s->n_rungs++] = max;
    s->rungs_mark = rungs->mark;
    const struct nas_yaml *length = nas_yaml_get(rungs, "max");
    s->set_length = (struct nas_assignment){"run.meta_epochs", length->key_mark, length};
}

void sweep_read_search(struct sweep_reader *r, const struct nas_yaml *node) {
    static const char *const known[] = {"method", "space", "arms",  "seed",
                                        "eta",    "rungs", "metric"};
    const struct nas_yaml *method = nas_yaml_get(node, "method");
    const struct nas_yaml *space = nas_yaml_get(node, "space");
    const int before = r->faults->count;
    if (node->kind != NAS_YAML_MAP) {
        nas_fault_add(r->faults, node->mark,
                      "search: expected a section with method, arms, seed and space");
        return;
    }
    sweep_check_keys(r, node, known, sizeof known / sizeof known[0],
                     "; search has method, space, arms and seed, with method halving also eta, "
                     "rungs and metric");
    if (method == NULL || method->kind != NAS_YAML_SCALAR ||
        (!r->halving && strcmp(method->text, "random") != 0)) {
        nas_fault_add(r->faults, method != NULL ? method->mark : node->mark,
                      "search: method: expected random or halving");
    }
    for (const struct nas_yaml *x = node->first; x != NULL; x = x->next) {
        const int halves = strcmp(x->key, "eta") == 0 || strcmp(x->key, "rungs") == 0 ||
                           strcmp(x->key, "metric") == 0;
        const int draws = strcmp(x->key, "arms") == 0 || strcmp(x->key, "seed") == 0;
        if ((halves && !r->halving) || (draws && space == NULL)) {
            nas_fault_add(r->faults, x->key_mark, "search: %s goes with %s", x->key,
                          halves ? "method: halving" : "a space");
        }
    }
    if (space == NULL && (!r->halving || r->sweep->n_axes == 0)) {
        nas_fault_add(r->faults, node->mark, "search: space: expected what arms are drawn from%s",
                      r->halving ? ", or axes beside the search" : "");
    } else if (space != NULL && r->sweep->n_axes > 0) {
        nas_fault_add(r->faults, space->key_mark,
                      "search: arms are drawn from a space or made of axes, not both");
    }
    if (r->halving) {
        read_rungs(r, node);
    }
    if (space != NULL) {
        const int64_t arms = read_whole(r, node, "arms", 0, 1, MOST_ARMS);
        const int64_t seed = read_whole(r, node, "seed", 1, 0, INT64_C(9007199254740992));
        if (r->faults->count == before) {
            read_space(r, space, seed, arms);
        }
    }
}
