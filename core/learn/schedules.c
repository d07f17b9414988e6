/* SPDX-License-Identifier: MIT */
#include "learn/schedules.h"

#include "base/text.h"
#include "learn/configuration.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

struct telling {
    const struct nas_experiment *e;
    int64_t before, meta_epoch;
    char text[NAS_MESSAGE - 256];
};

MN_PRINTF(2, 3) static void add(struct telling *t, const char *format, ...) {
    const size_t used = strlen(t->text);
    va_list args;
    va_start(args, format);
    vsnprintf(t->text + used, sizeof t->text - used, format, args);
    va_end(args);
}

/* Share of its height that a course has left; -1 = of a form that is not known here. */
static double height(const char *course, int64_t meta_epoch, int64_t meta_epochs) {
    const double done = meta_epochs > 0 ? (double)meta_epoch / (double)meta_epochs : 1;
    return strcmp(course, "linear") == 0   ? 1 - done
           : strcmp(course, "cosine") == 0 ? 0.5 * (1 + cos(acos(-1) * done))
                                           : -1;
}

/* x / 10,000 with four digits. */
static const char *share(double x, char out[40]) {
    nas_text_from_real(round(x) / 1e4, out, 40);
    return out;
}

static void tell_course(struct telling *t, const struct nas_instance *unit, const char *key,
                        const char *course) {
    const int64_t now = t->e->run.meta_epochs;
    const double then = height(course, t->meta_epoch, t->before),
                 here = height(course, t->meta_epoch, now);
    char a[40], b[40];
    if (then < 0) {
        add(t, "\n  %s: %s %s takes %" PRId64 " meta-epochs in place of %" PRId64, unit->label, key,
            course, now, t->before);
        return;
    }
    add(t,
        "\n  %s: %s %s: the rates had come to %s of their height at meta-epoch %" PRId64
        ", now they are at %s",
        unit->label, key, course, share(then * 1e4, a), t->meta_epoch, share(here * 1e4, b));
}

/* A part of the run, from its first meta-epoch; what is over before and after is no change. */
static void tell_part(struct telling *t, const struct nas_instance *unit, const char *key,
                      double part) {
    const double then = part * (double)t->before, here = part * (double)t->e->run.meta_epochs;
    char share[40], a[40], b[40];
    if (part <= 0 || part >= 1 ||
        ((double)t->meta_epoch >= then && (double)t->meta_epoch >= here)) {
        return;
    }
    nas_text_from_real(part, share, sizeof share);
    nas_text_from_real(then, a, sizeof a);
    nas_text_from_real(here, b, sizeof b);
    add(t, "\n  %s: %s %s ended at meta-epoch %s, now it ends at %s", unit->label, key, share, a,
        b);
}

/* From 0 to 1 over the run. */
static void tell_ramp(struct telling *t, const struct nas_instance *unit, const char *key) {
    char a[40], b[40];
    const double then = height("linear", t->meta_epoch, t->before),
                 here = height("linear", t->meta_epoch, t->e->run.meta_epochs);
    add(t, "\n  %s: %s had come to %s of drop_path at meta-epoch %" PRId64 ", now it is at %s",
        unit->label, key, share(1e4 - then * 1e4, a), t->meta_epoch, share(1e4 - here * 1e4, b));
}

static void tell_unit(struct telling *t, const struct nas_instance *unit) {
    static const char *const parts[] = {"warm_up", "multi_step", "first_order"};
    const struct nas_options *options = &unit->unit.options;
    for (uint32_t i = 0; i < options->n; i++) {
        const struct mn_opt *o = &options->at[i];
        const void *value = (const char *)unit->self + o->offset;
        if (o->type == MN_OPT_CHOICE && strcmp(o->key, "schedule") == 0 &&
            strcmp(o->choices[*(const int32_t *)value], "constant") != 0) {
            tell_course(t, unit, o->key, o->choices[*(const int32_t *)value]);
        }
        if (o->type == MN_OPT_BOOL && strcmp(o->key, "drop_path_ramp") == 0 &&
            *(const bool *)value) {
            tell_ramp(t, unit, o->key);
        }
        for (size_t k = 0; k < sizeof parts / sizeof parts[0]; k++) {
            if (o->type == MN_OPT_REAL && strcmp(o->key, parts[k]) == 0) {
                tell_part(t, unit, o->key, *(const double *)value);
            }
        }
    }
}

void nas_schedules_tell(const struct nas_experiment *e, struct mn_ctx *ctx, int64_t before,
                        int64_t meta_epoch) {
    struct telling t = {.e = e, .before = before, .meta_epoch = meta_epoch};
    if (before == e->run.meta_epochs) {
        return;
    }
    for (int i = 0; i < nas_configuration_units(e); i++) {
        for (const struct nas_instance *x = nas_configuration_unit(e, i); x != NULL;
             x = x->around) {
            tell_unit(&t, x);
        }
    }
    if (t.text[0] != '\0') {
        mn_log(ctx, MN_LOG_WARN,
               "run.meta_epochs was %" PRId64 ", now it is %" PRId64
               ": what goes by the length of the run changes with it%s",
               before, e->run.meta_epochs, t.text);
    }
}
