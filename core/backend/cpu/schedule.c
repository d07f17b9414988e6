/* SPDX-License-Identifier: MIT */
#include "backend/cpu/ops.h"
#include "backend/cpu/plan.h"

#include <string.h>

/* A tensor of activations, its ReLU and their gradients; of a state, or of a concatenation, whose
 * parts are ranges of it. */
struct whole {
    int x, r, dx, dr;
    const struct nas_layer *conv; /* that can make x again on the way back, or NULL */
    int again;                    /* the operation that does, -1 = none yet */
    int always;                   /* its ReLU has a gradient whatever is computed */
};

/* The phases of a state, its ReLU's, their gradients; and the operations that prepare them. */
struct phases {
    int xp, rp, dxp, drp;
    int relu, split, relu_phases;
};

struct path_tensors {
    int u[2], y[2], which[2], saved;
    int source, needs[3]; /* as it was prepared last */
};

struct emitter {
    struct mn_ctx *ctx;
    struct nas_cpu_plan *plan;
    const struct mn_model *model;
    struct nas_schedule *schedule;
    struct nas_arena arena;
    struct whole *wholes;       /* [n_states], of those that are no part of another */
    struct phases *phases;      /* [n_states] */
    struct path_tensors *paths; /* [n_paths] */
    struct nas_path_use *next;  /* of all operations' */
    uint8_t *valid;             /* [n_tensors] holds what was written last */
    int status;
};

static void emitter_fini(struct emitter *e) {
    nas_arena_fini(&e->arena);
}

/* The state whose tensor holds this one. */
static int root_of(const struct mn_model *m, int state) {
    const struct nas_cell_state *s = &m->states[state];
    return s->part_of >= 0 ? m->layers[s->part_of].state
           : s->relu       ? m->layers[s->layer].parts[0]
                           : state;
}

/* ---- tensors ------------------------------------------------------------------------------ */

static int add_tensor(struct emitter *e, size_t reals, size_t base, int size) {
    struct nas_schedule *s = e->schedule;
    s->tensors[s->n_tensors] = (struct nas_tensor){
        .reals = (reals + NAS_LANES - 1) / NAS_LANES * NAS_LANES, .base = base, .size = size};
    return s->n_tensors++;
}

static int add_on_grid(struct emitter *e, int size, int channels) {
    const struct nas_grid *g = &e->plan->sizes[size].grid;
    return add_tensor(e, nas_grid_reals(g, channels), (size_t)nas_grid_base(g), size);
}

static void as_gradient(struct emitter *e, int tensor, int channels) {
    struct nas_tensor *t = &e->schedule->tensors[tensor];
    t->channels = channels;
    t->flag0 = e->schedule->n_flags;
    e->schedule->n_flags += channels;
}

static void add_path_tensors(struct emitter *e, const struct nas_cpu_path *p) {
    struct path_tensors *t = &e->paths[p->path->index];
    const struct nas_grid *g = &e->plan->sizes[p->path->size].grid;
    t->saved = NAS_NO_TENSOR;
    for (int i = 0; i < p->path->n_stages; i++) {
        const struct nas_stage *stage = &p->path->stage[i];
        const struct nas_linear *first = &stage->linear[0];
        t->y[i] = add_on_grid(e, p->path->size, p->path->channels);
        t->u[i] = t->which[i] = NAS_NO_TENSOR;
        /* The output of a depthwise map costs less to compute again than to keep. */
        if (stage->n_linear == 2 && first->kind != NAS_LINEAR_DEPTHWISE) {
            t->u[i] = add_on_grid(e, p->path->size, first->n_out * p->n_phase[i]);
        }
        if (first->kind == NAS_LINEAR_MAX_POOL) {
            const size_t bytes = (size_t)p->path->channels * (size_t)g->n * (size_t)g->image;
            t->which[i] = add_tensor(e, (bytes + sizeof(mn_real) - 1) / sizeof(mn_real), 0, -1);
        }
        if (first->kind == NAS_LINEAR_CUSTOM && first->custom->shape.n_saved > 0) {
            t->saved = add_tensor(
                e, (size_t)e->model->dims.max_batch * (size_t)first->custom->shape.n_saved, 0, -1);
        }
    }
}

/* Which forms of a state paths and head read. */
struct forms {
    int r, xp, rp;
};

