/* SPDX-License-Identifier: MIT */
#include "nested.h"

#include "config/override.h"
#include "plugin/forward.h"
#include "plugin/registry.h"

#include <math.h>
#include <string.h>

/* ---- brackets ----------------------------------------------------------------------------- */

void kit_digest(uint64_t *digest, const void *data, size_t bytes) {
    const uint8_t *at = data;
    for (size_t i = 0; i < bytes; i++) {
        *digest = (*digest ^ at[i]) * 0x100000001B3u; /* FNV-1a */
    }
}

static uint64_t hash_self(const struct kit_fixture *fixture) {
    uint64_t hash = 0xCBF29CE484222325u;
    kit_digest(&hash, fixture->self, fixture->kit->unit->instance_size);
    return hash;
}

void kit_call(struct kit_fixture *fixture, const char *function, int worker) {
    kit_doing(function);
    fixture->function = function;
    fixture->in_worker = worker;
    fixture->refused = fixture->mock.n_refused;
    mock_clear(&fixture->mock);
    if (worker && (fixture->watch & KIT_WATCH_SELF) != 0) {
        fixture->self_hash = hash_self(fixture);
    }
    if ((fixture->watch & KIT_WATCH_GLOBALS) != 0) {
        kit_globals_take(&fixture->globals);
    }
}

void kit_end_plain(struct kit_fixture *fixture) {
    if ((fixture->watch & KIT_WATCH_GLOBALS) != 0) {
        kit_globals_check(&fixture->globals);
    }
    if ((fixture->watch & KIT_WATCH_BOUNDS) != 0) {
        mock_check_guards(&fixture->mock);
    }
    if ((fixture->watch & KIT_WATCH_INPUTS) != 0) {
        mock_check_seals(&fixture->mock);
    }
    if (fixture->in_worker && (fixture->watch & KIT_WATCH_SELF) != 0 &&
        fixture->self_hash != hash_self(fixture)) {
        kit_fail("writes_self", "%s changed the instance", fixture->function);
    }
    if (fixture->mock.n_nested > 0) {
        kit_fail("nested", "%s returned within a nested unit", fixture->function);
    }
    if (fixture->mock.ctx.host != &fixture->mock.host) {
        kit_fail("nested", "%s returned with other services in ctx->host", fixture->function);
    }
    mock_release(&fixture->mock);
}

int kit_end(struct kit_fixture *fixture, int status) {
    if (status > MN_OK || status < MN_INTERNAL) {
        kit_fail("unknown_status", "%s returned %d", fixture->function, status);
    }
    if (status != MN_OK && status != MN_CANCELLED && fixture->mock.message[0] == '\0') {
        kit_fail("no_message", "%s returned %s, but there is no message", fixture->function,
                 kit_status_name(status));
    }
    if (fixture->mock.n_refused > fixture->refused && status != MN_NOMEM) {
        kit_fail("ignores_no_memory", "%s returned %s instead of MN_NOMEM", fixture->function,
                 kit_status_name(status));
    }
    kit_end_plain(fixture);
    return status;
}

const char *kit_status_name(int status) {
    static const char *const names[] = {"MN_OK",        "MN_NOMEM",   "MN_CONFIG",
                                        "MN_IO",        "MN_NUMERIC", "MN_UNSUPPORTED",
                                        "MN_CANCELLED", "MN_INTERNAL"};
    return status <= MN_OK && status >= MN_INTERNAL ? names[-status] : "an unknown status";
}

void kit_ok(const struct kit_fixture *fixture, int status) {
    if (status != MN_OK) {
        kit_fail("fails", "%s returned %s: %s%s%s", fixture->function, kit_status_name(status),
                 fixture->mock.key, fixture->mock.key[0] != '\0' ? ": " : "",
                 fixture->mock.message);
    }
}

/* ---- instances ---------------------------------------------------------------------------- */

static void require(const struct kit *kit, const struct nas_yaml *section) {
    for (uint32_t i = 0; i < kit->options.n; i++) {
        const struct mn_opt *o = &kit->options.at[i];
        if ((o->flags & MN_OPT_REQUIRED) != 0 && nas_yaml_get(section, o->key) == NULL) {
            kit_skip("the option %s is required: give it with --set %s.%s%s", o->key,
                     nas_kind_name(kit->unit->kind), o->key,
                     o->type == MN_OPT_UNIT ? ".use=NAME" : "=VALUE");
        }
    }
}

