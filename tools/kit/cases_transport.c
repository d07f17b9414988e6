/* SPDX-License-Identifier: MIT */
#include "kit.h"

/* Other processes are needed to run one: its tables and options alone are checked. */
const struct kit_kind kit_transport = {0};
