/* SPDX-License-Identifier: MIT */
/* peak COMMAND...: run it, then print the most kilobytes that it had resident as the last line of
 * the standard output. Ends with the command's exit code. */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
    int status;
    struct rusage used;
    const pid_t child = argc > 1 ? fork() : -1;
    if (child == 0) {
        execv(argv[1], argv + 1);
        _exit(127);
    }
    if (child < 0 || wait4(child, &status, 0, &used) != child) {
        fprintf(stderr, "peak: cannot run the command\n");
        return 126;
    }
    printf("%ld\n", used.ru_maxrss);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 125;
}