static void add_state_tensors(struct emitter *e, const struct forms *forms) {
    const struct mn_model *m = e->model;
    for (int i = 0; i < m->n_states; i++) {
        const struct nas_cell_state *s = &m->states[i];
        struct whole *w = &e->wholes[i];
        int relu = 0, any = 0;
        for (int k = 0; k < m->n_states; k++) {
            relu |= root_of(m, k) == i && forms[k].r;
            any |= root_of(m, k) == i && (forms[k].r || forms[k].rp);
        }
        *w =
            (struct whole){NAS_NO_TENSOR, NAS_NO_TENSOR, NAS_NO_TENSOR, NAS_NO_TENSOR, NULL, -1, 0};
        if (root_of(m, i) != i) {
            continue;
        }
        w->x = add_on_grid(e, s->size, s->channels);
        w->r = relu ? add_on_grid(e, s->size, s->channels) : NAS_NO_TENSOR;
        if (i > 0) {
            w->dx = add_on_grid(e, s->size, s->channels);
            as_gradient(e, w->dx, s->channels);
        }
        if (i > 0 && any) {
            w->dr = add_on_grid(e, s->size, s->channels);
            as_gradient(e, w->dr, s->channels);
        }
    }
    for (int i = 0; i < m->n_states; i++) {
        const struct nas_cell_state *s = &m->states[i];
        struct phases *p = &e->phases[i];
        int *const tensors[] = {&p->xp, &p->dxp, &p->rp, &p->drp};
        const int wanted[] = {forms[i].xp, forms[i].xp && root_of(m, i) > 0, forms[i].rp,
                              forms[i].rp && root_of(m, i) > 0};
        p->relu = p->split = p->relu_phases = -1;
        for (int k = 0; k < 4; k++) {
            *tensors[k] = NAS_NO_TENSOR;
            if (wanted[k]) {
                const struct nas_grid *half = &e->plan->sizes[s->half].grid;
                *tensors[k] = add_tensor(e, 4 * nas_grid_reals(half, s->channels),
                                         (size_t)nas_grid_base(half), -1);
            }
            if (wanted[k] && k % 2 == 1) {
                as_gradient(e, *tensors[k], 1);
            }
        }
    }
}

/* ---- operations --------------------------------------------------------------------------- */

static struct nas_cpu_op *
emit(struct emitter *e, void (*run)(struct nas_run *run, const struct nas_cpu_op *op), int state) {
    struct nas_schedule *s = e->schedule;
    struct nas_cpu_op *op = &s->ops[s->n_ops++];
    *op = (struct nas_cpu_op){.run = run,
                              .first_use = s->n_uses,
                              .state = state,
                              .from = NAS_NO_TENSOR,
                              .to = NAS_NO_TENSOR,
                              .d_relu = NAS_NO_TENSOR,
                              .d_phases = NAS_NO_TENSOR,
                              .d_relu_phases = NAS_NO_TENSOR,
                              .paths = e->next};
    return op;
}

static int use(struct emitter *e, int tensor, int begins) {
    struct nas_schedule *s = e->schedule;
    if (tensor != NAS_NO_TENSOR) {
        s->uses[s->n_uses++] = (struct nas_use){tensor, begins};
        s->ops[s->n_ops - 1].n_uses++;
        e->valid[tensor] = 1;
    }
    return tensor;
}

/* The operation that was emitted last reads a tensor. */
static int reads(struct emitter *e, int tensor) {
    if (tensor != NAS_NO_TENSOR && !e->valid[tensor]) {
        e->status = mn_fail(e->ctx, MN_INTERNAL,
                            "operation %d of a pass reads tensor %d, which none has written",
                            e->schedule->n_ops - 1, tensor);
    }
    return use(e, tensor, 0);
}

/* It writes a tensor or a part of it, or adds to it. */
static int writes(struct emitter *e, int tensor) {
    return use(e, tensor, tensor != NAS_NO_TENSOR && !e->valid[tensor]);
}

/* ---- sources ------------------------------------------------------------------------------ */

/* Make a state's tensor again where it was given up; returns the operation, -1 = there is none. */
static int need_whole(struct emitter *e, int root) {
    struct whole *w = &e->wholes[root];
    if (!e->valid[w->x] && w->conv != NULL) {
        struct nas_cpu_op *op = emit(e, nas_op_recompute_norm, root);
        struct nas_path_use *u = e->next++;
        const struct nas_path *path = &w->conv->edges[0].paths[0];
        w->again = e->schedule->n_ops - 1;
        op->n_paths = 1;
        op->optional = !w->always;
        u->path = &e->plan->paths[path->index];
        u->y[0] = reads(e, e->paths[path->index].y[0]);
        op->to = writes(e, w->x);
    }
    return w->again;
}