static void apply(struct kit_fixture *fixture, struct nas_yaml *root, const char *const *sets,
                  int n, struct nas_faults *faults) {
    for (int i = 0; i < n; i++) {
        nas_override_apply(&fixture->arena, root, sets[i], i + 1, faults);
    }
}

/* A unit that another one is around, found once for all instances. */
static const struct nas_unit *find_unit(const struct kit *kit, int kind, const char *use) {
    static struct nas_unit found[1 + NAS_MOST_NESTED];
    static int n;
    struct nas_registry *registry = NULL;
    struct nas_ctx ctx;
    for (int i = 0; i < n; i++) {
        if (found[i].unit->kind == kind && strcmp(found[i].unit->name, use) == 0) {
            return &found[i];
        }
    }
    nas_ctx_init(&ctx, NULL);
    if (n > NAS_MOST_NESTED || nas_registry_new(&ctx.pub, kit->folders, &registry) != MN_OK ||
        nas_registry_add(registry, &ctx.pub, kit->plugin) != MN_OK ||
        nas_registry_find(registry, &ctx.pub, kind, use, NULL, &found[n]) != MN_OK) {
        kit_skip("there is nothing to be around: %s", nas_ctx_message(&ctx.pub));
    }
    nas_registry_free(registry);
    nas_ctx_fini(&ctx);
    return &found[n++];
}

/* The options of unit i of those in one another, then what it is around. */
static void bind_unit(struct kit_fixture *fixture, int i, const struct nas_unit *unit,
                      struct nas_yaml *section, struct nas_faults *faults) {
    struct nas_instance *x = &fixture->units[i];
    const struct mn_opt *around = nas_forward_option(unit->unit);
    *x = (struct nas_instance){.kind = unit->unit->kind,
                               .unit = *unit,
                               .self = fixture->self,
                               .label = unit->unit->name,
                               .name = unit->unit->name,
                               .within = "",
                               .outer = i > 0 ? x - 1 : NULL};
    if (i > 0) {
        x->self = mock_buffer(&fixture->mock, unit->unit->instance_size, 0);
    }
    memcpy(&x->table, unit->unit->vtable, nas_kind(x->kind)->size);
    nas_schema_bind(&fixture->arena, &unit->options, section, "use", x->label, x->self, faults);
    if (around != NULL && i < NAS_MOST_NESTED) {
        struct nas_yaml *inner = nas_yaml_get(section, around->key);
        const struct nas_yaml *use = nas_yaml_get(inner, "use");
        bind_unit(fixture, i + 1, find_unit(fixture->kit, x->kind, use != NULL ? use->text : ""),
                  inner, faults);
        x->around = x + 1;
        *(struct mn_nested *)x->self =
            (struct mn_nested){&fixture->nested[i + 1], x->around->self, x->around, i + 1, 0};
        fixture->nested[i + 1] = x->around->table;
        kit_nested_watch(x->kind, &fixture->nested[i + 1]);
        nas_forward_fill(x->kind, &x->table, &x->around->table);
    }
}

/* Fill the options: defaults, those of the command line, and `more`. A unit that is around another
 * one is around the default of its kind, a small one. */
static void bind(struct kit_fixture *fixture, const char *const *more, int n) {
    const struct kit *kit = fixture->kit;
    const char *kind = nas_kind_name(kit->unit->kind), *use = nas_kind(kit->unit->kind)->use;
    const struct mn_opt *around = nas_forward_option(kit->unit);
    const struct nas_unit unit = {kit->plugin, kit->unit, kit->file, kit->options};
    struct nas_faults faults = {.arena = &fixture->arena};
    struct nas_yaml *root = nas_yaml_parse(&fixture->arena, "options", "", 0, &faults);
    if (root == NULL) {
        kit_fail("memory", "no memory for the options");
    }
    apply(fixture, root, kit->sets, kit->n_sets, &faults);
    apply(fixture, root, more, n, &faults);
    if (around != NULL && use != NULL) {
        const char *small = kit_kind(kit->unit->kind)->around;
        char key[128], text[512];
        snprintf(key, sizeof key, "%s.%s", kind, around->key);
        if (nas_yaml_find(root, key) == NULL && small != NULL) {
            snprintf(text, sizeof text, "%s=%s", key, small);
        } else {
            snprintf(text, sizeof text, "%s.use=%s", key, use);
        }
        snprintf(key, sizeof key, "%s.%s.use", kind, around->key);
        if (nas_yaml_find(root, key) == NULL) {
            nas_override_apply(&fixture->arena, root, text, 0, &faults);
        }
    }
    struct nas_yaml *section = nas_yaml_get(root, kind);
    require(kit, section);
    bind_unit(fixture, 0, &unit, section, &faults);
    fixture->table = fixture->units[0].table;
    if (faults.count > 0) {
        kit_fail("option", "%s", faults.first != NULL ? faults.first->text : "no memory");
    }
}

