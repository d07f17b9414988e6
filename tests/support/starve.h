/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_STARVE_H
#define TESTS_SUPPORT_STARVE_H

/* Memory that runs out at one place of the program, for every place in turn. A place is a call of
 * malloc, calloc, realloc or of the arena. The linker wraps these functions
 * (tests/learn/meson.build). */

/* Note every place that asks for memory, until starve_stop. Those noted before stay. */
void starve_record(void);
/* From now on, until starve_stop, the call number `turn` (from 1) of that place fails. */
void starve_at(int place, int turn);
/* Whether the call failed. */
int starve_stop(void);

/* Places noted so far, and the calls of one in the last recording. */
int starve_places(void);
int starve_calls(int place);
/* Its address in the program's file, for addr2line. */
unsigned long starve_address(int place);

#endif
