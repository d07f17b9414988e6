/* SPDX-License-Identifier: MIT */
#ifndef NAS_PLUGIN_FORWARD_H
#define NAS_PLUGIN_FORWARD_H

/* Functions that a unit around another one (MN_OPT_UNIT) leaves to that. */

#include "plugin/kinds.h"

/* The option of type MN_OPT_UNIT, of which there is one at most, or NULL. */
const struct mn_opt *nas_forward_option(const struct mn_unit *unit);

/* Make functions that `table` leaves NULL hand the call on where `nested` has them: all but
 * `check`. Their instance begins with a struct mn_nested whose table is `nested`. */
void nas_forward_fill(int kind, union nas_vtable *table, const union nas_vtable *nested);

#endif
