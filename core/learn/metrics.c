/* SPDX-License-Identifier: MIT */
#include "learn/metrics.h"

#include "learn/task.h"
#include "plugin/load.h"

#include <string.h>

/* The place of a name, which is made where there is none; NULL = all are taken. */
static double *place_of(struct nas_metrics *m, const char *name) {
    int64_t i = 0;
    while (i < m->n && strcmp(m->at[i].name, name) != 0) {
        i++;
    }
    if (i == NAS_MOST_METRICS) {
        return NULL;
    }
    if (i == m->n) {
        snprintf(m->at[i].name, sizeof m->at[i].name, "%s", name);
        m->at[m->n++].value = 0;
    }
    return &m->at[i].value;
}

int nas_service_metric(struct mn_ctx *ctx, const char *name, double value) {
    const struct nas_ctx *c = nas_ctx_of(ctx);
    char full[64];
    if (!nas_plugin_name_ok(name) || c->unit == NULL) {
        return mn_fail(ctx, MN_INTERNAL,
                       "mn_metric: '%.80s' is no name: it has lower-case letters, digits and '_', "
                       "and begins with a letter",
                       name != NULL ? name : "NULL");
    }
    if (c->scope == NULL || c->scope->watch.metrics == NULL) {
        return MN_OK; /* nobody asks */
    }
    const int length = snprintf(full, sizeof full, "%s.%s%.40s", nas_kind_name(c->unit->kind),
                                c->unit->within, name);
    if (length >= (int)sizeof full) {
        return mn_fail(ctx, MN_INTERNAL, "mn_metric: %s: the name is too long", full);
    }
    double *place = place_of(c->scope->watch.metrics, full);
    if (place == NULL) {
        return mn_fail(ctx, MN_INTERNAL, "mn_metric: %s is one name too many; %d are possible",
                       full, NAS_MOST_METRICS);
    }
    *place = value;
    return MN_OK;
}

void nas_metrics_add(struct nas_metrics *to, const struct nas_metrics *more, double share) {
    for (int64_t i = 0; i < more->n; i++) {
        double *place = place_of(to, more->at[i].name);
        if (place != NULL) {
            *place += share * more->at[i].value;
        }
    }
}