static void set_where(struct mock *mock) {
    struct mn_where *where = &mock->ctx.where;
    where->seed = 1;
    where->meta_epoch = 90; /* after any warm-up */
    where->meta_epochs = 100;
    where->adapts = MN_ADAPTS_W | MN_ADAPTS_A;
}

static int check_and_start(struct kit_fixture *fixture) {
    const struct kit_kind *kind = kit_kind(fixture->kit->unit->kind);
    int status = MN_OK;
    for (int i = NAS_MOST_NESTED; i > 0; i--) {
        const struct nas_instance *x = &fixture->units[i];
        if (x->self != NULL && x->table.mixer.check != NULL &&
            x->table.mixer.check(x->self, &fixture->mock.ctx) != MN_OK) {
            kit_skip("%s, which it is around: %s: %s", x->label, fixture->mock.key,
                     fixture->mock.message);
        }
    }
    if (fixture->table.mixer.check != NULL) { /* `check` stands at one place in all kinds */
        kit_call(fixture, "check", KIT_WORKER);
        status = kit_end(fixture, fixture->table.mixer.check(fixture->self, &fixture->mock.ctx));
    }
    if (status == MN_OK && kind->start != NULL && (fixture->watch & KIT_NO_START) == 0) {
        status = kind->start(fixture);
        fixture->started = status == MN_OK;
    }
    return status;
}

/* A host and an instance with its options. */
static void make(struct kit_fixture *fixture, const struct kit *kit, const char *const *more, int n,
                 unsigned watch) {
    memset(fixture, 0, sizeof *fixture);
    fixture->kit = kit;
    fixture->watch = watch;
    mock_init(&fixture->mock);
    set_where(&fixture->mock);
    fixture->self = mock_buffer(&fixture->mock, kit->unit->instance_size, 0);
    fixture->owns_self = 1;
    bind(fixture, more, n);
}

int kit_fixture_open(struct kit_fixture *fixture, const struct kit *kit, const char *const *more,
                     int n, unsigned watch, int64_t memory) {
    const struct kit_kind *kind = kit_kind(kit->unit->kind);
    make(fixture, kit, more, n, watch);
    if (kind->prepare != NULL) {
        kind->prepare(fixture);
    }
    fixture->mock.memory_left = memory >= 0 ? memory : INT64_MAX;
    return check_and_start(fixture);
}

int kit_fixture_open_with(struct kit_fixture *fixture, const struct kit *kit, unsigned watch,
                          void (*prepare)(struct kit_fixture *fixture)) {
    make(fixture, kit, NULL, 0, watch);
    prepare(fixture);
    return check_and_start(fixture);
}

void kit_fixture_share(struct kit_fixture *fixture, const struct kit_fixture *of) {
    const struct kit_kind *kind = kit_kind(of->kit->unit->kind);
    memset(fixture, 0, sizeof *fixture);
    fixture->kit = of->kit;
    fixture->table = of->table;
    fixture->self = of->self;
    mock_init(&fixture->mock);
    set_where(&fixture->mock);
    if (kind->prepare != NULL) {
        kind->prepare(fixture);
    }
}

void kit_fixture_close(struct kit_fixture *fixture) {
    const struct kit_kind *kind = kit_kind(fixture->kit->unit->kind);
    if (fixture->owns_self && fixture->started && kind->stop != NULL) {
        kind->stop(fixture);
    }
    mock_fini(&fixture->mock);
    nas_arena_fini(&fixture->arena);
}

static int is_given(const struct kit *kit, const char *key) {
    char start[128];
    const int n = snprintf(start, sizeof start, "%s.%s=", nas_kind_name(kit->unit->kind), key);
    for (int i = 0; i < kit->n_sets; i++) {
        if (strncmp(kit->sets[i], start, (size_t)n) == 0) {
            return 1;
        }
    }
    return 0;
}

/* A default that stands for "not given": an empty text or list, or the least number. */
static int stands_for_none(const struct mn_opt *o) {
    if (o->type == MN_OPT_INT || o->type == MN_OPT_REAL) {
        return o->def <= o->min;
    }
    return o->def_text != NULL && o->def_text[0] == '\0';
}

