#ifndef KHACHAPURI_RELAY_H
#define KHACHAPURI_RELAY_H

#include <stddef.h>

/*
 * The way out of one sandbox: a process outside of it that answers its programs' questions for
 * names, takes their connections and makes its own to the hosts that `policy` (struct
 * egress_payload and what follows it) names. `init` is the socket to the sandbox's init. None of
 * the machine's sockets enters the sandbox: one that did could be connected anew, to anywhere.
 * Returns never; ends when init does.
 */
_Noreturn void relay_main(int init, char *policy, size_t length);

#endif
