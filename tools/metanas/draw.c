/* SPDX-License-Identifier: MIT */
#include "draw.h"

#include "command.h"

#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* Standard input and output are files, not pipes: neither program waits for the other. */
static int run_dot(struct mn_ctx *ctx, FILE *in, FILE *out) {
    static char *const arguments[] = {"dot", "-Tsvg", NULL};
    posix_spawn_file_actions_t files;
    pid_t child;
    int state = 0;
    if (posix_spawn_file_actions_init(&files) != 0) {
        return no_memory(ctx);
    }
    int error = posix_spawn_file_actions_adddup2(&files, fileno(in), 0);
    error = error != 0 ? error : posix_spawn_file_actions_adddup2(&files, fileno(out), 1);
    error = error != 0 ? error : posix_spawnp(&child, "dot", &files, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&files);
    if (error == ENOENT) {
        return mn_fail(ctx, MN_UNSUPPORTED,
                       "the program 'dot' is needed to draw: install Graphviz, or take --dot");
    }
    if (error != 0) {
        return mn_fail(ctx, MN_IO, "cannot run 'dot' of Graphviz: %s", strerror(error));
    }
    while (waitpid(child, &state, 0) < 0) {
        if (errno != EINTR) {
            return mn_fail(ctx, MN_IO, "cannot wait for 'dot' of Graphviz: %s", strerror(errno));
        }
    }
    return WIFEXITED(state) && WEXITSTATUS(state) == 0
               ? MN_OK
               : mn_fail(ctx, MN_IO, "'dot' of Graphviz failed (exit code %d)", WEXITSTATUS(state));
}

/* Everything that was written to a temporary file. NULL = no memory or not readable. */
static char *read_back(struct nas_arena *arena, FILE *file) {
    if (fseek(file, 0, SEEK_END) != 0) {
        return NULL;
    }
    const long length = ftell(file);
    char *text = length >= 0 ? nas_arena_take(arena, (size_t)length + 1) : NULL;
    rewind(file);
    if (text == NULL || fread(text, 1, (size_t)length, file) != (size_t)length) {
        return NULL;
    }
    text[length] = '\0';
    return text;
}

int draw_cells(struct mn_ctx *ctx, struct nas_arena *arena, const struct cells *cells,
               const char *id, const char **svg) {
    FILE *in = tmpfile(), *out = tmpfile();
    int status = in != NULL && out != NULL
                     ? MN_OK
                     : mn_fail(ctx, MN_IO, "cannot make a temporary file: %s", strerror(errno));
    if (status == MN_OK) {
        cells_write_dot(cells, id, in);
        status = fflush(in) == 0 && fseek(in, 0, SEEK_SET) == 0
                     ? run_dot(ctx, in, out)
                     : mn_fail(ctx, MN_IO, "cannot write a temporary file: %s", strerror(errno));
    }
    if (status == MN_OK) {
        const char *text = read_back(arena, out);
        *svg = text != NULL ? strstr(text, "<svg") : NULL;
        status = *svg != NULL ? MN_OK : mn_fail(ctx, MN_IO, "'dot' of Graphviz wrote no drawing");
    }
    if (in != NULL) {
        fclose(in);
    }
    if (out != NULL) {
        fclose(out);
    }
    return status;
}
