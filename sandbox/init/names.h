/*
 * The names that a sandbox's programs may call, each with an address of its own inside. There is
 * room for so many; the one that was not used for longest makes room for another.
 */
#ifndef KHACHAPURI_NAMES_H
#define KHACHAPURI_NAMES_H

#include "dns.h"
#include "egress.h"
#include "lookup.h"

enum { NAMES_MAX = EGRESS_DOORS_MAX };

struct name {
  char text[DNS_NAME_MAX]; /* "": none */
  uint32_t index;
  uint32_t address; /* inside, in host order */
  bool lasting; /* as long as the sandbox */
  bool looking;
  uint32_t connections;
  uint64_t used; /* the later, the higher */
  uint32_t count; /* of addresses outside, as last looked up */
  uint64_t known_until_ms;
  struct sockaddr_storage found[LOOKUP_ADDRESSES_MAX];
};

struct names {
  uint64_t uses;
  uint32_t addresses; /* that were given away */
  struct name name[NAMES_MAX];
};

/* NULL when there is none. */
struct name *names_find(struct names *names, const char *text);

/* The name whose address that is; NULL when it is nobody's. */
struct name *names_at(struct names *names, uint32_t address);

/*
 * NULL when there is no room. Its address was no other name's for as long as possible: a program
 * may still take it for that.
 */
struct name *names_add(struct names *names, const char *text);

void names_use(struct names *names, struct name *name);

/* The name that was not used for longest, of those that may be forgotten; NULL: none may. */
struct name *names_oldest(struct names *names);

void names_forget(struct name *name);

#endif
