/* SPDX-License-Identifier: MIT */
#ifndef NAS_LEARN_HOST_H
#define NAS_LEARN_HOST_H

#include "metanas/host.h"

/* All services, for nas_ctx_init. */
extern const struct mn_host nas_host;

#endif
