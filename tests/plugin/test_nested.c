/* SPDX-License-Identifier: MIT */
/* A unit around another one: made from the configuration, and how calls reach the nested unit. */

#include "instances.h"

#include "base/buffer.h"
#include "plugin/forward.h"

#include <stdlib.h>

/* ---- a data set, and one around another --------------------------------------------------- */

struct plain {
    int64_t classes, seed;
};

/* What `start` of the plain one found. */
static struct {
    const struct mn_host *host;
    const struct nas_instance *unit;
    char label[64];
    void *kept;
    int result;
} seen;

static int plain_check(const void *self, struct mn_ctx *context) {
    const struct plain *s = self;
    return s->classes % 2 == 0 ? MN_OK : mn_bad_option(context, "classes", "must be even");
}

static int plain_start(void *self, struct mn_ctx *context) {
    seen.host = context->host;
    seen.unit = ctx.unit;
    snprintf(seen.label, sizeof seen.label, "%s", ctx.label);
    seen.kept = mn_keep(context, 8);
    return seen.result == MN_OK ? MN_OK : mn_fail(context, seen.result, "no data");
}

static int plain_describe(const void *self, struct mn_ctx *context, struct mn_dataset_info *out) {
    out->n_classes[0] = ((const struct plain *)self)->classes;
    return MN_OK;
}

static int plain_sample(const void *self, struct mn_ctx *context,
                        const struct mn_episode_spec *spec, struct mn_episode *out) {
    return MN_OK;
}

static int64_t plain_n_samples(const void *self, int32_t split, int64_t which) {
    return which + 1;
}

static int n_stopped;

static void plain_stop(void *self) {
    n_stopped++;
}

static const struct mn_dataset plain_table = {.size = sizeof plain_table,
                                              .check = plain_check,
                                              .start = plain_start,
                                              .stop = plain_stop,
                                              .describe = plain_describe,
                                              .sample = plain_sample,
                                              .n_samples = plain_n_samples};

static const struct mn_opt plain_options[] = {
    MN_INT(struct plain, classes, 8, 1, 100, "classes"),
    MN_INT_FLAGS(struct plain, seed, 1, 0, 100, MN_OPT_EVALUATION, "seed"),
};

struct filter {
    struct mn_nested around;
    int64_t more;
};

static struct mn_host services;

static int filter_check(const void *self, struct mn_ctx *context) {
    const struct filter *s = self;
    return s->more < 90 ? MN_OK : mn_bad_option(context, "more", "is too much");
}

/* The nested unit finds another table of services. */
static int filter_start(void *self, struct mn_ctx *context) {
    struct filter *s = self;
    const struct mn_dataset *inner = s->around.table;
    const struct mn_host *before = context->host;
    services = *before;
    context->host = &services;
    const int status = MN_NESTED(context, &s->around, inner->start(s->around.self, context));
    context->host = before;
    return status;
}

static int filter_describe(const void *self, struct mn_ctx *context, struct mn_dataset_info *out) {
    const struct filter *s = self;
    const struct mn_dataset *inner = s->around.table;
    const int status =
        MN_NESTED(context, &s->around, inner->describe(s->around.self, context, out));
    out->n_classes[0] += s->more * s->around.depth;
    return status;
}

static const struct mn_dataset filter_table = {.size = sizeof filter_table,
                                               .check = filter_check,
                                               .start = filter_start,
                                               .describe = filter_describe};

static const struct mn_opt filter_options[] = {
    MN_AROUND(struct filter, around, "what it is around"),
    MN_INT(struct filter, more, 1, 0, 100, "classes that it pretends"),
};

/* An operation that has maps, and one that computes around another. */
static int maps(const void *self, struct mn_ctx *context, int32_t stride, struct mn_op_maps *out) {
    return MN_OK;
}

static int forward(const void *self, struct mn_ctx *context, const struct mn_op_site *site,
                   int32_t n, const mn_real *w, const mn_real *x, mn_real *y, mn_real *saved,
                   mn_real *work) {
    return MN_OK;
}

