/* SPDX-License-Identifier: MIT */
#ifndef BROKEN_WRONG_H
#define BROKEN_WRONG_H

/* Each file here is a correct plugin of one kind. -DWRONG=... makes it wrong in one way, and -DNAME
 * names it. The compiler sees all of them at once. */

#include <metanas/plugin.h>

#ifndef WRONG
#define WRONG FINE
#endif

#define TEXT_OF(name) #name
#define TEXT(name) TEXT_OF(name)

#endif
