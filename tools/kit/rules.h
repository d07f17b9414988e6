/* SPDX-License-Identifier: MIT */
#ifndef KIT_RULES_H
#define KIT_RULES_H

/* The rules that a plugin can break, by name: what each demands and what to do about it. */

struct kit_rule {
    const char *name;
    const char *text; /* what it demands, and why */
    const char *advice;
};

/* The function of the plugin that is wrong where the rule is broken, "" where it may be one of
 * several; NULL = the one that was called last. */
const char *kit_rule_function(const char *name);

/* Never NULL: a name that is not in the table gives an entry that says so. */
const struct kit_rule *kit_rule_find(const char *name);

#endif