static const struct mn_operation maps_table = {.size = sizeof maps_table, .maps = maps};
static const struct mn_operation computes_table = {.size = sizeof computes_table,
                                                   .forward = forward};

static const struct mn_unit units[] = {
    MN_UNIT(MN_DATASET, "plain", "no data", struct plain, plain_options, &plain_table),
    MN_UNIT(MN_DATASET, "filter", "around another", struct filter, filter_options, &filter_table),
    MN_UNIT_PLAIN(MN_OPERATION, "maps", "has maps", &maps_table),
    MN_UNIT(MN_OPERATION, "computes", "computes", struct filter, filter_options, &computes_table),
};

static const struct mn_plugin given = {.magic = MN_MAGIC,
                                       .size = sizeof given,
                                       .abi_major = MN_ABI_MAJOR,
                                       .abi_minor = MN_ABI_MINOR,
                                       .unit_stride = sizeof(struct mn_unit),
                                       .opt_stride = sizeof(struct mn_opt),
                                       .real_bytes = sizeof(mn_real),
                                       .n_units = sizeof units / sizeof units[0],
                                       .name = "given",
                                       .version = "1",
                                       .author = "",
                                       .license = "MIT",
                                       .url = "",
                                       .units = units};

/* ---- ------------------------------------------------------------------------------------- */

static int setup(void **state) {
    instances_begin(&given);
    memset(&seen, 0, sizeof seen);
    n_stopped = 0;
    return 0;
}

static void make(const char *text, int kind) {
    assert_ok(&ctx.pub, instances_make(text, kind, NULL));
}

/* The faults of a section, as they are printed. */
static void refused(const char *text, const char *expected) {
    CLEANUP(nas_buffer_free) struct nas_buffer told = {0};
    make(text, MN_DATASET);
    assert_ok(&ctx.pub, nas_buffer_open(&told, &ctx.pub));
    nas_faults_print(&faults, told.out);
    assert_ok(&ctx.pub, nas_buffer_close(&told, &ctx.pub));
    assert_string_equal(told.text, expected);
    nas_instance_fini(&instance);
    faults = (struct nas_faults){.arena = &arena};
}

#define TWICE                                                                                      \
    "part:\n"                                                                                      \
    "  use: given/filter\n"                                                                        \
    "  more: 10\n"                                                                                 \
    "  around: {use: given/filter, more: 20, around: {use: given/plain, classes: 4}}\n"

static void units_are_made_from_the_inside(void **state) {
    make(TWICE, MN_DATASET);
    assert_int_equal(faults.count, 0);
    const struct nas_instance *middle = instance.around, *inner = middle->around;
    assert_null(inner->around);
    assert_ptr_equal(nas_instance_innermost(&instance), inner);
    assert_ptr_equal(nas_instance_outermost(inner), &instance);
    assert_string_equal(instance.label, "dataset filter");
    assert_string_equal(middle->label, "dataset.around filter");
    assert_string_equal(inner->label, "dataset.around.around plain");
    assert_string_equal(inner->within, "around.around.");
    assert_int_equal(((const struct plain *)inner->self)->classes, 4);
    struct mn_dataset_info info = {.size = sizeof info};
    struct nas_call call = nas_call_begin(&ctx.pub, &instance);
    assert_ok(&ctx.pub,
              nas_call_end(&call, instance.table.dataset.describe(instance.self, &ctx.pub, &info)));
    assert_int_equal(info.n_classes[0], 10 * 1 + 20 * 2 + 4);
}

static void functions_left_out_are_those_of_the_nested_unit(void **state) {
    make(TWICE, MN_DATASET);
    const struct mn_dataset *table = &instance.table.dataset;
    assert_int_equal(table->n_samples(instance.self, MN_TRAIN, 6), 7);
    assert_null(table->class_name); /* nobody has it */
    assert_null(table->image);
    assert_ptr_equal(table->start, filter_start);
    assert_ptr_equal(table->check, filter_check);
    table->stop(instance.self);
    assert_int_equal(n_stopped, 1);
}

