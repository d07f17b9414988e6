/* SPDX-License-Identifier: MIT */
#ifndef KIT_FAULTS_H
#define KIT_FAULTS_H

/* The ways in which a plugin can be wrong, by name: what each means and what to do about it. */

struct kit_fault {
    const char *name;
    const char *what; /* the rule, and why it is one */
    const char *todo;
};

/* Never NULL: a name that is not in the table gives an entry that says so. */
const struct kit_fault *kit_fault_find(const char *name);

#endif
