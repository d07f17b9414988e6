# SPDX-License-Identifier: MIT
# A file for csv_images.c to try: 14 x 14 images of bars. A class is a direction and a period.
BEGIN {
    split("train val test", splits)
    for (s = 1; s <= 3; s++) {
        for (class = 0; class < 12; class++) {
            angle = 3.14159265 * (class + s / 4) / 12
            for (image = 0; image < 6; image++) {
                line = splits[s] ",bars" class
                for (p = 0; p < 196; p++) {
                    along = cos(angle) * (p % 14) + sin(angle) * int(p / 14)
                    line = line "," int(128 + 127 * sin((0.6 + class % 3 / 4) * along + image))
                }
                print line
            }
        }
    }
}
