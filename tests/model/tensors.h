/* SPDX-License-Identifier: MIT */
#ifndef TESTS_MODEL_TENSORS_H
#define TESTS_MODEL_TENSORS_H

/* Where the outputs of candidates lie: apart from the tests, since the core's run and model
 * headers each have a struct mn__state. */

#include "model/model.h"

/* Call visit with every tensor that the candidates of this name have in a workspace to themselves;
 * returns how many. */
int tensors_each(const struct mn__workspace *ws, const char *op,
                 void (*visit)(mn_real *at, size_t reals));

#endif
