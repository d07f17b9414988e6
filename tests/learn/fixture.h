/* SPDX-License-Identifier: MIT */
#ifndef TESTS_RUN_FIXTURE_H
#define TESTS_RUN_FIXTURE_H

/* The one trial of a test program: a new one for each test. */

#include "../support/check.h"
#include "trial.h"

static struct trial trial;

static int begin(void **state) {
    trial_begin(&trial);
    nas_cancel_reset();
    return 0;
}

static int end(void **state) {
    trial_end(&trial);
    return 0;
}

#endif
