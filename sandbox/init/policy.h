/* To which hosts a sandbox's programs may connect, as the provider says (struct egress_payload). */
#ifndef KHACHAPURI_POLICY_H
#define KHACHAPURI_POLICY_H

#include "protocol.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

enum { POLICY_RULES_MAX = 64, POLICY_HOSTS_MAX = 64 };

/* A name, or with `*.` before it whatever ends with it, and a port. */
struct rule {
  const char *name;
  uint16_t port;
};

/* Where a name's port is to be found instead of where the resolver says. */
struct host_override {
  const char *name;
  uint16_t port;
  struct sockaddr_storage address;
};

struct policy {
  struct egress_payload limits;
  uint32_t rules, overrides;
  struct rule rule[POLICY_RULES_MAX];
  struct host_override override[POLICY_HOSTS_MAX];
};

/* False when it is malformed. `payload` is kept: the names stay in it. */
bool policy_parse(struct policy *policy, char *payload, size_t length);

/* Whether rule `i` is about `name`. */
bool policy_matches(const struct policy *policy, uint32_t i, const char *name);

/* NULL when the resolver is to say. */
const struct sockaddr_storage *policy_override(const struct policy *policy, const char *name,
                                               uint16_t port);

#endif
