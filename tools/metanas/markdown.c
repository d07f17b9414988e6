/* SPDX-License-Identifier: MIT */
#include "pages.h"

#include <string.h>

static void print_flags(const struct mn_opt *flags, size_t n, FILE *out) {
    fputs("| flag | meaning |\n| --- | --- |\n", out);
    for (size_t i = 0; i < n; i++) {
        char usage[64];
        fprintf(out, "| `%s` | %s |\n", help_flag(&flags[i], usage, sizeof usage), flags[i].doc);
    }
    fputc('\n', out);
}

/* Examples become indented code, which needs an empty line before it and after it. */
static void print_more(const char *at, FILE *out) {
    int example = 0;
    while (*at != '\0') {
        const size_t n = strcspn(at, "\n");
        if (page_is_example(at) != example) {
            fputc('\n', out);
        }
        example = page_is_example(at);
        fprintf(out, "%s%.*s\n", example ? "  " : "", (int)n, at);
        at += n + (at[n] == '\n');
    }
    fputc('\n', out);
}

void markdown_command(const struct command *command, FILE *out) {
    char usage[64];
    fprintf(out, "## metanas %s\n\n", command->name);
    fprintf(out, "    metanas %s [FLAGS]\n\n", help_usage(command, usage, sizeof usage));
    fprintf(out, "%s\n", command->doc);
    if (command->more != NULL) {
        if (!page_is_example(command->more)) {
            fputc('\n', out);
        }
        print_more(command->more, out);
    } else {
        fputc('\n', out);
    }
    struct mn_opt flags[MOST_FLAGS];
    const size_t n = command_flags(command, flags);
    if (n > 0) {
        print_flags(flags, n, out);
    }
}

void markdown_overview(FILE *out) {
    size_t n;
    const struct mn_opt *shared = common_flags(&n);
    fputs("# Commands\n\nFlags of every command:\n\n", out);
    print_flags(shared, n, out);
    fputs("| exit code | meaning |\n| --- | --- |\n", out);
    const struct exit_code *codes = help_exit_codes(&n);
    for (size_t i = 0; i < n; i++) {
        fprintf(out, "| %d | %s |\n", codes[i].code, codes[i].doc);
    }
    fputc('\n', out);
    const struct command *const *all = commands(&n);
    for (size_t i = 0; i < n; i++) {
        markdown_command(all[i], out);
    }
}
