/* SPDX-License-Identifier: MIT */
#ifndef METANAS_ABI_H
#define METANAS_ABI_H

/* The binary interface between the host and its plugins.
 *
 * Numbers
 * - Until 1.0 a plugin loads where both numbers are those of the host: any change of these headers
 *   is a new minor number, and plugins are compiled again. docs/abi.md tells what holds from 1.0
 * on.
 * - Every struct that crosses the border starts with its size; arrays of structs have a stride.
 * They are there for 1.0; until then they must be those of the host.
 * - Version strings are for people; nothing compares them.
 *
 * Thread tags used on every function
 *   [setup]   one thread, before the loop
 *   [main]    one thread, in the loop
 *   [worker]  many threads at once; the instance is const, the context is the caller's own
 * Every pointer argument is borrowed for the call unless its comment says otherwise. */

#include <stddef.h>
#include <stdint.h>

#define MN_MAGIC 0x534e414du /* "MANS" in little-endian memory */
#define MN_ABI_MAJOR 0
#define MN_ABI_MINOR 24
#define MN_ABI_STAGE "1.0-rc1" /* for people: docs/abi.md, "Growth" */

/* The scalar of weights, logits and images. Plugins compiled with MN_REAL_DOUBLE load only into the
 * double-precision host. */
#ifdef MN_REAL_DOUBLE
typedef double mn_real;
#else
typedef float mn_real;
#endif

#if defined(__GNUC__)
#define MN_EXPORT __attribute__((visibility("default")))
#define MN_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define MN_EXPORT
#define MN_PRINTF(fmt, args)
#endif

#endif
