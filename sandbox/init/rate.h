#ifndef KHACHAPURI_RATE_H
#define KHACHAPURI_RATE_H

#include <stdbool.h>
#include <stdint.h>

/* A token bucket: so many a second, and at most `burst` at once. */
struct rate {
  double per_ms, burst, left;
  uint64_t seen_ms;
};

struct rate rate_of(double per_second, double burst);

/* What may be taken now. */
double rate_left(struct rate *rate);

/* Takes `wanted` if that much is left. */
bool rate_take(struct rate *rate, double wanted);

#endif