/* Prepare a form of a state, once on the way forward and, where it was given up, once back. */
static int prepare(struct emitter *e, int *known, int state,
                   void (*run)(struct nas_run *run, const struct nas_cpu_op *op), int from,
                   int to) {
    if (*known < 0) {
        struct nas_cpu_op *op = emit(e, run, state);
        op->optional = 1;
        op->from = reads(e, from);
        op->to = writes(e, to);
        *known = e->schedule->n_ops - 1;
    }
    return *known;
}

/* What a reader of a state sees: the tensor, and the operations that prepare it. */
static int source_of(struct emitter *e, int state, int relu, int strided, int needs[3]) {
    const int root = root_of(e->model, state);
    struct whole *w = &e->wholes[root];
    struct phases *p = &e->phases[state];
    needs[0] = need_whole(e, root);
    needs[1] = needs[2] = -1;
    if (!strided) {
        if (relu) {
            needs[1] = prepare(e, &p->relu, state, nas_op_relu, w->x, w->r);
        }
        return relu ? w->r : w->x;
    }
    if (p->xp != NAS_NO_TENSOR) {
        needs[1] = prepare(e, &p->split, state, nas_op_split, w->x, p->xp);
        if (relu) {
            needs[2] = prepare(e, &p->relu_phases, state, nas_op_relu_phases, p->xp, p->rp);
        }
    } else {
        needs[1] = prepare(e, &p->split, state, nas_op_split_relu, w->x, p->rp);
    }
    return relu ? p->rp : p->xp;
}

static int gradient_of(const struct emitter *e, int state, int relu, int strided) {
    const struct whole *w = &e->wholes[root_of(e->model, state)];
    const struct phases *p = &e->phases[state];
    return strided ? (relu ? p->drp : p->dxp) : relu ? w->dr : w->dx;
}

/* A layer prepares the sources of all its edges before the first one. */
static void prepare_sources(struct emitter *e, const struct nas_layer *layer) {
    for (int i = 0; i < layer->n_edges; i++) {
        for (int p = 0; p < layer->edges[i].n_paths; p++) {
            const struct nas_path *path = &layer->edges[i].paths[p];
            struct path_tensors *t = &e->paths[path->index];
            if (!path->none) {
                t->source = source_of(e, path->source, path->relu,
                                      e->plan->paths[path->index].strided, t->needs);
            }
        }
    }
}

/* ---- layers ------------------------------------------------------------------------------- */

/* A path of the operation that was emitted last, without tensors. */
static struct nas_path_use *add_path(struct emitter *e, const struct nas_path *path) {
    struct nas_path_use *u = e->next++;
    const struct path_tensors *t = &e->paths[path->index];
    e->schedule->ops[e->schedule->n_ops - 1].n_paths++;
    *u = (struct nas_path_use){.path = &e->plan->paths[path->index],
                               .source = NAS_NO_TENSOR,
                               .d_source = NAS_NO_TENSOR,
                               .u = {NAS_NO_TENSOR, NAS_NO_TENSOR},
                               .y = {NAS_NO_TENSOR, NAS_NO_TENSOR},
                               .which = {NAS_NO_TENSOR, NAS_NO_TENSOR},
                               .saved = NAS_NO_TENSOR,
                               .needs = {t->needs[0], t->needs[1], t->needs[2]}};
    return u;
}

static void path_forward(struct emitter *e, const struct nas_path *path) {
    const struct path_tensors *t = &e->paths[path->index];
    struct nas_path_use *u = add_path(e, path);
    u->source = reads(e, t->source);
    for (int s = 0; s < path->n_stages; s++) {
        u->u[s] = writes(e, t->u[s]);
        u->y[s] = writes(e, t->y[s]);
        u->which[s] = writes(e, t->which[s]);
    }
    u->saved = writes(e, t->saved);
}

static void path_backward(struct emitter *e, const struct nas_path *path) {
    const struct path_tensors *t = &e->paths[path->index];
    const struct nas_cpu_path *p = &e->plan->paths[path->index];
    struct nas_path_use *u = add_path(e, path);
    u->source = reads(e, t->source);
    u->d_source = writes(e, gradient_of(e, path->source, path->relu, p->strided));
    for (int s = 0; s < path->n_stages; s++) {
        u->u[s] = reads(e, t->u[s]);
        u->which[s] = reads(e, t->which[s]);
        if (p->sums) { /* the gradient of a second stage takes the place of its output */
            u->y[s] = s == 0 ? reads(e, t->y[s]) : writes(e, t->y[s]);
        }
    }
    u->saved = reads(e, t->saved);
}

