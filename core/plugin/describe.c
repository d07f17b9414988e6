/* SPDX-License-Identifier: MIT */
#include "plugin/describe.h"

#include "plugin/kinds.h"

#include <string.h>

/* Words of `text` from column `indent` on, wrapped at `width`; `column` is where the line stands.
 */
static void wrap(const char *text, int indent, int width, int column, FILE *out) {
    int fresh = 1;
    while (*text != '\0') {
        const int word = (int)strcspn(text, " ");
        if (!fresh && column + 1 + word > width) {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
            fresh = 1;
        }
        fprintf(out, "%s%.*s", fresh ? "" : " ", word, text);
        column += word + !fresh;
        fresh = 0;
        text += word;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

/* The doc line with the unit of measure. */
static const char *meaning(const struct mn_opt *o, char *out, size_t size) {
    snprintf(out, size, "%s%s%s%s%s", (o->flags & MN_OPT_DEPRECATED) != 0 ? "(deprecated) " : "",
             o->doc, o->unit != NULL ? " (" : "", o->unit != NULL ? o->unit : "",
             o->unit != NULL ? ")" : "");
    return out;
}

/* Advanced options come in a second pass. */
static int is_in_pass(const struct mn_opt *o, int pass) {
    return ((o->flags & MN_OPT_ADVANCED) != 0) == (pass == 1);
}

void nas_describe_options(const struct nas_options *options, int width, FILE *out) {
    int keys = 3;
    for (uint32_t i = 0; i < options->n; i++) {
        const int n = (int)strlen(options->at[i].key);
        keys = n > keys ? n : keys;
    }
    for (uint32_t i = 0; i < 2 * options->n; i++) {
        const struct mn_opt *o = &options->at[i % options->n];
        char range[512], standard[512], doc[1024], text[2200];
        if (is_in_pass(o, i >= options->n)) {
            nas_option_range(o, range, sizeof range);
            nas_option_default(o, standard, sizeof standard);
            snprintf(text, sizeof text, "%s. Type: %s. Default: %s.", meaning(o, doc, sizeof doc),
                     range, standard);
            fprintf(out, "  %-*s  ", keys, o->key);
            wrap(text, keys + 4, width, keys + 4, out);
        }
    }
}

void nas_describe_unit(const struct nas_unit *unit, int width, FILE *out) {
    const int column = fprintf(out, "%s %s: ", nas_kind_name(unit->unit->kind), unit->unit->name);
    wrap(unit->unit->doc, 2, width, column, out);
    fprintf(out, "  plugin %s %s, %s\n\n", unit->plugin->name, unit->plugin->version, unit->file);
    if (unit->options.n == 0) {
        fprintf(out, "  no options\n");
    }
    nas_describe_options(&unit->options, width, out);
}

/* What stands in a cell of a Markdown table. */
static void cell(const char *text, const char *end, FILE *out) {
    for (; *text != '\0'; text++) {
        fprintf(out, "%s%c", *text == '|' ? "\\" : "", *text);
    }
    fputs(end, out);
}

void nas_describe_table(const struct nas_options *options, FILE *out) {
    char text[1024];
    fprintf(out, "| key | type | default | meaning |\n| --- | --- | --- | --- |\n");
    for (uint32_t i = 0; i < 2 * options->n; i++) {
        const struct mn_opt *o = &options->at[i % options->n];
        if (is_in_pass(o, i >= options->n)) {
            fprintf(out, "| `%s` | ", o->key);
            cell(nas_option_range(o, text, sizeof text), " | ", out);
            cell(nas_option_default(o, text, sizeof text), " | ", out);
            cell(meaning(o, text, sizeof text), " |\n", out);
        }
    }
    fputc('\n', out);
}

void nas_describe_markdown(const struct nas_unit *unit, FILE *out) {
    fprintf(out, "## %s `%s`\n\n%s. Plugin `%s` %s.\n\n", nas_kind_name(unit->unit->kind),
            unit->unit->name, unit->unit->doc, unit->plugin->name, unit->plugin->version);
    if (unit->options.n == 0) {
        fprintf(out, "No options.\n\n");
        return;
    }
    nas_describe_table(&unit->options, out);
}
