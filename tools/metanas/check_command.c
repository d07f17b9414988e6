/* SPDX-License-Identifier: MIT */
#include "check.h"

#define F struct check_flags
static const struct mn_opt flags[] = {
    FLAG_TEXTS(F, only, "--only", "PATTERN",
               "run the cases whose name fits, like 'op_mixer/*' (may repeat)"),
    FLAG_SWITCH(F, list, "--list", "list the cases instead of running them"),
    FLAG_SWITCH(F, json, "--json", "print one JSON object instead of TAP"),
    FLAG_INT(F, seed, "--seed", "N", 1, 0, "seed of the first round of fuzzing (default 1)"),
    FLAG_INT(F, rounds, "--rounds", "N", 100, 0,
             "rounds of fuzzing; each has the next seed (default 100)"),
    FLAG_INT(F, timeout, "--timeout", "SECONDS", 20, 0, "time limit of a case (default 20)"),
    FLAG_SWITCH(F, in_process, "--in-process", "run the cases in one process, for a debugger"),
    FLAG_INT(F, report, "--report", "FD", -1, 0,
             "run one case and leave its result here (metanas-check starts itself so)"),
};

const struct command command_check = {
    .name = "check",
    .operand = "PLUGIN.so",
    .doc = "check that a plugin keeps the rules of the interface",
    .more =
        "Every case runs in a process of its own with a host that watches memory, inputs and\n"
        "global state. Results are printed as TAP. A failure has the name of its fault, what was\n"
        "seen, the rule, what to do, and the command that repeats it. A case that cannot be run\n"
        "is skipped and says why. The exit code is 1 when a case failed, 2 when more cases of a "
        "unit\n"
        "were skipped than run.\n"
        "A plugin is trusted code: it runs with your rights here too.\n",
    .flags = flags,
    .n_flags = sizeof flags / sizeof flags[0],
    .flags_size = sizeof(struct check_flags),
    .set_value = "KIND.KEY=VALUE",
    .set_doc = "give an option of the unit, like dataset.path=DIR (may repeat)",
    .run = run_check,
};
