/* SPDX-License-Identifier: MIT */
#include "exports.h"

#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A mapped file; nas_elf_check found it whole before it was opened. */
struct image {
    const uint8_t *at;
    size_t size;
};

static const void *part(const struct image *image, uint64_t offset, uint64_t bytes) {
    const int inside = offset <= image->size && bytes <= image->size - offset;
    return inside ? image->at + offset : NULL;
}

static int is_ours(const char *name) {
    static const char *const added[] = {"mn_plugin_entry", "_init",   "_fini",     "_edata", "_end",
                                        "__bss_start",     "__start", "__odr_asan"};
    for (size_t i = 0; i < sizeof added / sizeof added[0]; i++) {
        const size_t n = i < 6 ? strlen(added[i]) + 1 : strlen(added[i]);
        if (strncmp(name, added[i], n) == 0) {
            return 1;
        }
    }
    return 0;
}

/* Weak ones are what C++ instantiates of its library; the first of equals serves all. */
static int is_exported(const ElfW(Sym) * symbol) {
    const unsigned bind = symbol->st_info >> 4, visibility = symbol->st_other & 3u;
    return symbol->st_shndx != SHN_UNDEF && bind != STB_LOCAL && bind != STB_WEAK &&
           (visibility == STV_DEFAULT || visibility == STV_PROTECTED);
}

static int list(const struct image *image, const ElfW(Shdr) * table, const ElfW(Shdr) * texts,
                char *out, size_t size) {
    const ElfW(Sym) *symbols = part(image, table->sh_offset, table->sh_size);
    const char *names = part(image, texts->sh_offset, texts->sh_size);
    int found = 0;
    size_t used = 0;
    if (symbols == NULL || names == NULL || texts->sh_size == 0 ||
        names[texts->sh_size - 1] != '\0') {
        return -1;
    }
    for (size_t i = 0; i < table->sh_size / sizeof *symbols; i++) {
        const char *name = symbols[i].st_name < texts->sh_size ? names + symbols[i].st_name : "?";
        if (is_exported(&symbols[i]) && !is_ours(name)) {
            if (used < size) {
                used +=
                    (size_t)snprintf(out + used, size - used, "%s%s", found > 0 ? ", " : "", name);
            }
            found++;
        }
    }
    return found;
}

static int search(const struct image *image, char *out, size_t size) {
    const ElfW(Ehdr) *head = part(image, 0, sizeof *head);
    if (head == NULL || head->e_shoff == 0 || head->e_shentsize != sizeof(ElfW(Shdr))) {
        return -1;
    }
    const ElfW(Shdr) *sections =
        part(image, head->e_shoff, (uint64_t)head->e_shnum * sizeof *sections);
    for (unsigned i = 0; sections != NULL && i < head->e_shnum; i++) {
        if (sections[i].sh_type == SHT_DYNSYM && sections[i].sh_link < head->e_shnum) {
            return list(image, &sections[i], &sections[sections[i].sh_link], out, size);
        }
    }
    return -1;
}

int kit_exports(const char *path, char *out, size_t size) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat s;
    int found = -1;
    out[0] = '\0';
    if (fd >= 0 && fstat(fd, &s) == 0 && s.st_size > 0) {
        void *at = mmap(NULL, (size_t)s.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (at != MAP_FAILED) {
            const struct image image = {at, (size_t)s.st_size};
            found = search(&image, out, size);
            munmap(at, (size_t)s.st_size);
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    return found;
}