static void the_end_stops_what_was_started_once(void **state) {
    make(TWICE, MN_DATASET);
    instance.started = 1;
    nas_instance_fini(&instance);
    assert_int_equal(n_stopped, 1);
}

static void a_call_is_the_nested_unit_s(void **state) {
    make("part: {use: given/filter, around: {use: given/plain}}\n", MN_DATASET);
    struct nas_call call = nas_call_begin(&ctx.pub, &instance);
    assert_ok(&ctx.pub, instance.table.dataset.start(instance.self, &ctx.pub));
    assert_ptr_equal(seen.unit, instance.around);
    assert_string_equal(seen.label, "dataset.around plain");
    assert_non_null(seen.kept);
    assert_ptr_equal(seen.host, &services);
    assert_ptr_equal(ctx.unit, &instance); /* back in it */
    assert_string_equal(ctx.label, "dataset filter");
    seen.result = MN_IO;
    assert_failed(&ctx.pub,
                  nas_call_end(&call, instance.table.dataset.start(instance.self, &ctx.pub)), MN_IO,
                  "dataset filter: dataset.around plain: no data");
    assert_null(ctx.unit);
}

/* A unit that the host calls meanwhile does not see what a nested one finds. */
static void services_are_the_nested_unit_s_alone(void **state) {
    static struct nas_instance other = {.label = "other"};
    make("part: {use: given/filter, around: {use: given/plain}}\n", MN_DATASET);
    struct nas_call call = nas_call_begin(&ctx.pub, &instance);
    ctx.pub.host = &services;
    struct nas_call inner = nas_call_begin(&ctx.pub, &other);
    assert_ptr_equal(ctx.pub.host, &host);
    assert_int_equal(nas_call_end(&inner, MN_OK), MN_OK);
    assert_ptr_equal(ctx.pub.host, &services);
    assert_int_equal(nas_call_end(&call, MN_OK), MN_OK);
    assert_ptr_equal(ctx.pub.host, &host);
}

static void every_fault_has_its_place(void **state) {
    refused("part: {use: given/filter}\n",
            "t.yaml:1:1: dataset filter: the key 'around' is required: what it is around\n");
    refused("part: {use: given/filter, around: plain}\n",
            "t.yaml:1:35: dataset filter: around: expected a section; to choose a plugin write "
            "around: {use: NAME}\n");
    refused("part: {use: given/filter, around: {classes: 2}}\n",
            "t.yaml:1:35: dataset.around: the key 'use' is required: which dataset\n");
    refused("part: {use: given/filter, around: {use: [a]}}\n",
            "t.yaml:1:41: dataset.around: use: expected the name of a dataset\n");
    refused("part: {use: given/filter, around: {use: given/plain, clases: 2}}\n",
            "t.yaml:1:54: dataset.around plain: unknown key 'clases'; did you mean 'classes'?\n");
    refused("part: {use: given/filter, mor: 1, around: {use: given/plain, classes: 0}}\n",
            "t.yaml:1:27: dataset filter: unknown key 'mor'; did you mean 'more'?\n"
            "t.yaml:1:71: dataset.around plain: classes: 0 is out of range: expected int, 1 to "
            "100\n");
    /* the outer one is not checked where the inner one is wrong */
    refused("part: {use: given/filter, more: 99, around: {use: given/plain, classes: 3}}\n",
            "t.yaml:1:73: dataset.around plain: classes: must be even\n");
    refused("part: {use: given/filter, more: 99, around: {use: given/plain}}\n",
            "t.yaml:1:33: dataset filter: more: is too much\n");
}

static void an_unknown_unit_is_refused(void **state) {
    make("part: {use: given/filter, around: {use: gven}}\n", MN_DATASET);
    assert_int_equal(faults.count, 1);
    assert_non_null(strstr(faults.first->text, "cannot load plugin 'gven' for dataset "
                                               "(t.yaml:1:41)"));
    assert_non_null(strstr(faults.first->text, "did you mean 'given'?"));
}

