/* SPDX-License-Identifier: MIT */
#ifndef METANAS_ABI_H
#define METANAS_ABI_H

/* The binary interface between the host and its plugins.
 *
 * Growth rules
 * - A plugin loads where the major is equal and its minor lies from MN_ABI_OLDEST to the host's.
 *   While the major is 0 a minor may end the support of older ones; from 1.0 on the oldest stays 0.
 * - Every struct that crosses the border starts with its size and grows only at its end. The host
 *   copies the smaller of the two sizes into zeroes, so a function that a plugin does not know
 *   reads NULL, which means "optional, absent". Arrays of structs are walked by declared strides.
 * - A field is not put where older headers have padding: the size would not tell that it is there.
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
#define MN_ABI_MINOR 7
#define MN_ABI_OLDEST 1 /* minor that this host still loads */

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
