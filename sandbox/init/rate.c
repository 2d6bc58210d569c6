#include "rate.h"
#include "sys.h"

struct rate rate_of(double per_second, double burst) {
  return (struct rate){per_second / 1000, burst, burst, now_ms()};
}

double rate_left(struct rate *rate) {
  uint64_t now = now_ms();
  rate->left += (double)(now - rate->seen_ms) * rate->per_ms;
  if (rate->left > rate->burst) rate->left = rate->burst;
  rate->seen_ms = now;
  return rate->left;
}

bool rate_take(struct rate *rate, double wanted) {
  if (rate_left(rate) < wanted) return false;
  rate->left -= wanted;
  return true;
}
