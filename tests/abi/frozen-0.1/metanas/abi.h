/* SPDX-License-Identifier: MIT */
#ifndef METANAS_ABI_H
#define METANAS_ABI_H

/* The binary interface between the host and its plugins.
 *
 * Growth rules
 * - Major 0: a plugin loads only where major and minor are equal. From 1.0 on the major must be
 *   equal and the plugin's minor must not exceed the host's.
 * - Every struct that crosses the border starts with its size and grows only at its end. The host
 *   copies the smaller of the two sizes into zeroes, so a function that a plugin does not know
 *   reads NULL, which means "optional, absent". Arrays of structs are walked by declared strides.
 * - A new mandatory function, a changed meaning or a changed order is a new major number.
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
#define MN_ABI_MINOR 1

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