static void layer_forward(struct emitter *e, const struct nas_layer *layer) {
    const int x = e->wholes[root_of(e->model, layer->state)].x;
    struct nas_cpu_op *op;
    prepare_sources(e, layer);
    op = emit(e, nas_op_node_begin, layer->state);
    op->layer = layer;
    op->to = writes(e, x);
    for (int i = 0; i < layer->n_edges; i++) {
        op = emit(e, nas_op_edge, layer->state);
        op->layer = layer;
        op->to = writes(e, x);
        for (int p = 0; p < layer->edges[i].n_paths; p++) {
            if (!layer->edges[i].paths[p].none) {
                path_forward(e, &layer->edges[i].paths[p]);
            }
        }
    }
    op = emit(e, nas_op_node_end, layer->state);
    op->layer = layer;
    op->to = writes(e, x);
}

/* The gradients of a layer's output come together; those of a concatenation from its phases only:
 * its parts do the rest. */
static void fold(struct emitter *e, const struct nas_layer *layer) {
    const int root = root_of(e->model, layer->state), node = layer->kind == NAS_LAYER_NODE;
    const struct whole *w = &e->wholes[root];
    const struct phases *p = &e->phases[layer->state];
    const int phases = p->dxp != NAS_NO_TENSOR && e->valid[p->dxp];
    const int relu_phases = p->drp != NAS_NO_TENSOR && e->valid[p->drp];
    const int relu = relu_phases || (node && w->dr != NAS_NO_TENSOR && e->valid[w->dr]);
    if (!node && !phases && !relu_phases) {
        return;
    }
    if (node && relu) {
        need_whole(e, root);
    }
    struct nas_cpu_op *op = emit(e, nas_op_fold, layer->state);
    op->layer = layer;
    op->d_phases = phases ? reads(e, p->dxp) : NAS_NO_TENSOR;
    op->d_relu_phases = relu_phases ? reads(e, p->drp) : NAS_NO_TENSOR;
    op->d_relu = relu ? writes(e, w->dr) : NAS_NO_TENSOR;
    op->from = node && relu ? reads(e, w->x) : NAS_NO_TENSOR;
    op->to = node || phases ? writes(e, w->dx) : NAS_NO_TENSOR;
}

static void edge_backward(struct emitter *e, const struct nas_layer *layer,
                          const struct nas_edge *edge) {
    struct nas_cpu_op *op = NULL;
    for (int p = 0; p < edge->n_paths; p++) {
        const struct nas_path *path = &edge->paths[p];
        const struct path_tensors *t = &e->paths[path->index];
        if (!path->none && e->plan->paths[path->index].recompute) {
            op = op != NULL ? op : emit(e, nas_op_recompute_pools, layer->state);
            struct nas_path_use *u = add_path(e, path);
            u->source = reads(e, t->source);
            u->y[0] = writes(e, t->y[0]);
            u->which[0] = writes(e, t->which[0]);
        }
    }
    op = emit(e, nas_op_edge_backward, layer->state);
    op->layer = layer;
    op->from = reads(e, e->wholes[root_of(e->model, layer->state)].dx);
    for (int p = 0; p < edge->n_paths; p++) {
        if (!edge->paths[p].none) {
            path_backward(e, &edge->paths[p]);
        }
    }
}

/* What is cheap to make again is given up at the turn. */
static void give_up(struct emitter *e) {
    const struct mn_model *m = e->model;
    for (int i = 0; i < m->n_states; i++) {
        const struct whole *w = &e->wholes[i];
        struct phases *p = &e->phases[i];
        const int tensors[] = {w->r, p->xp, p->rp, w->conv != NULL ? w->x : NAS_NO_TENSOR};
        for (size_t k = 0; k < sizeof tensors / sizeof tensors[0]; k++) {
            if (tensors[k] != NAS_NO_TENSOR) {
                e->valid[tensors[k]] = 0;
            }
        }
        p->relu = p->split = p->relu_phases = -1;
    }
    for (int i = 0; i < m->n_paths; i++) {
        if (e->plan->paths[i].recompute) {
            e->valid[e->paths[i].y[0]] = 0;
            if (e->paths[i].which[0] != NAS_NO_TENSOR) {
                e->valid[e->paths[i].which[0]] = 0;
            }
        }
    }
}

/* ---- the network -------------------------------------------------------------------------- */

/* A plain convolution with a tensor of its own is made again from what it was before batch norm. */
static int can_recompute(const struct mn_model *m, const struct nas_layer *layer) {
    const struct nas_path *path = layer->n_edges == 1 ? &layer->edges[0].paths[0] : NULL;
    return path != NULL && layer->edges[0].n_paths == 1 && path->op == NULL &&
           path->n_stages == 1 && path->stage[0].has_norm &&
           root_of(m, layer->state) == layer->state;
}

