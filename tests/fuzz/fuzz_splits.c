/* SPDX-License-Identifier: MIT */
/* The lists train.txt, val.txt and test.txt of an Omniglot split, up to zero bytes. */
#include "fuzz.h"

#include "../../plugins/omniglot/omniglot.h"
#include "plugin/instance.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const names[FUZZ_FILES] = {"train.txt", "val.txt", "test.txt"};
static char folder[] = "/tmp/metanas-fuzz-XXXXXX";

static void remove_folder(void) {
    for (int i = 0; i < FUZZ_FILES; i++) {
        char path[64];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

/* A folder whose three files are those in memory. */
static void make_folder(void) {
    static int made;
    if (made) {
        return;
    }
    fuzz_must(mkdtemp(folder) != NULL);
    made = 1;
    atexit(remove_folder);
    for (int i = 0; i < FUZZ_FILES; i++) {
        char path[64];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        fuzz_must(symlink(fuzz_file(i, "", 0), path) == 0);
    }
}

/* Every class that was listed exists, and none is in two places. */
static void check_classes(const struct omniglot *o) {
    uint8_t seen[8][TURNS] = {{0}};
    for (int split = MN_TRAIN; split <= MN_TEST; split++) {
        for (int64_t i = 0; i < o->n_classes[split]; i++) {
            const struct turned class = o->classes[split][i];
            fuzz_must(class.character >= 0 && class.character < o->n_characters);
            fuzz_must(class.turns >= 0 && class.turns < TURNS);
            fuzz_must(seen[class.character][class.turns]++ == 0);
        }
    }
}

FUZZ_TARGET(splits) {
    static struct character characters[] = {
        {"Latin/character01", 0, 20},  {"Latin/character02", 20, 20},
        {"Greek/character01", 40, 20}, {"A/b", 60, 2},
        {"rot000/rot090", 62, 2},
    };
    struct omniglot o = {.path = folder,
                         .splits = folder,
                         .split = SPLIT_VINYALS,
                         .rotations = size > 0 ? data[0] % 3 : 0,
                         .characters = characters,
                         .n_characters = sizeof characters / sizeof characters[0],
                         .n_background = 3};
    struct nas_ctx context;
    struct mn_ctx *ctx = fuzz_begin(&context);
    struct nas_instance unit = {.label = "dataset omniglot"}; /* owns what mn_keep gives */
    make_folder();
    data += size > 0;
    size -= size > 0;
    for (int i = 0; i < FUZZ_FILES; i++) {
        char *text = fuzz_text(&data, &size);
        fuzz_file(i, text != NULL ? text : "", text != NULL ? strlen(text) : 0);
        free(text);
    }
    context.unit = &unit;
    const int status = omniglot_divide(&o, ctx);
    fuzz_must_explain(ctx, status);
    if (status == MN_OK) {
        fuzz_accepted++;
        check_classes(&o);
    }
    nas_arena_fini(&unit.arena);
    fuzz_end(&context);
    return 0;
}
