/* SPDX-License-Identifier: MIT */
#ifndef METANAS_PAGES_H
#define METANAS_PAGES_H

/* The help texts of commands as pages: Markdown for docs/reference, mdoc for manual pages. */

#include "command.h"

/* markdown.c: all commands; one command. */
void markdown_overview(FILE *out);
void markdown_command(const struct command *command, FILE *out);

/* manual.c: metanas(1); metanas-COMMAND(1). */
void manual_overview(FILE *out);
void manual_command(const struct command *command, FILE *out);

/* Lines of a command's `more` that begin with two spaces are examples, shown as they are; others
 * are flowing text. */
static inline int page_is_example(const char *line) {
    return line[0] == ' ' && line[1] == ' ';
}

#endif
