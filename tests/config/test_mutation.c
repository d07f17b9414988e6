/* SPDX-License-Identifier: MIT */
#include "case.h"
#include "config/override.h"
#include "metanas/rng.h"
#include "options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Damaged configurations: whatever comes out, there is a tree or a fault that says why not, every
 * fault has a place within the text, and what binds without fault binds to the same after writing.
 */

static const char valid[] = "# a run\n"
                            "run: {name: og-20w1s, seed: 1, workers: 4}\n"
                            "s:\n"
                            "  use: everything\n"
                            "  steps: 10\n"
                            "  rate: 1e-3\n"
                            "  fast: false\n"
                            "  title: \"a \\u00e4: b\"\n"
                            "  path: /data/x\n"
                            "  anneal: cosine\n"
                            "  sizes: [1, 2, 64]\n"
                            "  rates:\n"
                            "    - 0.5\n"
                            "    - 1\n"
                            "  ops: ['skip', conv_3x3]\n"
                            "  cost: {budget: 3, weight: 0.5}\n";

enum { MOST = sizeof valid + 64, ROUNDS = 6000 };

/* Change, drop, double or swap a few bytes; the new length. */
static size_t mutate(struct mn_rng *rng, char *text, size_t length) {
    static const char special[] = "\n\t :#-[]{},'\"\\&*!|>%@?\0\xFF\xC3\xE2~=<";
    for (uint32_t n = 1 + mn_rng_below(rng, 6); n > 0 && length > 2; n--) {
        const size_t at = mn_rng_below(rng, (uint32_t)length);
        const char byte = mn_rng_below(rng, 3) > 0 ? special[mn_rng_below(rng, sizeof special - 1)]
                                                   : (char)mn_rng_below(rng, 256);
        switch (mn_rng_below(rng, 5)) {
        case 0:
            text[at] = byte;
            break;
        case 1:
            memmove(text + at, text + at + 1, length - at - 1);
            length--;
            break;
        case 2:
            if (length + 1 < MOST) {
                memmove(text + at + 1, text + at, length - at);
                text[at] = byte;
                length++;
            }
            break;
        case 3:
            length = mn_rng_below(rng, 20) == 0 ? at + 1 : length;
            break;
        default: {
            const size_t from = mn_rng_below(rng, (uint32_t)length);
            const size_t room = length - (at > from ? at : from);
            memmove(text + at, text + from, room < 16 ? room : 16);
        }
        }
    }
    return length;
}

static int lines_of(const char *text, size_t length) {
    int lines = 1;
    for (size_t i = 0; i < length; i++) {
        lines += text[i] == '\n' || text[i] == '\r' || (unsigned char)text[i] >= 0x80;
    }
    return lines;
}

static void check_places(const struct told *told, const char *text, size_t length) {
    const int lines = lines_of(text, length);
    int count = 0;
    for (const struct nas_fault *f = told->faults.first; f != NULL; f = f->next) {
        count += !f->warning;
        if (f->mark.line > 0) {
            assert_in_range(f->mark.line, 1, lines + 1);
            assert_in_range(f->mark.column, 1, length + 1);
        }
        assert_true(f->text[0] != '\0');
    }
    assert_int_equal(count, told->faults.count);
}

static void check_again(struct told *told, const struct everything *x) {
    char *first = NULL, *second = NULL;
    size_t size = 0;
    struct everything y;
    FILE *out = open_memstream(&first, &size);
    nas_schema_write(&everything_options, x, 0, out);
    fclose(out);
    struct nas_yaml *root = told_parse(told, first);
    nas_schema_bind(&told->arena, &everything_options, root, NULL, "again", &y, &told->faults);
    if (told->faults.count > 0) {
        fail_msg("written but not read: %s\n%s", first, told_text(told));
    }
    out = open_memstream(&second, &size);
    nas_schema_write(&everything_options, &y, 0, out);
    fclose(out);
    assert_string_equal(first, second);
    free(first);
    free(second);
}

static void damaged_files_never_crash(void **state) {
    struct mn_rng rng = mn_rng_make(77, MN_RNG_PLUGIN, 0, 0, 0, 0);
    int clean = 0, faulty = 0, unread = 0;
    for (int round = 0; round < ROUNDS; round++) {
        char text[MOST];
        struct told told;
        struct everything x;
        memcpy(text, valid, sizeof valid);
        const size_t length = mutate(&rng, text, sizeof valid - 1);
        told_begin(&told);
        struct nas_yaml *root = nas_yaml_parse(&told.arena, "t.yaml", text, length, &told.faults);
        if (root == NULL) {
            assert_true(told.faults.count > 0);
            unread++;
        } else {
            nas_schema_bind(&told.arena, &everything_options, nas_yaml_get(root, "s"), "use", "x",
                            &x, &told.faults);
            clean += told.faults.count == 0;
            faulty += told.faults.count > 0;
        }
        check_places(&told, text, length);
        if (root != NULL && told.faults.count == 0) {
            check_again(&told, &x);
        }
        told_end(&told);
    }
    /* All three ways must have been walked, or the mutations are too weak or too wild. */
    assert_true(clean > ROUNDS / 50 && faulty > ROUNDS / 50 && unread > ROUNDS / 50);
}

static void damaged_overrides_never_crash(void **state) {
    static const char assignment[] = "s.sizes=[1, {a: \"b\"}, 'c'] # x";
    struct mn_rng rng = mn_rng_make(78, MN_RNG_PLUGIN, 0, 0, 0, 0);
    int applied = 0, refused = 0;
    for (int round = 0; round < ROUNDS; round++) {
        char text[MOST];
        struct told told;
        struct everything x;
        memcpy(text, assignment, sizeof assignment);
        text[mutate(&rng, text, sizeof assignment - 1)] = '\0';
        told_begin(&told);
        struct nas_yaml *root = told_parse(&told, valid);
        nas_override_apply(&told.arena, root, text, 1, &told.faults);
        applied += told.faults.count == 0;
        refused += told.faults.count > 0;
        nas_schema_bind(&told.arena, &everything_options, nas_yaml_get(root, "s"), "use", "x", &x,
                        &told.faults);
        told_end(&told);
    }
    assert_true(applied > ROUNDS / 50 && refused > ROUNDS / 50);
}

/* Every beginning of a valid file. */
static void truncated_files_never_crash(void **state) {
    for (size_t length = 0; length < sizeof valid; length++) {
        struct told told;
        struct everything x;
        told_begin(&told);
        struct nas_yaml *root = nas_yaml_parse(&told.arena, "t.yaml", valid, length, &told.faults);
        assert_true(root != NULL || told.faults.count > 0);
        if (root != NULL) {
            nas_schema_bind(&told.arena, &everything_options, nas_yaml_get(root, "s"), "use", "x",
                            &x, &told.faults);
        }
        told_end(&told);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged_files_never_crash),
        cmocka_unit_test(damaged_overrides_never_crash),
        cmocka_unit_test(truncated_files_never_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
