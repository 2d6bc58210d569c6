/* One connection with a program: its end inside, ours outside, and the bytes between them. */
#ifndef KHACHAPURI_FLOW_H
#define KHACHAPURI_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes from one socket that the other has not taken yet. */
struct half {
  int pipe[2]; /* -1 while it holds nothing */
  size_t held;
  bool ended, shut; /* the reading side is at its end; the writing side was told */
  bool lossy;        /* what is not taken is dropped, and does not end the way back */
  uint64_t bytes;
};

struct flow {
  int inside, outside; /* -1: not there */
  struct half out, in; /* from inside to outside, and back */
};

enum flow_state { FLOW_WAITS, FLOW_HAS_MORE, FLOW_OVER };

void flow_open(struct flow *flow, int inside);

/*
 * Moves what can be moved now, both sockets being non-blocking, but about so many bytes each way at
 * most. What both sides have ended, or one has reset, is over.
 */
enum flow_state flow_move(struct flow *flow, size_t out, size_t in);

/* Closes what is open. A side that was not told the other's end sees an error instead of one. */
void flow_close(struct flow *flow);

/* Closes the pipes that are kept for the next bytes. */
void flow_release(void);

#endif
