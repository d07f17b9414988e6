/* SPDX-License-Identifier: MIT */
#ifndef KIT_NESTED_H
#define KIT_NESTED_H

#include "fixture.h"

/* Make the functions of a unit's table that take ctx fail the case where the unit was not entered,
 * and otherwise call those of the instance. */
void kit_nested_watch(int kind, union nas_vtable *table);

#endif
