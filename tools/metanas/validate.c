/* SPDX-License-Identifier: MIT */
#include "command.h"

#include "base/memory.h"
#include "base/text.h"
#include "estimate/forecast.h"
#include "learn/configuration.h"
#include "plausible.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Everything but the configuration itself is printed as YAML comments, so that the output is the
 * resolved configuration. */

static void print_count(const char *what, int64_t n) {
    char count[32];
    printf("#   %-28s %14s\n", what, nas_text_count(n, count, sizeof count));
}

/* A part is what stands before the second dot for cells and blocks, before the first otherwise. */
static size_t part_length(const char *name) {
    const size_t first = strcspn(name, ".");
    const int numbered = name[first] == '.' && name[first + 1] >= '0' && name[first + 1] <= '9';
    return numbered ? first + 1 + strcspn(name + first + 1, ".") : first;
}

static void print_parts(const struct mn_model *model) {
    const struct mn_dims *dims = nas_model_dims(model);
    for (int i = 0; i < dims->n_w_segments;) {
        const struct mn_segment *first = nas_model_segment(model, 0, i);
        const size_t length = part_length(first->name);
        int64_t n = 0;
        for (; i < dims->n_w_segments; i++) {
            const struct mn_segment *segment = nas_model_segment(model, 0, i);
            if (part_length(segment->name) != length ||
                strncmp(segment->name, first->name, length) != 0) {
                break;
            }
            n += segment->count;
        }
        char part[64];
        snprintf(part, sizeof part, "%.*s", (int)length, first->name);
        print_count(part, n);
    }
}

static int print_pruned(struct mn_ctx *ctx, const struct mn_model *model) {
    int64_t smallest, largest;
    double mean;
    int status = nas_model_extremes(ctx, model, &smallest, &largest);
    if (status == MN_OK) {
        status = nas_model_mean_parameters(ctx, model, &mean);
    }
    if (status == MN_OK) {
        print_count("pruned, the smallest", smallest);
        print_count("pruned, on average", (int64_t)(mean + 0.5));
        print_count("pruned, the largest", largest);
    }
    return status;
}

static void print_fit(const struct nas_fit *fit) {
    if (fit->budget > 0) {
        print_count("asked for by parameters", fit->budget);
        printf("#     with %" PRId64 " channels it comes nearest\n", fit->channels);
    }
}

static int print_sizes(struct mn_ctx *ctx, const struct nas_experiment *experiment) {
    const struct mn_model *model = experiment->model;
    const struct mn_dims *dims = nas_model_dims(model);
    printf("# images %d x %d x %d, %d ways\n", dims->channels, dims->height, dims->width,
           dims->ways);
    printf("# weights\n");
    print_parts(model);
    print_count(dims->n_choices > 0 ? "one-shot network" : "network", dims->n_w);
    if (dims->n_choices > 0) {
        const int status = print_pruned(ctx, model);
        if (status != MN_OK) {
            return status;
        }
    }
    print_fit(&experiment->fit);
    print_count("architecture logits", dims->n_a);
    return MN_OK;
}

/* Images of a mini-batch in meta-training. */
static int64_t batch_images(const struct nas_experiment *x) {
    const struct mn_task_learner *table = &x->task_learner.table.task_learner;
    const int64_t shots = x->task.train_shots > 0 ? x->task.train_shots : x->task.shots;
    const int32_t batch = table->max_batch != NULL ? table->max_batch(x->task_learner.self) : 0;
    return batch > 0 ? batch : shots * x->task.ways;
}

/* A forward pass is one multiply-add a weight and pixel, a backward pass two more (gradients of the
 * input and of the weight); each is two operations. */