static void add_tensors(struct emitter *e, struct forms *forms) {
    const struct mn_model *m = e->model;
    for (int i = 0; i < m->n_paths; i++) {
        const struct nas_cpu_path *p = &e->plan->paths[i];
        struct forms *f = &forms[p->path->source];
        if (!p->path->none) {
            add_path_tensors(e, p);
            f->r |= !p->strided && p->path->relu;
            f->xp |= p->strided && !p->path->relu;
            f->rp |= p->strided && p->path->relu;
        }
    }
    forms[m->head.from].r |= m->states[m->head.from].relu;
    add_state_tensors(e, forms);
    for (int i = 0; e->plan->recompute && i < m->n_layers; i++) {
        if (can_recompute(m, &m->layers[i])) {
            e->wholes[m->layers[i].state].conv = &m->layers[i];
        }
    }
}

static void emit_all(struct emitter *e) {
    const struct mn_model *m = e->model;
    const int from = m->head.from, relu = m->states[from].relu, root = root_of(m, from);
    struct nas_schedule *s = e->schedule;
    int needs[3];
    /* An operation is emitted before its uses are recorded: not in one expression. */
    struct nas_cpu_op *op = emit(e, nas_op_images, 0);
    op->to = writes(e, e->wholes[0].x);
    for (int i = 0; i < m->n_layers; i++) {
        if (m->layers[i].kind == NAS_LAYER_NODE) {
            layer_forward(e, &m->layers[i]);
        }
    }
    const int source = source_of(e, from, relu, 0, needs);
    for (int k = 0; k < 3; k++) {
        if (needs[k] >= 0) {
            s->ops[needs[k]].optional = 0;
        }
    }
    op = emit(e, nas_op_head, from);
    op->from = reads(e, source);
    s->n_forward = s->n_ops;
    if (e->plan->recompute) {
        give_up(e);
    }
    op = emit(e, nas_op_head_backward, from);
    op->to = writes(e, gradient_of(e, from, relu, 0));
    e->wholes[root].always = relu;
    for (int i = m->n_layers - 1; i >= 0; i--) {
        const struct nas_layer *layer = &m->layers[i];
        fold(e, layer);
        prepare_sources(e, layer);
        for (int k = 0; k < layer->n_edges; k++) {
            edge_backward(e, layer, &layer->edges[k]);
        }
    }
}

int nas_schedule_emit(struct nas_cpu_plan *plan, struct mn_ctx *ctx) {
    const struct mn_model *m = plan->model;
    struct nas_schedule *s = &plan->schedule;
    CLEANUP(emitter_fini) struct emitter e = {.ctx = ctx, .plan = plan, .model = m, .schedule = s};
    size_t edges = 0;
    for (int i = 0; i < m->n_layers; i++) {
        edges += (size_t)m->layers[i].n_edges;
    }
    /* At the most: an operation an edge forward and two back, and three forms of a state, a
     * recomputed tensor and a fold each way. */
    const size_t states = (size_t)m->n_states, paths = (size_t)m->n_paths;
    const size_t tensors = 7 * paths + 8 * states;
    const size_t ops = 3 + 3 * edges + 3 * (size_t)m->n_layers + 8 * states;
    const size_t path_uses = 3 * paths + (size_t)m->n_layers;
    struct forms *forms = nas_arena_zeroed(&e.arena, states * sizeof *forms);
    e.wholes = nas_arena_zeroed(&e.arena, states * sizeof *e.wholes);
    e.phases = nas_arena_zeroed(&e.arena, states * sizeof *e.phases);
    e.paths = nas_arena_zeroed(&e.arena, paths * sizeof *e.paths);
    e.valid = nas_arena_zeroed(&e.arena, tensors);
    e.next = nas_arena_zeroed(&plan->arena, path_uses * sizeof *e.next);
    s->tensors = nas_arena_zeroed(&plan->arena, tensors * sizeof *s->tensors);
    s->ops = nas_arena_zeroed(&plan->arena, ops * sizeof *s->ops);
    s->uses = nas_arena_zeroed(&plan->arena, (5 * ops + 9 * path_uses) * sizeof *s->uses);
    if (forms == NULL || e.wholes == NULL || e.phases == NULL || e.paths == NULL ||
        e.valid == NULL || e.next == NULL || s->tensors == NULL || s->ops == NULL ||
        s->uses == NULL) {
        return MN_NOMEM;
    }
    add_tensors(&e, forms);
    emit_all(&e);
    return e.status;
}
