/* SPDX-License-Identifier: MIT */
#include "command.h"

const char *help_usage(const struct command *command, char *out, size_t size) {
    size_t used = (size_t)snprintf(out, size, "%s", command->name);
    for (int i = 0; operand_name(command, i) != NULL && used < size; i++) {
        const int optional = operand_is_optional(command, i);
        used += (size_t)snprintf(out + used, size - used, " %s%s%s", optional ? "[" : "",
                                 operand_name(command, i), optional ? "]" : "");
    }
    return out;
}

const char *help_flag(const struct mn_opt *flag, char *out, size_t size) {
    snprintf(out, size, "%s%s%s", flag->key, flag->unit != NULL ? " " : "",
             flag->unit != NULL ? flag->unit : "");
    return out;
}

static void print_flags(const struct mn_opt *flags, size_t n, FILE *out) {
    for (size_t i = 0; i < n; i++) {
        char usage[64];
        fprintf(out, "  %-*s %s\n", USAGE_COLUMN, help_flag(&flags[i], usage, sizeof usage),
                flags[i].doc);
    }
}

void help_command(const struct command *command, FILE *out) {
    size_t n;
    const struct mn_opt *shared = common_flags(&n);
    struct mn_opt own[MOST_FLAGS];
    char usage[64];
    fprintf(out, "usage: metanas %s [FLAGS]\n\n%s\n", help_usage(command, usage, sizeof usage),
            command->doc);
    if (command->more != NULL) {
        fprintf(out, "\n%s", command->more);
    }
    fputs("\nflags:\n", out);
    print_flags(own, command_flags(command, own), out);
    print_flags(shared, n, out);
}
