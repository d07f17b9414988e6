/* SPDX-License-Identifier: MIT */
#ifndef TESTS_MODEL_TOUCHED_H
#define TESTS_MODEL_TOUCHED_H

/* How much of a workspace is in use: apart from the tests, since the core's run and model headers
 * each have a struct mn__state. */

#include "model/model.h"

/* Reals of a workspace that are not zero, as all are in a new one. */
size_t touched(const struct mn__workspace *ws);

#endif