void kit_need(const struct kit_fixture *fixture, int status) {
    const struct kit *kit = fixture->kit;
    for (uint32_t i = 0; status == MN_CONFIG && i < kit->options.n; i++) {
        const struct mn_opt *o = &kit->options.at[i];
        if (strcmp(o->key, fixture->mock.key) == 0 && stands_for_none(o) &&
            !is_given(kit, o->key)) {
            kit_skip("the unit needs an option: give it with --set %s.%s=VALUE (%s)",
                     nas_kind_name(kit->unit->kind), o->key, fixture->mock.message);
        }
    }
}

void kit_fixture_begin(struct kit_fixture *fixture, const struct kit *kit, unsigned watch) {
    const int status = kit_fixture_open(fixture, kit, NULL, 0, watch, -1);
    kit_need(fixture, status);
    kit_ok(fixture, status);
}

int kit_exercise(struct kit_fixture *fixture, uint64_t seed, int workers, uint64_t *digest) {
    struct mock_block *mark = mock_mark(&fixture->mock);
    *digest = 0xCBF29CE484222325u;
    const int status = kit_kind(fixture->kit->unit->kind)->exercise(fixture, seed, workers, digest);
    mock_rewind(&fixture->mock, mark);
    return status;
}

/* ---- buffers ------------------------------------------------------------------------------ */

mn_real *kit_output(struct kit_fixture *fixture, int64_t n) {
    return mock_buffer(&fixture->mock, (size_t)n * sizeof(mn_real), MOCK_POISON);
}

mn_real *kit_input(struct kit_fixture *fixture, int64_t n) {
    return mock_buffer(&fixture->mock, (size_t)n * sizeof(mn_real), 0);
}

mn_real *kit_copy(struct kit_fixture *fixture, int64_t n, const mn_real *from) {
    mn_real *to = kit_input(fixture, n);
    mn_vec_copy(n, from, to);
    return to;
}

void kit_seal(struct kit_fixture *fixture, void *buffer) {
    mock_seal(&fixture->mock, buffer);
}

void kit_written(const char *what, int64_t n, const mn_real *at) {
    mn_real poison;
    memset(&poison, MOCK_POISON, sizeof poison);
    for (int64_t i = 0; i < n; i++) {
        if (memcmp(&at[i], &poison, sizeof poison) == 0) {
            kit_fail("unwritten", "element %lld of %lld of %s was not written", (long long)i,
                     (long long)n, what);
        }
        if (!isfinite(at[i])) {
            kit_fail("not_finite", "element %lld of %lld of %s is %s", (long long)i, (long long)n,
                     what, isnan(at[i]) ? "not a number" : "infinite");
        }
    }
}

void kit_weights_add(struct kit_weights *all, const struct mn_op_weight *w) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_.";
    const char *rule = all->rule;
    int64_t n = 1;
    if (w->name == NULL || w->name[0] == '\0' || strlen(w->name) > 100 ||
        w->name[strspn(w->name, letters)] != '\0') {
        kit_fail(rule, "array %d is named \"%s\"", all->n, w->name != NULL ? w->name : "(NULL)");
    }
    if (w->n_dims < 1 || w->n_dims > 4 || w->init < MN_OP_INIT_UNIFORM ||
        w->init > MN_OP_INIT_ZEROS) {
        kit_fail(rule, "%s has n_dims %d and init %d", w->name, (int)w->n_dims, (int)w->init);
    }
    if (w->init == MN_OP_INIT_UNIFORM && w->fan_in < 1) {
        kit_fail(rule, "%s has fan_in %lld", w->name, (long long)w->fan_in);
    }
    for (int i = 0; i < all->n; i++) {
        if (strcmp(all->names[i], w->name) == 0) {
            kit_fail(rule, "arrays %d and %d are both named %s", i, all->n, w->name);
        }
    }
    for (int i = 0; i < w->n_dims; i++) {
        if (w->dims[i] < 1 || w->dims[i] > all->most / n) {
            kit_fail(rule, "dimension %d of %s is %lld", i, w->name, (long long)w->dims[i]);
        }
        n *= w->dims[i];
    }
    all->names[all->n++] = w->name;
    all->reals += n;
}

void kit_normal(struct mn_rng *rng, int64_t n, double scale, mn_real *out) {
    for (int64_t i = 0; i < n; i++) {
        out[i] = (mn_real)(scale * mn_rng_normal(rng));
    }
}
