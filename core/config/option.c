/* SPDX-License-Identifier: MIT */
#include "config/option.h"

#include "base/text.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- ranges ------------------------------------------------------------------------------- */

int nas_option_in_range(const struct mn_opt *o, double x) {
    return ((o->flags & MN_OPT_OPEN_MIN) != 0 ? x > o->min : x >= o->min) &&
           ((o->flags & MN_OPT_OPEN_MAX) != 0 ? x < o->max : x <= o->max);
}

/* The sign of whole - real. A whole number beyond 2^53 need not be a double. */
static int compare_whole(int64_t whole, double real) {
    if (!(real < 0x1p63)) {
        return -1;
    }
    if (real < -0x1p63) {
        return 1;
    }
    const int64_t floor_real = (int64_t)floor(real);
    return whole > floor_real ? 1 : whole < floor_real || (double)floor_real < real ? -1 : 0;
}

/* The same of a whole number, all of whose digits count. */
static int whole_in_range(const struct mn_opt *o, int64_t whole) {
    const int above = compare_whole(whole, o->min), below = -compare_whole(whole, o->max);
    return above >= ((o->flags & MN_OPT_OPEN_MIN) != 0) &&
           below >= ((o->flags & MN_OPT_OPEN_MAX) != 0);
}

static void put_number(char *out, size_t size, int32_t type, double x) {
    if (type == MN_OPT_INT || type == MN_OPT_INTS) {
        snprintf(out, size, "%.0f", x);
    } else {
        nas_text_from_real(x, out, size);
    }
}

/* By enum mn_opt_type: its name, and what the value, or the element of a list, should be. */
static const struct {
    const char *name, *noun;
    int32_t element; /* of a list: the type of what it holds; else 0 */
} types[] = {[MN_OPT_INT] = {"int", "a whole number", 0},
             [MN_OPT_REAL] = {"real", "a number", 0},
             [MN_OPT_BOOL] = {"true or false", "true or false", 0},
             [MN_OPT_TEXT] = {"text", "text", 0},
             [MN_OPT_PATH] = {"path", "text", 0},
             [MN_OPT_CHOICE] = {"one of:", "text", 0},
             [MN_OPT_INTS] = {"list of int", "a whole number", MN_OPT_INT},
             [MN_OPT_REALS] = {"list of real", "a number", MN_OPT_REAL},
             [MN_OPT_TEXTS] = {"list of text", "text", MN_OPT_TEXT},
             [MN_OPT_UNIT] = {"a unit of the same kind, {use: NAME, ...}", "a section", 0}};

/* The three list structs have this form; their elements have eight bytes each. */
struct list {
    void *at;
    int64_t n;
};
enum { ELEMENT = 8 };
_Static_assert(sizeof(struct mn_ints) == sizeof(struct list) && sizeof(int64_t) == ELEMENT, "");
_Static_assert(sizeof(struct mn_reals) == sizeof(struct list) && sizeof(double) == ELEMENT, "");
_Static_assert(sizeof(struct mn_texts) == sizeof(struct list) && sizeof(char *) == ELEMENT, "");

const char *nas_option_range(const struct mn_opt *o, char *out, size_t size) {
    const int known = o->type >= MN_OPT_INT && o->type <= MN_OPT_UNIT;
    const char *name = known ? types[o->type].name : "?";
    if (o->type == MN_OPT_INT || o->type == MN_OPT_REAL || o->type == MN_OPT_INTS ||
        o->type == MN_OPT_REALS) {
        char low[40], high[40];
        put_number(low, sizeof low, o->type, o->min);
        put_number(high, sizeof high, o->type, o->max);
        const int no_min = isinf(o->min), no_max = isinf(o->max);
        const char *above = (o->flags & MN_OPT_OPEN_MIN) != 0 ? "above " : "";
        const char *below = (o->flags & MN_OPT_OPEN_MAX) != 0 ? "below " : "";
        if (no_min && no_max) {
            snprintf(out, size, "%s", name);
        } else if (no_max) {
            snprintf(out, size, "%s, %s%s", name, above[0] != '\0' ? above : "at least ", low);
        } else if (no_min) {
            snprintf(out, size, "%s, %s%s", name, below[0] != '\0' ? below : "at most ", high);
        } else {
            snprintf(out, size, "%s, %s%s to %s%s", name, above, low, below, high);
        }
        return out;
    }
    size_t used = (size_t)snprintf(out, size, "%s", name);
    for (int i = 0; o->type == MN_OPT_CHOICE && o->choices[i] != NULL && used < size; i++) {
        used += (size_t)snprintf(out + used, size - used, "%s %s", i > 0 ? "," : "", o->choices[i]);
    }
    return out;
}

