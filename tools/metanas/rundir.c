/* SPDX-License-Identifier: MIT */
#include "rundir.h"

#include "base/file.h"
#include "base/folder.h"
#include "base/text.h"
#include "store/checkpoint_store.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_RUNS = 100000 };

int rundir_file(struct mn_ctx *ctx, struct nas_arena *arena, const char *dir, const char *name,
                const char **out) {
    const size_t n = strlen(dir);
    *out = nas_arena_format(arena, "%s%s%s", dir, n > 0 && dir[n - 1] == '/' ? "" : "/", name);
    return *out != NULL ? MN_OK : no_memory(ctx);
}

static int make_given(struct mn_ctx *ctx, const char *out) {
    static const char *const traces[] = {NAS_CHECKPOINT_FILE, "metrics.jsonl"};
    for (size_t i = 0; i < sizeof traces / sizeof traces[0]; i++) {
        char file[PATH_MAX];
        TRY(nas_folder_file(ctx, out, traces[i], file));
        if (access(file, F_OK) == 0) {
            return mn_fail(ctx, MN_CONFIG,
                           "%s holds a run already; 'metanas resume %s' goes on with it, another "
                           "--out starts anew",
                           out, out);
        }
    }
    return nas_folder_make(ctx, out);
}

int rundir_make(struct mn_ctx *ctx, struct nas_arena *arena, const char *out, const char *name,
                const char **dir) {
    if (out != NULL) {
        *dir = out;
        return make_given(ctx, out);
    }
    TRY(nas_folder_make(ctx, "runs"));
    for (int i = 1; i <= MOST_RUNS; i++) {
        const size_t mark = nas_arena_mark(arena);
        *dir = nas_arena_format(arena, "runs/%s-%d", name, i);
        if (*dir == NULL) {
            return no_memory(ctx);
        }
        if (mkdir(*dir, 0777) == 0) {
            return MN_OK;
        }
        if (errno != EEXIST) {
            return mn_fail(ctx, MN_IO, "cannot make directory %s: %s", *dir, strerror(errno));
        }
        nas_arena_release(arena, mark);
    }
    return mn_fail(ctx, MN_IO, "runs/%s-1 to -%d are all taken; give --out", name, MOST_RUNS);
}

int rundir_holds(const struct arguments *arguments) {
    return 1;
}

int rundir_config(struct mn_ctx *ctx, struct nas_arena *arena, const struct arguments *arguments,
                  const char **out) {
    return rundir_file(ctx, arena, arguments->operand, "config.resolved.yaml", out);
}

int rundir_check_folder(struct mn_ctx *ctx, const char *dir) {
    struct stat about;
    if (stat(dir, &about) != 0) {
        return mn_fail(ctx, MN_IO, "%s: %s; expected a run directory, as 'metanas train' makes",
                       dir, strerror(errno));
    }
    if (!S_ISDIR(about.st_mode)) {
        return mn_fail(ctx, MN_IO,
                       "%s: not a directory; expected a run directory, as 'metanas train' makes",
                       dir);
    }
    return MN_OK;
}

int rundir_check(struct mn_ctx *ctx, const char *dir) {
    char config[PATH_MAX], sweep[PATH_MAX];
    TRY(rundir_check_folder(ctx, dir));
    TRY(nas_folder_file(ctx, dir, "config.resolved.yaml", config));
    TRY(nas_folder_file(ctx, dir, "sweep.yaml", sweep));
    return access(config, F_OK) == 0 || access(sweep, F_OK) != 0
               ? MN_OK
               : mn_fail(ctx, MN_IO,
                         "%s: the folder of a sweep; expected one of its runs, %s/ARM/seed-N", dir,
                         dir);
}

int rundir_json(struct mn_ctx *ctx, const char *path, json_t **out) {
    CLEANUP(nas_free) uint8_t *bytes = NULL;
    json_error_t error;
    size_t length;
    if (access(path, F_OK) != 0) {
        return mn_fail(ctx, MN_IO, "%s: %s; 'metanas test' writes it", path, strerror(errno));
    }
    TRY(nas_file_read(ctx, path, SIZE_MAX / 2, &bytes, &length));
    *out = json_loadb((const char *)bytes, length, JSON_REJECT_DUPLICATES, &error);
    return *out != NULL ? MN_OK
                        : mn_fail(ctx, MN_IO, "%s:%d:%d: not valid JSON: %s", path, error.line,
                                  error.column, error.text);
}

int rundir_json_text(struct mn_ctx *ctx, const char *path, json_t *object, char **out,
                     size_t *length) {
    char *text =
        object != NULL ? json_dumps(object, JSON_INDENT(2) | JSON_REAL_PRECISION(12)) : NULL;
    json_decref(object);
    if (text == NULL) {
        return mn_fail(ctx, MN_IO,
                       "%s: cannot write it: a name in it is not UTF-8, or no memory is left",
                       path);
    }
    *length = strlen(text) + 1;
    text[*length - 1] = '\n'; /* in place of the final zero: only the length counts */
    *out = text;
    return MN_OK;
}

int rundir_json_write(struct mn_ctx *ctx, const char *path, json_t *object, FILE *echo) {
    CLEANUP(nas_free) char *text = NULL;
    size_t length = 0;
    TRY(rundir_json_text(ctx, path, object, &text, &length));
    TRY(nas_file_replace(ctx, path, text, length));
    if (echo != NULL) {
        fwrite(text, 1, length, echo);
    }
    return MN_OK;
}

