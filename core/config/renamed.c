/* SPDX-License-Identifier: MIT */
#include "config/renamed.h"

#include <string.h>

static const struct {
    const char *section, *old, *key;
    const char *old_value, *value; /* a value that has another name, too */
} renamed[] = {{"run", "executor", "transport", "threads", "none"}};

static void apply(struct nas_yaml *section, size_t i, struct nas_faults *faults) {
    const int given = nas_yaml_get(section, renamed[i].key) != NULL;
    for (struct nas_yaml **link = &section->first; *link != NULL; link = &(*link)->next) {
        struct nas_yaml *node = *link;
        if (strcmp(node->key, renamed[i].old) != 0) {
            continue;
        }
        if (faults != NULL) {
            nas_fault_warn(faults, node->key_mark, "%s: '%s' is called '%s' now",
                           renamed[i].section, renamed[i].old, renamed[i].key);
        }
        if (given) { /* as by --set, which counts more than the file */
            *link = node->next;
            return;
        }
        node->key = renamed[i].key;
        if (node->kind == NAS_YAML_SCALAR && strcmp(node->text, renamed[i].old_value) == 0) {
            node->text = renamed[i].value;
        }
        return;
    }
}

void nas_renamed_apply(struct nas_yaml *root, struct nas_faults *faults) {
    for (size_t i = 0; i < sizeof renamed / sizeof renamed[0]; i++) {
        struct nas_yaml *section = nas_yaml_get(root, renamed[i].section);
        if (section != NULL && section->kind == NAS_YAML_MAP) {
            apply(section, i, faults);
        }
    }
}
