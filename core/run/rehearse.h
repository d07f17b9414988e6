/* SPDX-License-Identifier: MIT */
#ifndef MN__RUN_REHEARSE_H
#define MN__RUN_REHEARSE_H

/* Task steps on made-up images: how long they take does not depend on what the images show. */

#include "run/metatrain.h"
#include "run/workers.h"

/* A task of the shape that cx->where's split asks for, of random images, in cx's scratch. */
int mn__rehearse_task(const struct mn__experiment *experiment, struct mn_cx *cx,
                      struct mn_task *out);

#endif
