/* A message on a unix socket that takes a descriptor along. */
#ifndef KHACHAPURI_PASSING_H
#define KHACHAPURI_PASSING_H

#include <stdbool.h>
#include <stddef.h>

/* Sends it whole, with `fd` if that is 0 or more; false: there is no room, or nobody reads. */
bool pass(int socket, const void *bytes, size_t size, int fd);

#endif
