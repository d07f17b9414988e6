/* SPDX-License-Identifier: MIT */
#include "pages.h"

#include <string.h>

/* Of the last change of what the pages say beside the help texts. */
static const char date[] = "November 24, 2026";

/* n letters of running text in mdoc: a backslash would be an escape, a dash a hyphen. */
static void put(const char *text, size_t n, FILE *out) {
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\\') {
            fputs("\\e", out);
        } else if (text[i] == '-') {
            fputs("\\-", out);
        } else {
            fputc(text[i], out);
        }
    }
}

/* A line of text, which must not look like a request. Sentences begin on lines of their own, so
 * that the formatter spaces them. */
static void print_line(const char *text, size_t n, FILE *out) {
    const char *end = text + n;
    while (text < end) {
        const char *stop = text;
        while (stop < end && !(stop[0] == '.' && stop + 1 < end && stop[1] == ' ')) {
            stop++;
        }
        stop += stop < end; /* over the full stop */
        if (*text == '.' || *text == '\'') {
            fputs("\\&", out);
        }
        put(text, (size_t)(stop - text), out);
        fputc('\n', out);
        text = stop + strspn(stop, " ") < end ? stop + strspn(stop, " ") : end;
    }
}

static void print_more(const char *at, FILE *out) {
    int example = 0;
    fputs(page_is_example(at) ? "" : ".Pp\n", out);
    while (*at != '\0') {
        const size_t n = strcspn(at, "\n");
        if (page_is_example(at) != example) {
            fputs(example ? ".Ed\n.Pp\n" : ".Bd -literal -offset indent\n", out);
        }
        example = page_is_example(at);
        if (example) {
            put(at + 2, n - 2, out);
            fputc('\n', out);
        } else {
            print_line(at, n, out);
        }
        at += n + (at[n] == '\n');
    }
    fputs(example ? ".Ed\n" : "", out);
}

static void print_flags(const struct mn_opt *flags, size_t n, FILE *out) {
    for (size_t i = 0; i < n; i++) {
        const char *key = flags[i].key, *name = strstr(key, "--") + 2;
        const char letter[] = {'F', 'l', ' ', key[1], ' ', ',', ' ', '\0'};
        fprintf(out, ".It %sFl Fl %s%s%s\n", name > key + 2 ? letter : "", name,
                flags[i].unit != NULL ? " Ar " : "", flags[i].unit != NULL ? flags[i].unit : "");
        print_line(flags[i].doc, strlen(flags[i].doc), out);
    }
}

static void print_common(FILE *out) {
    size_t n;
    const struct exit_code *codes;
    fputs(".Sh ENVIRONMENT\n"
          ".Bl -tag -width Ds\n"
          ".It Ev METANAS_PLUGIN_PATH\n"
          "Folders with plugins, separated by colons, all absolute; searched after those of\n"
          ".Fl Fl plugin-dir\n"
          "and before the install folder.\n"
          ".El\n"
          ".Sh EXIT STATUS\n"
          ".Bl -tag -width Ds -compact\n",
          out);
    codes = help_exit_codes(&n);
    for (size_t i = 0; i < n; i++) {
        fprintf(out, ".It %d\n", codes[i].code);
        print_line(codes[i].doc, strlen(codes[i].doc), out);
    }
    fputs(".El\n", out);
}

static void print_head(const char *name, const char *doc, FILE *out) {
    fprintf(out, ".Dd %s\n.Dt ", date);
    for (const char *at = name; *at != '\0'; at++) {
        fputc(*at >= 'a' && *at <= 'z' ? *at - 'a' + 'A' : *at, out);
    }
    fprintf(out, " 1\n.Os\n.Sh NAME\n.Nm %s\n.Nd %s\n.Sh SYNOPSIS\n", name, doc);
}

void manual_command(const struct command *command, FILE *out) {
    char name[64];
    size_t n;
    const struct mn_opt *shared = common_flags(&n);
    struct mn_opt own[MOST_FLAGS];
    snprintf(name, sizeof name, "metanas-%s", command->name);
    print_head(name, command->doc, out);
    fprintf(out, ".Nm metanas %s\n.Op Ar FLAGS\n", command->name);
    for (int i = 0; operand_name(command, i) != NULL; i++) {
        fprintf(out, operand_is_optional(command, i) ? ".Op Ar %s\n" : ".Ar %s\n",
                operand_name(command, i));
    }
    fputs(".Sh DESCRIPTION\n", out);
    print_line(command->doc, strlen(command->doc), out);
    if (command->more != NULL) {
        print_more(command->more, out);
    }
    fputs(".Bl -tag -width Ds\n", out);
    print_flags(own, command_flags(command, own), out);
    print_flags(shared, n, out);
    fputs(".El\n", out);
    print_common(out);
    fputs(".Sh SEE ALSO\n.Xr metanas 1\n", out);
}

void manual_overview(FILE *out) {
    size_t n;
    const struct command *const *all = commands(&n);
    print_head("metanas", "meta-learn neural architectures for few-shot tasks", out);
    fputs(".Nm\n.Ar COMMAND\n.Op Ar FLAGS\n.Op Ar ARGUMENTS\n"
          ".Sh DESCRIPTION\n"
          "A YAML file names a data set, a search space, mixtures and learners, each of them a "
          "plugin;\n"
          ".Nm\n"
          "trains weights and architecture together over many small tasks, so that a few gradient "
          "steps\nadapt both to a new one.\n"
          "The commands, each with a page of its own:\n"
          ".Bl -tag -width Ds\n",
          out);
    for (size_t i = 0; i < n; i++) {
        fprintf(out, ".It Xr metanas-%s 1\n", all[i]->name);
        print_line(all[i]->doc, strlen(all[i]->doc), out);
    }
    fputs(".El\n"
          ".Pp\n"
          "The options of sections and plugins:\n"
          ".Ql metanas help SECTION ,\n"
          ".Ql metanas help KIND/UNIT .\n",
          out);
    print_common(out);
}