const char *nas_option_default(const struct mn_opt *o, char *out, size_t size) {
    if ((o->flags & MN_OPT_REQUIRED) != 0) {
        snprintf(out, size, "(required)");
    } else if (o->type == MN_OPT_BOOL) {
        snprintf(out, size, "%s", o->def != 0 ? "true" : "false");
    } else if (o->type == MN_OPT_CHOICE) {
        snprintf(out, size, "%s", o->choices[(int)o->def]);
    } else if (o->type >= MN_OPT_INTS) {
        snprintf(out, size, "[%s]", o->def_text != NULL ? o->def_text : "");
    } else if (o->type == MN_OPT_TEXT || o->type == MN_OPT_PATH) {
        snprintf(out, size, "%s",
                 o->def_text != NULL && o->def_text[0] != '\0' ? o->def_text : "(none)");
    } else {
        put_number(out, size, o->type, o->def);
    }
    return out;
}

/* ---- one value ---------------------------------------------------------------------------- */

struct binder {
    struct nas_arena *arena;
    struct nas_faults *faults;
    const char *what;
};

static void no_memory(struct binder *b) {
    nas_fault_add(b->faults, (struct nas_mark){0}, "no memory for the configuration");
}

static void wrong_type(struct binder *b, const struct mn_opt *o, const struct nas_yaml *node,
                       const char *expected) {
    char range[512];
    nas_option_range(o, range, sizeof range);
    if (node->kind != NAS_YAML_SCALAR) {
        nas_fault_add(b->faults, node->mark, "%s: %s: %s was given: expected %s", b->what, o->key,
                      node->kind == NAS_YAML_LIST ? "a list" : "a section", range);
    } else if (node->text[0] == '\0' && !node->quoted) {
        nas_fault_add(b->faults, node->mark, "%s: %s: no value was given: expected %s", b->what,
                      o->key, range);
    } else {
        nas_fault_add(b->faults, node->mark, "%s: %s: '%.80s'%s is not %s: expected %s", b->what,
                      o->key, node->text, node->quoted ? " in quotes" : "", expected, range);
    }
}

static int number(struct binder *b, const struct mn_opt *o, const struct nas_yaml *node,
                  double *real, int64_t *whole) {
    const int is_int = o->type == MN_OPT_INT || o->type == MN_OPT_INTS;
    const int readable =
        node->kind == NAS_YAML_SCALAR && !node->quoted &&
        (is_int ? nas_text_int(node->text, whole) : nas_text_real(node->text, real));
    if (!readable) {
        wrong_type(b, o, node, types[o->type].noun);
        return 0;
    }
    if (is_int ? !whole_in_range(o, *whole) : !nas_option_in_range(o, *real)) {
        char range[512];
        nas_fault_add(b->faults, node->mark, "%s: %s: %.80s is out of range: expected %s", b->what,
                      o->key, node->text, nas_option_range(o, range, sizeof range));
        return 0;
    }
    return 1;
}

static void bind_bool(struct binder *b, const struct mn_opt *o, const struct nas_yaml *node,
                      bool *out) {
    static const char *const like[] = {"yes", "no", "on", "off", "true", "false", "1", "0"};
    if (node->kind == NAS_YAML_SCALAR && !node->quoted) {
        if (strcmp(node->text, "true") == 0 || strcmp(node->text, "false") == 0) {
            *out = node->text[0] == 't';
            return;
        }
        for (size_t i = 0; i < sizeof like / sizeof like[0]; i++) {
            if (strcasecmp(node->text, like[i]) == 0) {
                nas_fault_add(b->faults, node->mark, "%s: %s: '%s' is not true or false: write %s",
                              b->what, o->key, node->text, i % 2 == 0 ? "true" : "false");
                return;
            }
        }
    }
    wrong_type(b, o, node, types[o->type].noun);
}

