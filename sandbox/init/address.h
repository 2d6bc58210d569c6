#ifndef KHACHAPURI_ADDRESS_H
#define KHACHAPURI_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/*
 * Whether an address is some host's on the public Internet: globally reachable unicast by IANA's
 * registries for special purposes (RFC 6890), and so for an IPv4 address that stands in an IPv6
 * one. All else may be this machine, its network or its provider's.
 */
bool address_is_public(const struct sockaddr_storage *address);

#endif