static void depth_is_limited(void **state) {
    make(
        "part: {use: given/filter, around: {use: given/filter, around: {use: given/filter, around: "
        "{use: given/filter, around: {use: given/plain}}}}}\n",
        MN_DATASET);
    assert_int_equal(faults.count, 0);
    nas_instance_fini(&instance);
    refused("part: {use: given/filter, around: {use: given/filter, around: {use: given/filter, "
            "around: {use: given/filter, around: {use: given/filter, around: {use: "
            "given/plain}}}}}}\n",
            "t.yaml:1:139: dataset.around.around.around.around filter: around: units are nested "
            "in one another up to 4 deep\n");
}

/* What computes must not be overruled by the maps of what it is around. */
static void an_operation_computes_or_has_maps(void **state) {
    make("part: {use: given/computes, around: {use: given/maps}}\n", MN_OPERATION);
    assert_int_equal(faults.count, 1);
    assert_string_equal(faults.first->text,
                        "operation computes: it cannot be around maps, which has no shape");
}

static void writing_and_reading_again(void **state) {
    char *text = NULL;
    size_t length;
    make(TWICE, MN_DATASET);
    FILE *out = open_memstream(&text, &length);
    fprintf(out, "part:\n");
    nas_instance_write(&instance, 0, 2, out);
    fclose(out);
    assert_string_equal(text, "part:\n"
                              "  use: given/filter # given 1\n"
                              "  more: 10\n"
                              "  around:\n"
                              "    use: given/filter # given 1\n"
                              "    more: 20\n"
                              "    around:\n"
                              "      use: given/plain # given 1\n"
                              "      classes: 4\n"
                              "      seed: 1\n");
    nas_instance_fini(&instance);
    make(text, MN_DATASET);
    assert_int_equal(faults.count, 0);
    assert_int_equal(((struct plain *)instance.around->around->self)->classes, 4);
    free(text);
    out = open_memstream(&text, &length);
    nas_instance_write(&instance, MN_OPT_EVALUATION, 0, out);
    fclose(out);
    assert_null(strstr(text, "seed"));
    free(text);
}

/* ---- handing on --------------------------------------------------------------------------- */

static void any(void) {
}

/* A function that is added to a table and not to forwards.def is found here. */
static void every_function_but_check_is_handed_on(void **state) {
    void (*function)(void) = any;
    for (int kind = 1; kind <= NAS_KINDS; kind++) {
        union nas_vtable nested, table = {0};
        const size_t first = offsetof(struct mn_dataset, check), size = nas_kind(kind)->size;
        if (kind == MN_TRANSPORT) { /* has no section to be around in */
            continue;
        }
        for (size_t at = first; at < size; at += sizeof function) {
            memcpy((char *)&nested + at, &function, sizeof function);
        }
        nas_forward_fill(kind, &table, &nested);
        for (size_t at = first; at < size; at += sizeof function) {
            void (*filled)(void);
            memcpy(&filled, (char *)&table + at, sizeof filled);
            if ((filled == NULL) != (at == first)) {
                fail_msg("%s: the function at %zu", nas_kind_name(kind), at);
            }
        }
        memset(&nested, 0, sizeof nested);
        memset(&table, 0, sizeof table);
        nas_forward_fill(kind, &table, &nested);
        assert_memory_equal(&table, &nested, sizeof table);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, instances_end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(units_are_made_from_the_inside),
        TEST(functions_left_out_are_those_of_the_nested_unit),
        TEST(the_end_stops_what_was_started_once),
        TEST(a_call_is_the_nested_unit_s),
        TEST(services_are_the_nested_unit_s_alone),
        TEST(every_fault_has_its_place),
        TEST(an_unknown_unit_is_refused),
        TEST(depth_is_limited),
        TEST(an_operation_computes_or_has_maps),
        TEST(writing_and_reading_again),
        TEST(every_function_but_check_is_handed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