static void bind_choice(struct binder *b, const struct mn_opt *o, const struct nas_yaml *node,
                        int32_t *out) {
    size_t n = 0;
    if (node->kind != NAS_YAML_SCALAR || node->text[0] == '\0') {
        wrong_type(b, o, node, types[o->type].noun);
        return;
    }
    for (; o->choices[n] != NULL; n++) {
        if (strcmp(node->text, o->choices[n]) == 0) {
            *out = (int32_t)n;
            return;
        }
    }
    char range[512], hint[256];
    const char *near = nas_text_nearest(node->text, o->choices, n);
    nas_fault_add(b->faults, node->mark, "%s: %s: unknown value '%.80s': expected %s%s", b->what,
                  o->key, node->text, nas_option_range(o, range, sizeof range),
                  nas_text_hint(near, "", hint, sizeof hint));
}

const char *nas_schema_path(struct nas_arena *arena, const struct nas_yaml *node) {
    const char *slash = node->mark.line > 0 ? strrchr(node->mark.file, '/') : NULL;
    const char *text = nas_arena_path(arena, node->text);
    if (text == NULL || text[0] == '/' || text[0] == '\0') {
        return text;
    }
    char here[PATH_MAX];
    const char *name =
        nas_arena_format(arena, "%.*s%s", slash != NULL ? (int)(slash + 1 - node->mark.file) : 0,
                         slash != NULL ? node->mark.file : "", text);
    if (name == NULL || name[0] == '/') {
        return name;
    }
    return realpath(".", here) != NULL ? nas_arena_format(arena, "%s/%s", here, name) : name;
}

static void bind_text(struct binder *b, const struct mn_opt *o, const struct nas_yaml *node,
                      const char **out) {
    if (node->kind != NAS_YAML_SCALAR) {
        wrong_type(b, o, node, types[o->type].noun);
        return;
    }
    const char *text = o->type == MN_OPT_PATH ? nas_schema_path(b->arena, node)
                                              : nas_arena_text(b->arena, node->text);
    if (text == NULL) {
        no_memory(b);
        return;
    }
    *out = text;
}

/* A value of this type, that of the option or of an element of it, or a fault. */
static void bind_value(struct binder *b, const struct mn_opt *o, int32_t type,
                       const struct nas_yaml *node, void *to) {
    double real = 0;
    int64_t whole = 0;
    switch (type) {
    case MN_OPT_INT:
        if (number(b, o, node, &real, &whole)) {
            *(int64_t *)to = whole;
        }
        return;
    case MN_OPT_REAL:
        if (number(b, o, node, &real, &whole)) {
            *(double *)to = real;
        }
        return;
    case MN_OPT_BOOL:
        bind_bool(b, o, node, to);
        return;
    case MN_OPT_TEXT:
    case MN_OPT_PATH:
        bind_text(b, o, node, to);
        return;
    case MN_OPT_CHOICE:
        bind_choice(b, o, node, to);
        return;
    case MN_OPT_UNIT: /* whoever binds a unit makes the nested one */
        if (node->kind != NAS_YAML_MAP) {
            nas_fault_add(b->faults, node->mark,
                          "%s: %s: expected a section; to choose a plugin write %s: {use: NAME}",
                          b->what, o->key, o->key);
        }
        return;
    }
    if (node->kind != NAS_YAML_LIST) {
        wrong_type(b, o, node, "a list");
        return;
    }
    struct list list = {.n = 0};
    for (const struct nas_yaml *item = node->first; item != NULL; item = item->next) {
        list.n++;
    }
    list.at = nas_arena_zeroed(b->arena, ((size_t)list.n + 1) * ELEMENT); /* NULL ends texts */
    if (list.at == NULL) {
        no_memory(b);
        return;
    }
    char *at = list.at;
    for (const struct nas_yaml *item = node->first; item != NULL; item = item->next) {
        if (type == MN_OPT_TEXTS) {
            *(const char **)(void *)at = "";
        }
        bind_value(b, o, types[type].element, item, at);
        at += ELEMENT;
    }
    memcpy(to, &list, sizeof list);
}

/* ---- defaults ----------------------------------------------------------------------------- */

/* The default of a number, a switch or a choice into the field; its bytes, 0 = another type. */
static size_t scalar_default(const struct mn_opt *o, void *to) {
    switch (o->type) {
    case MN_OPT_INT:
        *(int64_t *)to = (int64_t)o->def;
        return sizeof(int64_t);
    case MN_OPT_REAL:
        *(double *)to = o->def;
        return sizeof(double);
    case MN_OPT_BOOL:
        *(bool *)to = o->def != 0;
        return sizeof(bool);
    case MN_OPT_CHOICE:
        *(int32_t *)to = (int32_t)o->def;
        return sizeof(int32_t);
    default:
        return 0;
    }
}

