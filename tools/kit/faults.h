/* SPDX-License-Identifier: MIT */
#ifndef KIT_FAULTS_H
#define KIT_FAULTS_H

/* The ways in which a plugin can be wrong, by name: what each means and what to do about it. */

struct kit_fault {
    const char *name;
    const char *what; /* the rule, and why it is one */
    const char *todo;
};

/* The function of the plugin that is wrong where the fault is, "" where it may be one of several;
 * NULL = the one that was called last. */
const char *kit_fault_function(const char *name);

/* Never NULL: a name that is not in the table gives an entry that says so. */
const struct kit_fault *kit_fault_find(const char *name);

#endif