static void print_work(const struct nas_experiment *x) {
    const struct mn_task_learner *table = &x->task_learner.table.task_learner;
    const struct mn_where where = {.size = sizeof where,
                                   .split = MN_TRAIN,
                                   .meta_epoch = x->run.meta_epochs - 1,
                                   .meta_epochs = x->run.meta_epochs};
    const int64_t batch = batch_images(x);
    const double step = 3 * 2 * nas_model_work(x->model) * (double)batch * 1e-9;
    printf("# work (all candidates computed, forward and backward)\n");
    printf("#   a step of %" PRId64 " images %16.2f GFLOP\n", batch, step);
    const int64_t steps = table->steps != NULL ? table->steps(x->task_learner.self, &where) : 0;
    if (steps > 0) {
        printf("#   a meta-epoch of %" PRId64 " tasks x %" PRId64 " steps %10.2f GFLOP\n",
               x->run.tasks_per_batch, steps,
               step * (double)steps * (double)x->run.tasks_per_batch);
    }
}

static void print_size(const char *what, int64_t bytes) {
    char size[32];
    printf("#   %-28s %14s\n", what, nas_text_bytes((uint64_t)bytes, size, sizeof size));
}

/* 1 = the machine has that much left, or does not tell. */
static int print_memory(struct mn_ctx *ctx, const struct nas_experiment *x) {
    struct memory_forecast memory;
    char workers[64];
    forecast_memory(x, &memory);
    snprintf(workers, sizeof workers, "activations of %d worker%s", memory.workers,
             memory.workers > 1 ? "s" : "");
    printf("# memory of meta-training\n");
    print_size(x->dataset.started ? "program and data set" : "program, without data",
               memory.resident);
    print_size(workers, memory.workspaces);
    print_size("weights and images of tasks", memory.tasks);
    print_size("peak", memory.peak);
    const int64_t available = nas_memory_available();
    if (available < 0 || memory.peak - memory.resident <= available) {
        return 1;
    }
    char size[32];
    mn_log(ctx, MN_LOG_WARN,
           "this machine has %s left, less than meta-training takes; use fewer workers "
           "(run.workers), smaller batches or fewer channels",
           nas_text_bytes((uint64_t)available, size, sizeof size));
    return 0;
}

/* ---- time --------------------------------------------------------------------------------- */

/* Time that validate spends on task steps. */
static const double rehearsal_seconds = 1;

static void print_seconds(const char *what, double seconds) {
    if (seconds < 1) {
        printf("#   %-28s %11.3g ms\n", what, 1e3 * seconds);
    } else {
        printf("#   %-28s %12.3g s\n", what, seconds);
    }
}

static void print_run(double seconds) {
    char duration[40];
    printf("#   %-28s %14s\n", "the whole run",
           nas_text_duration(seconds, duration, sizeof duration));
}

static void print_times(const struct nas_experiment *x, const struct time_forecast *time) {
    const int searched = nas_model_dims(x->model)->n_a > 0;
    printf("# time on this machine, from %" PRId64 " task steps%s\n", time->steps,
           x->dataset.started ? "" : " on made-up images");
    print_seconds("a task step", time->step[1]);
    if (time->warm_up > 0) {
        char until[64];
        snprintf(until, sizeof until, "a meta-epoch up to %" PRId64, time->warm_up);
        print_seconds(until, time->meta_epoch[0]);
        print_seconds("a meta-epoch after it", time->meta_epoch[1]);
    } else {
        print_seconds("a meta-epoch", time->meta_epoch[1]);
    }
    print_seconds("a validation", time->validation);
    print_run(time->run);
    if (searched) {
        printf("#   less as the architecture gets sparse: what falls under the threshold is "
               "skipped\n");
    }
}

/* What makes the rehearsal fail would make training fail, but does not make the configuration
 * wrong.
 */
static int print_time(struct mn_ctx *ctx, const struct nas_experiment *x) {
    struct time_forecast time;
    const int status = forecast_time(x, ctx, rehearsal_seconds, &time);
    if (status == MN_NUMERIC || status == MN_NOMEM) {
        mn_log(ctx, MN_LOG_WARN, "the first task steps fail: %s", nas_ctx_message(ctx));
        nas_ctx_clear(ctx);
        return MN_OK;
    }
    if (status == MN_OK && time.steps > 0) {
        print_times(x, &time);
    }
    return status;
}