/* That of texts and of lists, "a, b, c", goes through the same door as what a file has. */
static void bind_default(struct binder *b, const struct mn_opt *o, void *to) {
    const char *def = o->def_text != NULL ? o->def_text : "";
    struct nas_yaml node = {.text = def}, **link = &node.first;
    if (scalar_default(o, to) > 0 || o->type == MN_OPT_UNIT) {
        return;
    }
    if (o->type == MN_OPT_TEXT || o->type == MN_OPT_PATH) {
        *(const char **)to = "";
    } else {
        char *save, *text = nas_arena_text(b->arena, def);
        node.kind = NAS_YAML_LIST;
        for (char *item = text != NULL ? strtok_r(text, ",", &save) : NULL; item != NULL;
             item = strtok_r(NULL, ",", &save)) {
            *link = nas_arena_zeroed(b->arena, sizeof **link);
            if (*link == NULL) {
                no_memory(b);
                return;
            }
            (*link)->text = item + strspn(item, " ");
            link = &(*link)->next;
        }
        if (text == NULL) {
            no_memory(b);
            return;
        }
    }
    bind_value(b, o, o->type, &node, to);
}

/* ---- a section ---------------------------------------------------------------------------- */

static void unknown_key(struct binder *b, const struct nas_options *options, const char *skip,
                        const struct nas_yaml *node, const char *key) {
    const size_t mark = nas_arena_mark(b->arena);
    const char **names = nas_arena_array(b->arena, (size_t)options->n + 1, sizeof *names);
    if (names == NULL) {
        no_memory(b);
        return;
    }
    size_t n = 0, used = 0;
    if (skip != NULL) {
        names[n++] = skip;
    }
    for (uint32_t i = 0; i < options->n; i++) {
        names[n++] = options->at[i].key;
    }
    char all[512] = ""; /* the known keys, cut short with dots */
    for (size_t i = 0; i < n; i++) {
        const int fits = used + strlen(names[i]) + 8 <= sizeof all;
        used += (size_t)snprintf(all + used, sizeof all - used, "%s%s", i > 0 ? ", " : "",
                                 fits ? names[i] : "...");
        if (!fits) {
            break;
        }
    }
    const char *near = nas_text_nearest(key, names, n);
    nas_arena_release(b->arena, mark);
    if (near != NULL) {
        nas_fault_add(b->faults, node->key_mark, "%s: unknown key '%.80s'; did you mean '%s'?",
                      b->what, key, near);
    } else {
        nas_fault_add(b->faults, node->key_mark, "%s: unknown key '%.80s'; known here: %s", b->what,
                      key, n > 0 ? all : "none");
    }
}

/* Keys of the file that an option names join the section, unless it gives them itself. */
static void merge_file(struct binder *b, const struct mn_opt *o, struct nas_yaml *section) {
    const struct nas_yaml *node = nas_yaml_get(section, o->key);
    if (node == NULL || node->kind != NAS_YAML_SCALAR || node->text[0] == '\0') {
        return;
    }
    const char *path = nas_schema_path(b->arena, node);
    const int before = b->faults->count;
    struct nas_yaml *file = path != NULL ? nas_yaml_read(b->arena, path, b->faults) : NULL;
    if (file == NULL) {
        if (b->faults->count > before) {
            nas_fault_add(b->faults, node->mark, "%s: %s: the file could not be used", b->what,
                          o->key);
        }
        return;
    }
    struct nas_yaml *next;
    for (struct nas_yaml *child = file->first; child != NULL; child = next) {
        next = child->next;
        if (nas_yaml_get(section, child->key) == NULL &&
            !nas_yaml_put(b->arena, section, child->key, child)) {
            no_memory(b);
            return;
        }
    }
}

