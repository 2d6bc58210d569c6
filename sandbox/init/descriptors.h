/*
 * The descriptors with which a sandbox's init starts, besides stderr. The supervisor (host.c) lays
 * them out; the launcher passes them on (../launch.ts names HELPER in the command it executes).
 */
#ifndef KHACHAPURI_DESCRIPTORS_H
#define KHACHAPURI_DESCRIPTORS_H

enum {
  CHANNEL_IN = 0,  /* frames from the provider */
  CHANNEL_OUT = 1, /* frames to the provider */
  SUPERVISOR = 3,  /* socket: asks for cgroups; its end tells that the supervisor is gone */
  HELPER = 4,      /* this program's own file, as the run uid may not reach its path */
  RELAY = 5,       /* socket: where programs may call out, to who makes their connections */
  INGRESS = 6,     /* of a server: listening socket at which the provider connects */
};

#endif
