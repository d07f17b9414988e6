/* SPDX-License-Identifier: MIT */
#ifndef METANAS_STATUS_H
#define METANAS_STATUS_H

/* What a fallible call returns. Any other value from a plugin is taken as MN_INTERNAL. */
enum mn_status {
    MN_OK = 0,
    MN_NOMEM = -1,       /* no memory */
    MN_CONFIG = -2,      /* an option, a configuration or a command line is wrong */
    MN_IO = -3,          /* a file could not be read or written, or its content is damaged */
    MN_NUMERIC = -4,     /* a loss, weight or gradient is not finite */
    MN_UNSUPPORTED = -5, /* the combination asked for is not implemented */
    MN_CANCELLED = -6,   /* the user asked to stop */
    MN_INTERNAL = -7     /* a broken rule of this interface */
};

#endif
