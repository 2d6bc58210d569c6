/* What the relay gives up before it hears from anybody, as all that it reads is a stranger's. */
#ifndef KHACHAPURI_RELAY_RIGHTS_H
#define KHACHAPURI_RELAY_RIGHTS_H

#include <stdint.h>

/* Bounds its memory and its descriptors. Returns for how many connections, `wanted` at most. */
uint32_t relay_take_limits(uint32_t wanted);

/*
 * Leaves it the system calls that carry bytes and look names up: it starts no program, writes no
 * file, maps nothing executable, and knows no sockets but of IPv4 and IPv6.
 */
void relay_take_filter(void);

#endif