/* Keys "cost.weight" and "cost.budget" lie in a section "cost" of the section. */
static void bind_known(struct binder *b, const struct nas_options *options, const char *within,
                       const struct nas_yaml *section, const char *skip, void *instance) {
    for (const struct nas_yaml *node = section->first; node != NULL; node = node->next) {
        if (skip != NULL && strcmp(node->key, skip) == 0) {
            continue;
        }
        char key[256];
        const size_t length = (size_t)snprintf(key, sizeof key, "%s%.120s", within, node->key);
        uint32_t i = 0, inner = 0;
        while (i < options->n && strcmp(options->at[i].key, key) != 0) {
            i++;
        }
        while (inner < options->n && (strncmp(options->at[inner].key, key, length) != 0 ||
                                      options->at[inner].key[length] != '.')) {
            inner++;
        }
        if (i == options->n && inner == options->n) {
            unknown_key(b, options, skip, node, key);
            continue;
        }
        if (i == options->n && node->kind != NAS_YAML_MAP) {
            nas_fault_add(b->faults, node->mark, "%s: %s: expected a section (key: value lines)",
                          b->what, key);
            continue;
        }
        if (i == options->n) {
            snprintf(key + length, sizeof key - length, ".");
            bind_known(b, options, key, node, NULL, instance);
            continue;
        }
        const struct mn_opt *o = &options->at[i];
        if ((o->flags & MN_OPT_DEPRECATED) != 0) {
            nas_fault_warn(b->faults, node->key_mark, "%s: '%s' is deprecated: %s", b->what,
                           node->key, o->doc);
        }
        bind_value(b, o, o->type, node, (char *)instance + o->offset);
    }
}

void nas_schema_bind(struct nas_arena *arena, const struct nas_options *options,
                     struct nas_yaml *section, const char *skip, const char *what, void *instance,
                     struct nas_faults *faults) {
    struct binder b = {arena, faults, what};
    for (uint32_t i = 0; i < options->n; i++) {
        bind_default(&b, &options->at[i], (char *)instance + options->at[i].offset);
    }
    const struct nas_mark place = section == NULL                  ? (struct nas_mark){0}
                                  : section->key_mark.file != NULL ? section->key_mark
                                                                   : section->mark;
    if (section != NULL && section->kind != NAS_YAML_MAP) {
        if (section->kind != NAS_YAML_SCALAR || section->text[0] != '\0') {
            nas_fault_add(faults, section->mark, "%s: expected a section (key: value lines)", what);
        }
        section = NULL;
    }
    for (uint32_t i = 0; section != NULL && i < options->n; i++) {
        if ((options->at[i].flags & MN_OPT_MERGE) != 0) {
            merge_file(&b, &options->at[i], section);
        }
    }
    if (section != NULL) {
        bind_known(&b, options, "", section, skip, instance);
    }
    for (uint32_t i = 0; i < options->n; i++) {
        const struct mn_opt *o = &options->at[i];
        if ((o->flags & MN_OPT_REQUIRED) != 0 && nas_yaml_find(section, o->key) == NULL) {
            nas_fault_add(faults, place, "%s: the key '%s' is required: %s", what, o->key, o->doc);
        }
    }
}

/* ---- writing ------------------------------------------------------------------------------ */

static int plain(const char *text) {
    /* Words and numbers that other readers of YAML take for something else than text. */
    static const char *const words[] = {"true", "false", "yes", "no", "on", "off", "null", "~"};
    double number;
    if (text[0] == '\0' || strchr("-&*!|>%@`= ", text[0]) != NULL || nas_text_real(text, &number)) {
        return 0;
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcasecmp(text, words[i]) == 0) {
            return 0;
        }
    }
    for (const char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < 32 || (unsigned char)*c >= 127 ||
            strchr("#:?,[]{}\"'\\", *c) != NULL) {
            return 0;
        }
    }
    return text[strlen(text) - 1] != ' ';
}

/* The character at `c` and its bytes. The text came from YAML or the system; a byte that is not
 * UTF-8 stands for itself. */
static uint32_t character(const unsigned char *c, int *bytes) {
    const int more = *c >= 0xF0 ? 3 : *c >= 0xE0 ? 2 : *c >= 0xC0 ? 1 : 0;
    uint32_t code = more == 0 ? *c : *c & (0x3Fu >> more);
    *bytes = 1;
    for (int i = 1; i <= more; i++) {
        if ((c[i] & 0xC0) != 0x80) {
            return *c;
        }
        code = code << 6 | (c[i] & 0x3Fu);
    }
    *bytes = more + 1;
    return code;
}

