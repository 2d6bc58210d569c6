/* Looks names up as this machine does, each in a thread of its own, as it may take long. */
#ifndef KHACHAPURI_LOOKUP_H
#define KHACHAPURI_LOOKUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum { LOOKUP_ADDRESSES_MAX = 8, LOOKUPS_MAX = 8 };

struct lookup_result {
  uint32_t token;
  int32_t error; /* of getaddrinfo; 0: none */
  uint32_t count;
  struct sockaddr_storage address[LOOKUP_ADDRESSES_MAX];
};

/* A descriptor that is readable when a result is there; -1 when the kernel refuses. */
int lookup_open(void);

/* False when so many are under way already. `name` is copied. */
bool lookup_start(const char *name, uint32_t token);

/* False when there is no result now. */
bool lookup_take(struct lookup_result *result);

#endif
