/* SPDX-License-Identifier: MIT */
#include "learn/meta_part.h"

#include <inttypes.h>
#include <string.h>

/* What each of two meta learners owns; then that of one for both. */
static const struct {
    const char *key, *section, *prefix;
    uint32_t owns;
} parts[] = {
    {"weights", "meta_learner.weights", "meta.weights", MN_ADAPTS_W},
    {"architecture", "meta_learner.architecture", "meta.architecture", MN_ADAPTS_A},
    {NULL, "meta_learner", "meta", MN_ADAPTS_W | MN_ADAPTS_A},
};

/* ---- configuration ------------------------------------------------------------------------ */

int nas_meta_parts_apart(const struct nas_yaml *section) {
    return section != NULL && section->kind == NAS_YAML_MAP &&
           (nas_yaml_get(section, parts[0].key) != NULL ||
            nas_yaml_get(section, parts[1].key) != NULL);
}

void nas_meta_parts_begin(struct nas_experiment *e, const struct nas_yaml *section,
                          struct nas_faults *faults) {
    e->n_meta = nas_meta_parts_apart(section) ? 2 : 1;
    for (int i = 0; i < e->n_meta; i++) {
        const int part = e->n_meta == 1 ? 2 : i;
        e->meta[i] =
            (struct nas_meta_part){.unit = i == 0 ? &e->meta_learner : &e->meta_architecture,
                                   .owns = parts[part].owns,
                                   .section = parts[part].section,
                                   .prefix = parts[part].prefix};
    }
    if (e->n_meta == 1) {
        return;
    }
    for (const struct nas_yaml *node = section->first; node != NULL; node = node->next) {
        if (strcmp(node->key, parts[0].key) != 0 && strcmp(node->key, parts[1].key) != 0) {
            nas_fault_add(faults, node->key_mark,
                          "meta_learner: '%s' cannot stand beside 'weights' and 'architecture'; "
                          "it belongs into one of them",
                          node->key);
        }
    }
    for (int i = 0; i < 2; i++) {
        if (nas_yaml_get(section, parts[i].key) == NULL) {
            nas_fault_add(faults, section->mark,
                          "meta_learner: '%s' has a meta learner of its own, '%s' has none; add "
                          "%s: {use: NAME}",
                          parts[1 - i].key, parts[i].key, parts[i].key);
        }
    }
}

const char *nas_meta_part_key(int i) {
    return parts[i].key;
}

/* ---- who works with whom ------------------------------------------------------------------ */

/* Weights of the loss stay where they are in a task, and learn by what they do to its steps. */
static int join_loss(struct nas_experiment *e, struct mn_ctx *ctx) {
    const struct mn_meta_learner *weights = &e->meta[0].unit->table.meta_learner;
    if (nas_loss_n_weights(&e->loss, (int32_t)e->task.ways) == 0) {
        return MN_OK;
    }
    e->rates = 1;
    if (weights->traces == NULL || !weights->traces(e->meta[0].unit->self)) {
        return nas_refuse(ctx, MN_UNSUPPORTED, e->loss.mark,
                          "%s has weights, which learn by what they do to the steps of a task; %s "
                          "does not go back through these: use a meta learner that does, such as "
                          "maml, anil, meta_sgd or alfa",
                          e->loss.label, e->meta[0].unit->label);
    }
    return MN_OK;
}

int nas_meta_parts_join(struct nas_experiment *e, struct mn_ctx *ctx) {
    const struct mn_task_learner *learner = &e->task_learner.table.task_learner;
    for (int i = 0; i < e->n_meta; i++) {
        const struct nas_instance *unit = e->meta[i].unit;
        const struct mn_meta_learner *table = &unit->table.meta_learner;
        const int rates = table->rates != NULL;
        const int traces = table->traces != NULL && table->traces(unit->self) != 0;
        const int shapes = table->shape != NULL;
        e->traces |= traces;
        e->rates |= rates;
        e->shapes |= shapes ? e->meta[i].owns : 0;
        if (shapes != (table->shape_back != NULL)) {
            return nas_instance_wrong(ctx, unit, "it has one of shape and shape_back alone");
        }
        if (!rates && !traces && !shapes) {
            continue;
        }
        if (learner->adjoint == NULL || learner->steps == NULL) {
            return nas_refuse(
                ctx, MN_UNSUPPORTED, unit->mark,
                "%s works on the single steps of a task, which %s does not offer (it "
                "has no adjoint); use a task learner that does, such as sgd or darts, "
                "or a meta learner that needs none, such as fomaml or reptile",
                unit->label, e->task_learner.label);
        }
        if (learner->check_adjoint != NULL) {
            struct nas_call call = nas_call_begin(ctx, &e->task_learner);
            TRY(nas_call_end(&call, learner->check_adjoint(e->task_learner.self, ctx)));
        }
    }
    return join_loss(e, ctx);
}

/* ---- sizes -------------------------------------------------------------------------------- */

int nas_meta_parts_size(struct nas_experiment *e, struct mn_ctx *ctx) {
    e->n_own = 0;
    for (int i = 0; i < e->n_meta; i++) {
        struct nas_meta_part *part = &e->meta[i];
        const struct mn_meta_learner *table = &part->unit->table.meta_learner;
        part->dims = *nas_model_dims(e->model);
        if ((part->owns & MN_ADAPTS_W) == 0) {
            part->dims.n_w = part->dims.n_w_segments = 0;
        }
        if ((part->owns & MN_ADAPTS_A) == 0) {
            part->dims.n_a = part->dims.n_a_segments = 0;
        }
        part->own0 = e->n_own;
        part->n_own = table->n_own != NULL ? table->n_own(part->unit->self, &part->dims) : 0;
        if (part->n_own < 0 || part->n_own > NAS_MOST_REALS) {
            return nas_instance_wrong(ctx, part->unit, "n_own is %" PRId64 ", which is no size",
                                      part->n_own);
        }
        e->n_own += part->n_own;
    }
    return MN_OK;
}
