#ifndef KHACHAPURI_DNS_H
#define KHACHAPURI_DNS_H

#include <stddef.h>
#include <stdint.h>

enum { DNS_MESSAGE_MAX = 512, DNS_NAME_MAX = 254 };

enum dns_verdict { DNS_REFUSED = 0, DNS_KNOWN = 1, DNS_FULL = 2 };

/* Says whether `name` (lower case, without the last dot) has an address, and which. */
typedef enum dns_verdict dns_judge(const char *name, uint32_t *address, void *with);

/*
 * Answers a query of RFC 1035 about one name: an A record of what `judge` says, no records of any
 * other type, NXDOMAIN for what it refuses. Returns the answer's length, 0 when what came is to be
 * dropped: it is no query, or one that cannot be read.
 */
size_t dns_answer(const uint8_t *query, size_t length, uint8_t *answer, dns_judge *judge,
                  void *with);

#endif