static void write_text(const char *text, FILE *out) {
    int bytes;
    if (plain(text)) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c += bytes) {
        const uint32_t code = character(c, &bytes);
        /* Controls, and what YAML takes for a line break or a byte order mark. */
        const int escaped = code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x2028 ||
                            code == 0x2029 || code == 0xFEFF || code == 0xFFFE || code == 0xFFFF;
        if (code == '"' || code == '\\') {
            fprintf(out, "\\%c", (char)code);
        } else if (escaped) {
            fprintf(out, "\\u%04" PRIx32, code);
        } else {
            fwrite(c, 1, (size_t)bytes, out);
        }
    }
    fputc('"', out);
}

/* A value of this type, that of the option or of an element of it. */
static void write_value(const struct mn_opt *o, int32_t type, const void *from, FILE *out) {
    char text[40];
    struct list list;
    switch (type) {
    case MN_OPT_INT:
        fprintf(out, "%" PRId64, *(const int64_t *)from);
        return;
    case MN_OPT_REAL:
        nas_text_from_real(*(const double *)from, text, sizeof text);
        fputs(text, out);
        return;
    case MN_OPT_BOOL:
        fputs(*(const bool *)from ? "true" : "false", out);
        return;
    case MN_OPT_TEXT:
    case MN_OPT_PATH:
        write_text(*(const char *const *)from, out);
        return;
    case MN_OPT_CHOICE:
        write_text(o->choices[*(const int32_t *)from], out);
        return;
    }
    memcpy(&list, from, sizeof list);
    fputc('[', out);
    for (int64_t i = 0; i < list.n; i++) {
        fputs(i > 0 ? ", " : "", out);
        write_value(o, types[type].element, (const char *)list.at + i * ELEMENT, out);
    }
    fputc(']', out);
}

const char *nas_schema_value(const struct nas_options *options, const void *instance,
                             const char *key, struct nas_arena *arena) {
    uint32_t i = 0;
    while (i < options->n && strcmp(options->at[i].key, key) != 0) {
        i++;
    }
    if (i == options->n || options->at[i].type == MN_OPT_UNIT) {
        return NULL;
    }
    const struct mn_opt *o = &options->at[i];
    const void *value = (const char *)instance + o->offset;
    if (o->type == MN_OPT_TEXT || o->type == MN_OPT_PATH) {
        return *(const char *const *)value;
    }
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    if (out == NULL) {
        arena->failed = 1;
        return NULL;
    }
    write_value(o, o->type, value, out);
    const char *copy = fclose(out) == 0 ? nas_arena_text(arena, text) : NULL;
    free(text);
    return copy;
}

/* A deprecated option that nobody set is left out, or every resolved configuration would warn. */
static int is_default(const struct mn_opt *o, const void *from) {
    union {
        int64_t whole;
        double real;
        bool on;
        int32_t choice;
    } def;
    const size_t bytes = scalar_default(o, &def);
    if (o->type == MN_OPT_TEXT || o->type == MN_OPT_PATH) {
        return strcmp(*(const char *const *)from, o->def_text != NULL ? o->def_text : "") == 0;
    }
    return bytes > 0 && memcmp(from, &def, bytes) == 0;
}

void nas_schema_write(const struct nas_options *options, const void *instance, int indent,
                      FILE *out) {
    nas_schema_write_without(options, instance, 0, indent, out);
}

void nas_schema_write_without(const struct nas_options *options, const void *instance,
                              uint32_t flags, int indent, FILE *out) {
    const char *section = ""; /* "cost." of the option before */
    size_t length = 0;
    for (uint32_t i = 0; i < options->n; i++) {
        const struct mn_opt *o = &options->at[i];
        const void *value = (const char *)instance + o->offset;
        if (o->type == MN_OPT_UNIT || (o->flags & (MN_OPT_MERGE | flags)) != 0 ||
            ((o->flags & MN_OPT_DEPRECATED) != 0 && is_default(o, value))) {
            continue;
        }
        const char *dot = strrchr(o->key, '.');
        const size_t outer = dot != NULL ? (size_t)(dot + 1 - o->key) : 0;
        if (outer > 0 && (outer != length || strncmp(section, o->key, outer) != 0)) {
            fprintf(out, "%*s%.*s:\n", indent, "", (int)outer - 1, o->key);
        }
        section = o->key;
        length = outer;
        fprintf(out, "%*s%s: ", indent + (outer > 0 ? 2 : 0), "", o->key + outer);
        write_value(o, o->type, value, out);
        fputc('\n', out);
    }
}
