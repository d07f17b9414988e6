/* SPDX-License-Identifier: MIT */
#include "backend/cpu/ops.h"
#include "backend/cpu/plan.h"

/* What paths read of a state: itself or its ReLU, whole, or as the four phases that a map of stride
 * 2 reads. */
enum form { VALUE, RELU, PHASES, RELU_PHASES, FORMS };

/* Whole tensors are those of the root: the concatenation that the state is a part of. */
struct state {
    struct {
        int wanted; /* by a path or the head */
        int x, dx;  /* tensors: the form and its gradient */
        int op;     /* that has prepared it, -1 = none yet; VALUE, of roots: made it again */
    } form[FORMS];
    const struct nas_layer *conv; /* of roots: can make the value again on the way back, or NULL */
    int always;                   /* of roots: its ReLU has a gradient whatever is computed */
};

struct path_tensors {
    int u[2], y[2], which[2], saved;
    int source, needs[NAS_NEEDS]; /* as it was prepared last */
};

struct emitter {
    struct mn_ctx *ctx;
    struct nas_cpu_plan *plan;
    const struct mn_model *model;
    struct nas_schedule *schedule;
    struct state *states;       /* [n_states] */
    struct path_tensors *paths; /* [n_paths] */
    struct nas_path_use *next;  /* of all operations' */
    uint8_t *valid;             /* [n_tensors] holds what was written last */
    int status;
};

/* The state whose tensor holds this one. */
static int root_of(const struct mn_model *m, int state) {
    const struct nas_cell_state *s = &m->states[state];
    return s->part_of >= 0 ? m->layers[s->part_of].state
           : s->relu       ? m->layers[s->layer].parts[0]
                           : state;
}

