/* Whether programs listen, as servers do that were never meant to be run once for each request. */
#ifndef KHACHAPURI_LISTENING_H
#define KHACHAPURI_LISTENING_H

#include <stdint.h>

/* A TCP port on which something in the sandbox's network listens; 0: nothing does. */
uint32_t listening_port(void);

#endif
