/* SPDX-License-Identifier: MIT */
#include "plugin/elf.h"

#include <link.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* 1 where [offset, offset + bytes) lies in a file of `size` bytes. */
static int within(uint64_t offset, uint64_t bytes, uint64_t size) {
    return offset <= size && bytes <= size - offset;
}

/* 1 where a file of `size` bytes holds all that its headers promise. */
static int is_whole(int fd, const ElfW(Ehdr) * head, uint64_t size) {
    const uint64_t sections = (uint64_t)head->e_shnum * head->e_shentsize;
    if (!within(head->e_phoff, (uint64_t)head->e_phnum * sizeof(ElfW(Phdr)), size) ||
        (head->e_shoff != 0 && !within(head->e_shoff, sections, size))) {
        return 0;
    }
    for (unsigned i = 0; i < head->e_phnum; i++) {
        ElfW(Phdr) part;
        const off_t at = (off_t)(head->e_phoff + i * sizeof part);
        if (pread(fd, &part, sizeof part, at) != (ssize_t)sizeof part ||
            !within(part.p_offset, part.p_filesz, size)) {
            return 0;
        }
    }
    return 1;
}

int nas_elf_check(struct mn_ctx *ctx, const char *path, int fd, int *is_elf) {
    struct stat s;
    ElfW(Ehdr) head;
    *is_elf = pread(fd, &head, sizeof head, 0) == (ssize_t)sizeof head &&
              memcmp(head.e_ident, ELFMAG, SELFMAG) == 0 &&
              head.e_ident[EI_CLASS] == (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32) &&
              head.e_phentsize == sizeof(ElfW(Phdr));
    if (*is_elf && fstat(fd, &s) == 0 && !is_whole(fd, &head, (uint64_t)s.st_size)) {
        return mn_fail(ctx, MN_IO,
                       "%s: the file is cut short or damaged: its headers promise more than its "
                       "%lld bytes: install it again",
                       path, (long long)s.st_size);
    }
    return MN_OK;
}
