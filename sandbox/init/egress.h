/*
 * What a sandbox's init and its relay (relay.h) share: the made-up network's numbers, and the
 * messages of the socket between them. What the relay tells the provider goes by it too (struct
 * egress_event), and is longer.
 */
#ifndef KHACHAPURI_EGRESS_H
#define KHACHAPURI_EGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EGRESS_FIRST_ADDRESS "198.18.0.1"
#define EGRESS_NETMASK "255.254.0.0"
#define EGRESS_RESOLVER_ADDRESS "127.0.0.53"

enum {
  EGRESS_RESOLVER_PORT = 53,
  EGRESS_DOORS_MAX = 128, /* sockets that listen for the relay */
};

enum egress_message_kind {
  EGRESS_RESOLVER = 1, /* from init, with the resolver's socket */
  EGRESS_SETTLE = 2,  /* from init: a run is over; answered by what was used (EGRESS_USED) */
  EGRESS_IDLE = 3,    /* from init: so is the last; and by closing all connections */
  EGRESS_LISTEN = 4,  /* from the relay: asks for a socket that listens at address and port */
  EGRESS_LISTENS = 5, /* from init, with it */
  EGRESS_TAKEN = 6,   /* from init: there is none now */
  EGRESS_BUSY = 7,    /* from the relay: there are connections, since the last EGRESS_IDLE */
};

struct egress_message {
  uint32_t kind;
  uint32_t address; /* in host order */
  uint32_t port;
};

/*
 * `fd` goes along; -1: none does. False when the kernel has no room for it, which programs can
 * bring about: it counts what their user has on the way.
 */
bool egress_send(int socket, const struct egress_message *message, int fd);

/*
 * Takes what has come into `bytes`, and the descriptor that came along, or -1, into `fd`; with NULL
 * nothing that comes along is let in. Returns its length; 0 at the end, -1 when there is nothing
 * now.
 */
int64_t egress_receive(int socket, void *bytes, size_t size, int *fd);

#endif
