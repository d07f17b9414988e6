/* SPDX-License-Identifier: MIT */
#include "config/renamed.h"

#include <string.h>

static const struct {
    const char *section, *old, *key;
    const char *old_value, *value; /* a value that has another name, too */
} renamed[] = {{"run", "executor", "transport", "threads", "none"}};

void nas_renamed_apply(struct nas_yaml *root, struct nas_faults *faults) {
    for (size_t i = 0; i < sizeof renamed / sizeof renamed[0]; i++) {
        struct nas_yaml *section = nas_yaml_get(root, renamed[i].section);
        struct nas_yaml *node = nas_yaml_get(section, renamed[i].old);
        if (node == NULL) {
            continue;
        }
        if (faults != NULL) {
            nas_fault_warn(faults, node->key_mark, "%s: '%s' is called '%s' now",
                           renamed[i].section, renamed[i].old, renamed[i].key);
        }
        if (nas_yaml_get(section, renamed[i].key) != NULL) {
            /* as by --set, which counts more than the file */
            struct nas_yaml **link = &section->first;
            while (*link != node) {
                link = &(*link)->next;
            }
            *link = node->next;
            continue;
        }
        node->key = renamed[i].key;
        if (node->kind == NAS_YAML_SCALAR && strcmp(node->text, renamed[i].old_value) == 0) {
            node->text = renamed[i].value;
        }
    }
}
