/* SPDX-License-Identifier: MIT */
#include "sections.h"

#include "../rundir.h"

#include "base/text.h"

#include <inttypes.h>
#include <string.h>

/* A word for the shell. */
static void put_word(struct page *page, const char *word) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_-./=:,+%@";
    if (word[0] != '\0' && word[strspn(word, plain)] == '\0') {
        page_text(page, word);
        return;
    }
    page_text(page, "'");
    for (; *word != '\0'; word++) {
        const char one[2] = {*word, '\0'};
        page_text(page, *word == '\'' ? "'\\''" : one);
    }
    page_text(page, "'");
}

/* ---- commands ----------------------------------------------------------------------------- */

static void put_flag(struct page *page, const char *flag, const char *value) {
    page_print(page, " --%s ", flag);
    put_word(page, value);
}

static void put_flags(struct page *page, const char *flag, const json_t *values) {
    for (size_t i = 0; i < json_array_size(values); i++) {
        const char *value = json_string_value(json_array_get(values, i));
        if (value != NULL) {
            put_flag(page, flag, value);
        }
    }
}

/* --steps 0,5,10 */
static void put_steps(struct page *page, const json_t *steps) {
    for (size_t i = 0; i < json_array_size(steps); i++) {
        page_print(page, "%s%" PRId64, i > 0 ? "," : " --steps ",
                   (int64_t)json_integer_value(json_object_get(json_array_get(steps, i), "step")));
    }
}

/* The flags that differ from their defaults. */
static void put_test(struct page *page, const struct record *record) {
    const struct nas_record *test = record->result;
    const char *usual = record_option(record, "evaluation", "batch_norm");
    page_markup(page, "metanas test ");
    put_word(page, record->dir);
    page_markup(page, " --tasks %" PRId64, test->tasks);
    if (test->split != NULL && strcmp(test->split, "test") != 0) {
        put_flag(page, "split", test->split);
    }
    if (test->episodes_file != NULL) {
        put_flag(page, "episodes", test->episodes_file);
    }
    if (test->state != NULL && strcmp(test->state, "last") != 0) {
        put_flag(page, "state", test->state);
    }
    put_steps(page, json_object_get(record->test, "steps"));
    if (test->batch_norm != NULL && usual != NULL && strcmp(test->batch_norm, usual) != 0) {
        put_flag(page, "batch-norm", test->batch_norm);
    }
    put_flags(page, "set", json_object_get(record->test, "set"));
    page_markup(page, "\n");
}

static void put_commands(struct page *page, const struct record *record) {
    page_markup(page, "<p>With the configuration below in config.yaml:</p>\n<pre>"
                      "metanas train config.yaml --out ");
    put_word(page, record->dir);
    page_markup(page, "\n");
    if (record->test != NULL) {
        put_test(page, record);
    }
    page_markup(page, "metanas report ");
    put_word(page, record->dir);
    page_markup(page, "</pre>\n");
}

/* ---- what made it ------------------------------------------------------------------------- */

static double trained_seconds(const struct record *record) {
    double seconds = 0;
    int64_t meta_epoch = 0;
    for (size_t i = 0; i < record->timing.n; i++) {
        seconds += rundir_seconds(record->timing.at[i], &meta_epoch);
    }
    return seconds;
}

static void put_origin(struct page *page, const struct record *record) {
    static const char *const keys[] = {"version",     "kernels",      "blas",
                                       "dataset",     "search_space", "op_mixer",
                                       "input_mixer", "task_learner", "meta_learner"};
    if (record->checkpoint == NULL) {
        return;
    }
    page_markup(page, "<h3>What made it</h3>\n<table class=\"pairs\"><tbody>\n");
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const char *value = record_meta(record, keys[i]);
        if (value != NULL) {
            page_row(page, i == 0 ? "metanas" : keys[i], "%s", value);
        }
    }
    if (record->timing.n > 0) {
        char text[64];
        page_row(page, "time of meta-training and validation", "%s",
                 nas_text_duration(trained_seconds(record), text, sizeof text));
    }
    page_markup(page, "</tbody></table>\n");
}

static void put_config(struct page *page, const char *title, const char *config) {
    if (config == NULL) {
        return;
    }
    page_markup(page, "<h3>%s</h3>\n<pre class=\"long\">", title);
    page_text(page, config);
    page_markup(page, "</pre>\n");
}

int section_repeat_run(struct page *page, const struct record *record) {
    page_section(page, "repeat", "To repeat it");
    put_commands(page, record);
    put_origin(page, record);
    put_config(page, "Configuration", record->config);
    page_section_end(page);
    return MN_OK;
}

int section_repeat_sweep(struct page *page, const struct record *record) {
    page_section(page, "repeat", "To repeat it");
    const char *file = json_string_value(json_object_get(record->command, "sweep"));
    const char *base = json_string_value(json_object_get(record->command, "base"));
    page_markup(page, "<p>With the sweep below in ");
    page_text(page, file != NULL ? file : "sweep.yaml");
    if (base != NULL) {
        page_markup(page, " and its base in ");
        page_text(page, base);
    }
    page_markup(page, ":</p>\n<pre>metanas sweep ");
    put_word(page, file != NULL ? file : "sweep.yaml");
    put_flags(page, "plugin-dir", json_object_get(record->command, "plugin_dir"));
    put_flags(page, "set", json_object_get(record->command, "set"));
    put_flag(page, "out", record->dir);
    page_markup(page, "\nmetanas report ");
    put_word(page, record->dir);
    page_markup(page, "</pre>\n");
    put_config(page, "Sweep", record->config);
    put_config(page, "Base", json_string_value(json_object_get(record->command, "base_text")));
    page_section_end(page);
    return MN_OK;
}
