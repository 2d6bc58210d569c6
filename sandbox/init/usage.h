/* What a server has used so far, and holds now. */
#ifndef KHACHAPURI_USAGE_H
#define KHACHAPURI_USAGE_H

#include "inside.h"

/* Tells the provider. */
void usage_tell(struct inside *inside, const struct run *run);

#endif