json_t *rundir_texts(const struct texts *texts) {
    json_t *list = json_array();
    for (int i = 0; list != NULL && texts != NULL && i < texts->n; i++) {
        if (json_array_append_new(list, json_string(texts->at[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

double rundir_seconds(const json_t *line, int64_t *meta_epoch) {
    const json_t *each = json_object_get(line, "seconds_per_meta_epoch");
    if (!json_is_number(each)) {
        return json_number_value(json_object_get(line, "seconds"));
    }
    const int64_t before = *meta_epoch;
    *meta_epoch = (int64_t)json_integer_value(json_object_get(line, "meta_epoch"));
    return json_number_value(each) * ((double)*meta_epoch - (double)before);
}

int rundir_state(struct mn_ctx *ctx, struct nas_arena *arena, const char *dir, const char *name,
                 const char **out) {
    if (name == NULL || strcmp(name, "last") == 0) {
        return rundir_file(ctx, arena, dir, NAS_CHECKPOINT_FILE, out);
    }
    if (strcmp(name, "best") != 0) {
        *out = name;
        return MN_OK;
    }
    TRY(rundir_file(ctx, arena, dir, "best.safetensors", out));
    return access(*out, F_OK) == 0
               ? MN_OK
               : mn_fail(ctx, MN_IO,
                         "%s: there is none; a run has one when it has been validated. --state "
                         "last takes its last checkpoint",
                         *out);
}

/* The shape of the images from the checkpoint; 0 channels in one of before it was noted there. */
static int image_shape(struct mn_ctx *ctx, const char *checkpoint, int shape[3]) {
    CLEANUP(nas_safetensors_fini) struct nas_safetensors file = {0};
    TRY(nas_safetensors_read(ctx, checkpoint, &file));
    const char *text = nas_safetensors_meta(&file, "image_shape");
    shape[0] = 0;
    return text != NULL ? parse_shape(ctx, checkpoint, text, shape) : MN_OK;
}

int rundir_open(struct mn_ctx *ctx, const struct arguments *arguments, const char *dir,
                const char *name, const struct nas_open *more, struct nas_experiment *experiment,
                struct nas_state *state) {
    CLEANUP(nas_arena_fini) struct nas_arena arena = {0};
    struct nas_open open = more != NULL ? *more : (struct nas_open){0};
    const char *config, *checkpoint;
    int shape[3];
    TRY(rundir_file(ctx, &arena, dir, "config.resolved.yaml", &config));
    TRY(rundir_state(ctx, &arena, dir, name, &checkpoint));
    if ((open.flags & NAS_OPEN_NO_DATA) != 0) {
        TRY(image_shape(ctx, checkpoint, shape));
        open.shape = shape;
        open.flags &= shape[0] == 0 ? ~(uint32_t)NAS_OPEN_NO_DATA : ~0U;
    }
    TRY(open_experiment(ctx, arguments, config, &open, experiment));
    return nas_state_load(experiment, ctx, checkpoint, state);
}

int rundir_lines(struct mn_ctx *ctx, const char *path, nas_jsonl_fn each, void *data) {
    int status = access(path, F_OK) == 0 ? nas_jsonl_read(ctx, path, each, data) : MN_OK;
    if (status == MN_IO) {
        char message[NAS_MESSAGE];
        snprintf(message, sizeof message, "%s", nas_ctx_message(ctx));
        nas_ctx_clear(ctx);
        mn_log(ctx, MN_LOG_WARN, "%s; what follows is left out", message);
        status = MN_OK;
    }
    return status;
}

/* Keep the last line of metrics.jsonl that holds a validation result. */
static int keep_validation(void *data, struct mn_ctx *ctx, json_t *line) {
    json_t **last = data;
    (void)ctx;
    if (json_is_number(json_object_get(line, "accuracy_mean"))) {
        json_decref(*last);
        *last = json_incref(line);
    }
    return MN_OK;
}

int rundir_report(struct mn_ctx *ctx, const char *dir) {
    CLEANUP(nas_json_free) json_t *last = NULL;
    char path[PATH_MAX], half[32];
    if (nas_ctx_of(ctx)->log_level < MN_LOG_INFO) {
        return MN_OK;
    }
    TRY(nas_folder_file(ctx, dir, "metrics.jsonl", path));
    TRY(rundir_lines(ctx, path, keep_validation, &last));
    if (last != NULL) {
        const json_t *interval = json_object_get(last, "accuracy_ci95");
        printf("validation accuracy %.2f%%%s\n",
               100 * json_number_value(json_object_get(last, "accuracy_mean")),
               nas_text_interval(json_is_number(interval) ? 100 * json_number_value(interval)
                                                          : (double)NAN,
                                 2, "%", half, sizeof half));
    }
    printf("saved in %s; test it with: metanas test %s\n", dir, dir);
    return MN_OK;
}

int rundir_goes_on(struct mn_ctx *ctx, const char *dir, int status) {
    char config[PATH_MAX];
    if (status != MN_CANCELLED || nas_ctx_of(ctx)->resumable ||
        snprintf(config, sizeof config, "%s/config.resolved.yaml", dir) >= (int)sizeof config ||
        access(config, F_OK) != 0) {
        return status;
    }
    nas_ctx_of(ctx)->resumable = 1;
    return nas_ctx_more(ctx, status, "; go on with: metanas resume %s", dir);
}
