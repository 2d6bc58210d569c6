#include "policy.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/* The next string of what is left, NULL when there is none. */
static char *take_string(char **at, const char *end) {
  char *start = *at;
  char *stop = memchr(start, 0, (size_t)(end - start));
  if (!stop) return NULL;
  *at = stop + 1;
  return start;
}

/* Cuts "NAME:PORT" at its last colon; false when that is not its form. */
static bool cut_port(char *text, uint16_t *port) {
  char *colon = strrchr(text, ':'), *rest;
  if (!colon || colon == text) return false;
  unsigned long number = strtoul(colon + 1, &rest, 10);
  if (*rest || rest == colon + 1 || number == 0 || number > 65535) return false;
  *colon = 0;
  *port = (uint16_t)number;
  return true;
}

/* "ADDRESS:PORT", an IPv6 address in brackets. */
static bool parse_address(char *text, struct sockaddr_storage *address) {
  uint16_t port;
  if (!cut_port(text, &port)) return false;
  size_t length = strlen(text);
  memset(address, 0, sizeof *address);
  if (text[0] == '[' && text[length - 1] == ']') {
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    text[length - 1] = 0;
    if (inet_pton(AF_INET6, text + 1, &in6.sin6_addr) != 1) return false;
    memcpy(address, &in6, sizeof in6);
    return true;
  }
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
  if (inet_pton(AF_INET, text, &in.sin_addr) != 1) return false;
  memcpy(address, &in, sizeof in);
  return true;
}

static bool parse_rule(struct rule *rule, char *text) {
  rule->name = text;
  return text && cut_port(text, &rule->port);
}

static bool parse_override(struct host_override *override, char *name, char *address) {
  override->name = name;
  return name && address && cut_port(name, &override->port) &&
         parse_address(address, &override->address);
}

bool policy_parse(struct policy *policy, char *payload, size_t length) {
  if (length < sizeof policy->limits) return false;
  memcpy(&policy->limits, payload, sizeof policy->limits);
  policy->rules = policy->limits.rules;
  policy->overrides = policy->limits.overrides;
  if (policy->rules > POLICY_RULES_MAX || policy->overrides > POLICY_HOSTS_MAX) return false;
  char *at = payload + sizeof policy->limits;
  const char *end = payload + length;
  for (uint32_t i = 0; i < policy->rules; i++) {
    if (!parse_rule(&policy->rule[i], take_string(&at, end))) return false;
  }
  for (uint32_t i = 0; i < policy->overrides; i++) {
    char *name = take_string(&at, end);
    char *address = name ? take_string(&at, end) : NULL;
    if (!parse_override(&policy->override[i], name, address)) return false;
  }
  return at == end;
}

bool policy_matches(const struct policy *policy, uint32_t i, const char *name) {
  const char *pattern = policy->rule[i].name;
  if (pattern[0] != '*') return !strcmp(pattern, name);
  size_t suffix = strlen(++pattern), length = strlen(name);
  /* What dns.c could not read is no name below it either. */
  return length > suffix && !strcmp(name + length - suffix, pattern) && !strchr(name, '?');
}

const struct sockaddr_storage *policy_override(const struct policy *policy, const char *name,
                                               uint16_t port) {
  for (uint32_t i = 0; i < policy->overrides; i++) {
    const struct host_override *one = &policy->override[i];
    if (one->port == port && !strcmp(one->name, name)) return &one->address;
  }
  return NULL;
}