static void print_tensors(const struct mn_model *model) {
    const struct mn_dims *dims = nas_model_dims(model);
    printf("# tensors\n");
    for (int architecture = 0; architecture < 2; architecture++) {
        const int n = architecture ? dims->n_a_segments : dims->n_w_segments;
        for (int i = 0; i < n; i++) {
            const struct mn_segment *segment = nas_model_segment(model, architecture, i);
            printf("#   %s [", segment->name);
            for (int d = 0; d < segment->n_dims; d++) {
                printf("%s%" PRId64, d > 0 ? ", " : "", segment->dims[d]);
            }
            printf("]\n");
        }
    }
}

struct validate_flags {
    bool tensors, untimed;
    const char *shape;
};

static int print_all(struct mn_ctx *ctx, struct nas_experiment *experiment,
                     const struct validate_flags *flags) {
    int status = nas_configuration_write(experiment, stdout);
    if (status == MN_OK && experiment->model != NULL) {
        status = plausible_check(experiment, ctx);
    }
    if (status == MN_OK && experiment->model != NULL) {
        status = print_sizes(ctx, experiment);
    }
    if (status == MN_OK && experiment->model != NULL) {
        print_work(experiment);
        const int fits = print_memory(ctx, experiment);
        if (fits && !flags->untimed) {
            status = print_time(ctx, experiment);
        }
        if (flags->tensors) {
            print_tensors(experiment->model);
        }
    }
    return status;
}

/* The configuration has no fault, but its data or its network could not be had: say what does not
 * need them; the failure stays the result. */
static int print_without_data(struct mn_ctx *ctx, const struct arguments *arguments, int failure) {
    struct nas_experiment experiment = {0};
    FILE *nowhere = fopen("/dev/null", "w"); /* its faults were printed already */
    const struct nas_open more = {.flags = NAS_OPEN_NO_DATA, .faults = nowhere};
    char message[NAS_MESSAGE];
    snprintf(message, sizeof message, "%s", nas_ctx_message(ctx));
    nas_ctx_clear(ctx);
    if (open_experiment(ctx, arguments, arguments->operand, &more, &experiment) == MN_OK) {
        print_all(ctx, &experiment, arguments->flags);
        fflush(stdout);
    }
    nas_experiment_close(&experiment);
    if (nowhere != NULL) {
        fclose(nowhere);
    }
    nas_ctx_clear(ctx);
    return mn_fail(ctx, failure, "%s", message);
}

static int run_validate(struct mn_ctx *ctx, const struct arguments *arguments) {
    const struct validate_flags *flags = arguments->flags;
    struct nas_experiment experiment = {0};
    int shape[3], faults = 1, status = MN_OK;
    const int without_data = flags->shape != NULL;
    const struct nas_open more = {
        .flags = without_data ? NAS_OPEN_NO_DATA : 0, .shape = shape, .n_faults = &faults};
    if (without_data) {
        status = parse_shape(ctx, "validate", flags->shape, shape);
    }
    if (status == MN_OK) {
        status = open_experiment(ctx, arguments, arguments->operand, &more, &experiment);
    }
    const int opened = status == MN_OK;
    if (opened) {
        status = print_all(ctx, &experiment, arguments->flags);
    }
    nas_experiment_close(&experiment);
    return opened || faults > 0 || status == MN_CANCELLED
               ? status
               : print_without_data(ctx, arguments, status);
}

#define F struct validate_flags
static const struct mn_opt flags[] = {
    FLAG_SWITCH(F, tensors, "--tensors", "list the name and shape of every weight and logit"),
    FLAG_SWITCH(F, untimed, "--untimed", "do not try task steps to tell the time they take"),
    FLAG_TEXT(F, shape, "--shape", "C,H,W", "take this image shape and leave the data alone"),
};

const struct command command_validate = {
    .name = "validate",
    .operand = "CONFIG",
    .doc = "check a configuration; print it resolved, with sizes, work, memory and time",
    .more = "What is printed is itself a configuration: everything else stands in comments.\n",
    .flags = flags,
    .n_flags = sizeof flags / sizeof flags[0],
    .flags_size = sizeof(struct validate_flags),
    .set_value = "KEY=VALUE",
    .set_doc = "override an option (may repeat)",
    .run = run_validate,
};
