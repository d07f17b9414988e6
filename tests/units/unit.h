/* SPDX-License-Identifier: MIT */
#ifndef TESTS_UNITS_UNIT_H
#define TESTS_UNITS_UNIT_H

/* A unit of a plugin file with an instance, made from its option table as the host makes it. Every
 * function here fails the running test when something does not fit. */

#include <metanas/plugin.h>

struct unit {
    const struct mn_unit *about;
    void *self; /* options at their defaults */
};

/* Where the plugins lie and how their files end; from the arguments of the program. */
void unit_arguments(int argc, char **argv);

/* Open `plugin` and make its unit of that kind, of the same name; PLUGIN/UNIT = of that name. */
struct unit unit_open(const char *plugin, int kind);
void unit_close(struct unit *unit);
/* What a unit is around: the functions and the instance of a nested one. */
void unit_around(struct unit *unit, const void *table, void *self);

/* Set an option; the value must be in its range. */
void unit_int(struct unit *unit, const char *key, int64_t value);
void unit_real(struct unit *unit, const char *key, double value);
void unit_bool(struct unit *unit, const char *key, bool value);
void unit_choice(struct unit *unit, const char *key, const char *value);
void unit_ints(struct unit *unit, const char *key, const int64_t *at, int64_t n);
void unit_reals(struct unit *unit, const char *key, const double *at, int64_t n);
void unit_path(struct unit *unit, const char *key, const char *value);
void unit_text(struct unit *unit, const char *key, const char *value);
void unit_texts(struct unit *unit, const char *key, const char *const *at, int64_t n);

#endif
