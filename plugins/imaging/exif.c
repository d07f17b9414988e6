/* SPDX-License-Identifier: MIT */
#include "image.h"

#include <string.h>

/* EXIF data is a TIFF file: byte order, 42, the place of the first directory; that has entries of
 * tag, type, count and value. */

struct tiff {
    const uint8_t *bytes;
    size_t size;
    int little;
};

/* n = 2 or 4 bytes; 0 beyond the end. */
static uint32_t number(const struct tiff *t, size_t at, int n) {
    uint32_t value = 0;
    if (at > t->size || t->size - at < (size_t)n) {
        return 0;
    }
    for (int i = 0; i < n; i++) {
        value = value << 8 | t->bytes[at + (size_t)(t->little ? n - 1 - i : i)];
    }
    return value;
}

int exif_orientation(const uint8_t *bytes, size_t size) {
    enum { TAG = 0x0112, SHORT = 3, LONG = 4, ENTRY = 12 };
    static const uint8_t prefix[6] = "Exif\0"; /* in JPEG, and by mistake elsewhere */
    if (size >= sizeof prefix && memcmp(bytes, prefix, sizeof prefix) == 0) {
        bytes += sizeof prefix;
        size -= sizeof prefix;
    }
    const struct tiff t = {bytes, size, size >= 2 && bytes[0] == 'I' && bytes[1] == 'I'};
    if (size < 8 || (!t.little && memcmp(bytes, "MM", 2) != 0) || number(&t, 2, 2) != 42) {
        return 1;
    }
    const size_t directory = number(&t, 4, 4);
    const uint32_t n = number(&t, directory, 2);
    for (uint32_t i = 0; i < n; i++) {
        const size_t entry = directory + 2 + (size_t)ENTRY * i;
        if (number(&t, entry, 2) == TAG) {
            const uint32_t type = number(&t, entry + 2, 2);
            const uint32_t value = type == SHORT  ? number(&t, entry + 8, 2)
                                   : type == LONG ? number(&t, entry + 8, 4)
                                                  : 0;
            return value >= 1 && value <= 8 ? (int)value : 1;
        }
    }
    return 1;
}