static enum form form_of(const struct emitter *e, const struct nas_path *path) {
    return e->plan->paths[path->index].strided ? path->relu ? RELU_PHASES : PHASES
           : path->relu                        ? RELU
                                               : VALUE;
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

/* A form of a state, or its gradient, which has `flags` flags. */
static int add_form(struct emitter *e, int state, int phased, int flags) {
    const struct nas_cell_state *s = &e->model->states[state];
    int tensor;
    if (phased) {
        const struct nas_grid *half = &e->plan->sizes[s->half].grid;
        tensor =
            add_tensor(e, 4 * nas_grid_reals(half, s->channels), (size_t)nas_grid_base(half), -1);
    } else {
        tensor = add_on_grid(e, s->size, s->channels);
    }
    struct nas_tensor *t = &e->schedule->tensors[tensor];
    t->phased = phased;
    t->flag0 = e->schedule->n_flags;
    e->schedule->n_flags += flags;
    return tensor;
}

static void add_path_tensors(struct emitter *e, const struct nas_cpu_path *p) {
    struct path_tensors *t = &e->paths[p->path->index];
    const struct nas_grid *g = &e->plan->sizes[p->path->size].grid;
    t->saved = NAS_NO_TENSOR;
    for (int i = 0; i < p->path->n_stages; i++) {
        const struct nas_map *map = &p->map[i][0];
        const struct nas_linear *first = map->linear;
        t->y[i] = add_on_grid(e, p->path->size, p->path->channels);
        t->u[i] = t->which[i] = NAS_NO_TENSOR;
        /* The output of a depthwise map costs less to compute again than to keep. */
        if (p->path->stage[i].n_linear == 2 && first->kind != NAS_LINEAR_DEPTHWISE) {
            t->u[i] = add_on_grid(e, p->path->size, map->n_parts * map->part_out);
        }
        if (first->kind == NAS_LINEAR_MAX_POOL) {
            const size_t bytes = (size_t)p->path->channels * (size_t)g->n * (size_t)g->image;
            t->which[i] = add_tensor(e, (bytes + sizeof(mn_real) - 1) / sizeof(mn_real), 0, -1);
        }
        if (first->kind == NAS_LINEAR_CUSTOM && first->custom->shape.n_saved > 0) {
            t->saved =
                add_tensor(e, (size_t)e->plan->n * (size_t)first->custom->shape.n_saved, 0, -1);
        }
    }
}

static void add_tensors(struct emitter *e) {
    const struct mn_model *m = e->model;
    for (int i = 0; i < m->n_paths; i++) {
        const struct nas_path *path = e->plan->paths[i].path;
        if (!path->none) {
            add_path_tensors(e, &e->plan->paths[i]);
            e->states[path->source].form[form_of(e, path)].wanted = 1;
        }
    }
    e->states[m->head.from].form[RELU].wanted |= m->states[m->head.from].relu;
    for (int i = 0; i < m->n_states; i++) {
        struct state *s = &e->states[i];
        for (int f = 0; f < FORMS; f++) {
            s->form[f].x = s->form[f].dx = NAS_NO_TENSOR;
            s->form[f].op = -1;
        }
        if (root_of(m, i) != i) {
            continue;
        }
        int relu = 0, d_relu = 0;
        for (int k = 0; k < m->n_states; k++) {
            const struct state *part = &e->states[k];
            relu |= root_of(m, k) == i && part->form[RELU].wanted;
            d_relu |=
                root_of(m, k) == i && (part->form[RELU].wanted || part->form[RELU_PHASES].wanted);
        }
        const int channels = m->states[i].channels;
        s->form[VALUE].x = add_form(e, i, 0, 0);
        s->form[RELU].x = relu ? add_form(e, i, 0, 0) : NAS_NO_TENSOR;
        if (i > 0) { /* the images have no gradient */
            s->form[VALUE].dx = add_form(e, i, 0, channels);
            s->form[RELU].dx = d_relu ? add_form(e, i, 0, channels) : NAS_NO_TENSOR;
        }
    }
    for (int i = 0; i < m->n_states; i++) {
        struct state *s = &e->states[i];
        const int root = root_of(m, i);
        for (int f = PHASES; f < FORMS; f++) {
            if (s->form[f].wanted) {
                s->form[f].x = add_form(e, i, 1, 0);
                s->form[f].dx = root > 0 ? add_form(e, i, 1, 1) : NAS_NO_TENSOR;
            }
        }
        for (int f = VALUE; f < PHASES; f++) {
            s->form[f].x = e->states[root].form[f].x;
            s->form[f].dx = e->states[root].form[f].dx;
        }
    }
    /* A plain convolution with a tensor of its own is made again from what it was before batch
     * norm. */
    for (int i = 0; e->plan->recompute && i < m->n_layers; i++) {
        const struct nas_layer *layer = &m->layers[i];
        const struct nas_path *path = layer->n_edges == 1 ? &layer->edges[0].paths[0] : NULL;
        if (path != NULL && layer->edges[0].n_paths == 1 && path->op == NULL &&
            path->n_stages == 1 && path->stage[0].has_norm &&
            !e->plan->paths[path->index].recompute && root_of(m, layer->state) == layer->state) {
            e->states[layer->state].conv = layer;
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

static int is_valid(const struct emitter *e, int tensor) {
    return tensor != NAS_NO_TENSOR && e->valid[tensor];
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

/* A path of it, without tensors. */
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
                               .saved = NAS_NO_TENSOR};
    memcpy(u->needs, t->needs, sizeof u->needs);
    return u;
}

/* ---- sources ------------------------------------------------------------------------------ */

/* Emit what a form of a state still needs: once on the way forward and, where it was given up, once
 * back. Lists the operations in needs[]. */
static void prepare(struct emitter *e, int state, enum form f, int *needs) {
    if (f == VALUE) {
        const int root = root_of(e->model, state);
        struct state *s = &e->states[root];
        if (!e->valid[s->form[VALUE].x] && s->conv != NULL) {
            const struct nas_path *path = &s->conv->edges[0].paths[0];
            struct nas_cpu_op *op = emit(e, nas_op_recompute_norm, root);
            struct nas_path_use *u = add_path(e, path);
            op->optional = !s->always;
            u->y[0] = reads(e, e->paths[path->index].y[0]);
            op->to = writes(e, s->form[VALUE].x);
            s->form[VALUE].op = e->schedule->n_ops - 1;
        }
        *needs = s->form[VALUE].op;
        return;
    }
    struct state *s = &e->states[state];
    const enum form from = f == RELU_PHASES && s->form[PHASES].x != NAS_NO_TENSOR ? PHASES : VALUE;
    prepare(e, state, from, needs + 1);
    if (s->form[f].op < 0) {
        const int split = f >= PHASES && from == VALUE;
        struct nas_cpu_op *op = emit(e, split ? nas_op_split : nas_op_relu, state);
        op->relu = f == RELU_PHASES;
        op->optional = 1;
        op->from = reads(e, s->form[from].x);
        op->to = writes(e, s->form[f].x);
        s->form[f].op = e->schedule->n_ops - 1;
    }
    *needs = s->form[f].op;
}

/* A layer prepares the sources of all its edges before the first one. */
static void prepare_sources(struct emitter *e, const struct nas_layer *layer) {
    for (int i = 0; i < layer->n_edges; i++) {
        for (int p = 0; p < layer->edges[i].n_paths; p++) {
            const struct nas_path *path = &layer->edges[i].paths[p];
            struct path_tensors *t = &e->paths[path->index];
            if (!path->none) {
                const enum form f = form_of(e, path);
                memset(t->needs, -1, sizeof t->needs);
                prepare(e, path->source, f, t->needs);
                t->source = e->states[path->source].form[f].x;
            }
        }
    }
}

/* ---- layers ------------------------------------------------------------------------------- */

/* An operation that writes a layer's output. */
static void emit_on(struct emitter *e, const struct nas_layer *layer,
                    void (*run)(struct nas_run *run, const struct nas_cpu_op *op)) {
    struct nas_cpu_op *op = emit(e, run, layer->state);
    op->layer = layer;
    op->to = writes(e, e->states[layer->state].form[VALUE].x);
}

static void layer_forward(struct emitter *e, const struct nas_layer *layer) {
    prepare_sources(e, layer);
    emit_on(e, layer, nas_op_node_begin);
    for (int i = 0; i < layer->n_edges; i++) {
        emit_on(e, layer, nas_op_edge);
        for (int p = 0; p < layer->edges[i].n_paths; p++) {
            const struct nas_path *path = &layer->edges[i].paths[p];
            const struct path_tensors *t = &e->paths[path->index];
            if (path->none) {
                continue;
            }
            struct nas_path_use *u = add_path(e, path);
            u->source = reads(e, t->source);
            for (int s = 0; s < path->n_stages; s++) {
                u->u[s] = writes(e, t->u[s]);
                u->y[s] = writes(e, t->y[s]);
                u->which[s] = writes(e, t->which[s]);
            }
            u->saved = writes(e, t->saved);
        }
    }
    emit_on(e, layer, nas_op_node_end);
}

/* The gradients of a layer's output come together; those of a concatenation from its phases only:
 * its parts do the rest. */
static void fold(struct emitter *e, const struct nas_layer *layer) {
    const struct state *s = &e->states[layer->state];
    const int node = layer->kind == NAS_LAYER_NODE;
    const int phases = is_valid(e, s->form[PHASES].dx);
    const int relu_phases = is_valid(e, s->form[RELU_PHASES].dx);
    const int relu = relu_phases || (node && is_valid(e, s->form[RELU].dx));
    int needs[NAS_NEEDS];
    if (!node && !phases && !relu_phases) {
        return;
    }
    if (node && relu) {
        prepare(e, layer->state, VALUE, needs);
    }
    struct nas_cpu_op *op = emit(e, nas_op_fold, layer->state);
    op->layer = layer;
    op->d_phases = phases ? reads(e, s->form[PHASES].dx) : NAS_NO_TENSOR;
    op->d_relu_phases = relu_phases ? reads(e, s->form[RELU_PHASES].dx) : NAS_NO_TENSOR;
    op->d_relu = relu ? writes(e, s->form[RELU].dx) : NAS_NO_TENSOR;
    op->from = node && relu ? reads(e, s->form[VALUE].x) : NAS_NO_TENSOR;
    op->to = node || phases ? writes(e, s->form[VALUE].dx) : NAS_NO_TENSOR;
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
    op->from = reads(e, e->states[layer->state].form[VALUE].dx);
    for (int p = 0; p < edge->n_paths; p++) {
        const struct nas_path *path = &edge->paths[p];
        const struct path_tensors *t = &e->paths[path->index];
        if (path->none) {
            continue;
        }
        struct nas_path_use *u = add_path(e, path);
        u->source = reads(e, t->source);
        u->d_source = writes(e, e->states[path->source].form[form_of(e, path)].dx);
        for (int s = 0; s < path->n_stages; s++) {
            u->u[s] = reads(e, t->u[s]);
            u->which[s] = reads(e, t->which[s]);
            if (u->path->sums) { /* the gradient of a second stage takes the place of its output */
                u->y[s] = s == 0 ? reads(e, t->y[s]) : writes(e, t->y[s]);
            }
        }
        u->saved = reads(e, t->saved);
    }
}

/* What is cheap to make again is given up at the turn. */
static void invalidate(struct emitter *e) {
    const struct mn_model *m = e->model;
    for (int i = 0; i < m->n_states; i++) {
        struct state *s = &e->states[i];
        for (int f = s->conv != NULL ? VALUE : RELU; f < FORMS; f++) {
            s->form[f].op = -1;
            if (s->form[f].x != NAS_NO_TENSOR) {
                e->valid[s->form[f].x] = 0;
            }
        }
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

static void emit_all(struct emitter *e) {
    const struct mn_model *m = e->model;
    const enum form head = m->states[m->head.from].relu ? RELU : VALUE;
    const struct state *from = &e->states[m->head.from];
    struct nas_schedule *s = e->schedule;
    int needs[NAS_NEEDS] = {-1, -1, -1};
    /* An operation is emitted before its uses are recorded: not in one expression. */
    struct nas_cpu_op *op = emit(e, nas_op_images, 0);
    op->to = writes(e, e->states[0].form[VALUE].x);
    for (int i = 0; i < m->n_layers; i++) {
        if (m->layers[i].kind == NAS_LAYER_NODE) {
            layer_forward(e, &m->layers[i]);
        }
    }
    prepare(e, m->head.from, head, needs);
    for (int k = 0; k < NAS_NEEDS; k++) {
        if (needs[k] >= 0) {
            s->ops[needs[k]].optional = 0;
        }
    }
    op = emit(e, nas_op_head, m->head.from);
    op->from = reads(e, from->form[head].x);
    s->n_forward = s->n_ops;
    if (e->plan->recompute) {
        invalidate(e);
    }
    op = emit(e, nas_op_head_backward, m->head.from);
    op->to = writes(e, from->form[head].dx);
    e->states[root_of(m, m->head.from)].always = head == RELU;
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
    CLEANUP(nas_arena_fini) struct nas_arena arena = {0};
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
    struct emitter e = {.ctx = ctx, .plan = plan, .model = m, .schedule = s};
    e.states = nas_arena_zeroed(&arena, states * sizeof *e.states);
    e.paths = nas_arena_zeroed(&arena, paths * sizeof *e.paths);
    e.valid = nas_arena_zeroed(&arena, tensors);
    e.next = nas_arena_zeroed(&plan->arena, path_uses * sizeof *e.next);
    s->tensors = nas_arena_zeroed(&plan->arena, tensors * sizeof *s->tensors);
    s->ops = nas_arena_zeroed(&plan->arena, ops * sizeof *s->ops);
    s->uses = nas_arena_zeroed(&plan->arena, (5 * ops + 9 * path_uses) * sizeof *s->uses);
    if (arena.failed || plan->arena.failed) {
        return MN_NOMEM;
    }
    add_tensors(&e);
    emit_all(&e);
    return e.status;
}
