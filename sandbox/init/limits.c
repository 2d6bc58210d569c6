/* Resource limits (setrlimit(2)): which init shares with the runs, and which are a run's alone. */
#include "init.h"

/* The limits that init can live with it takes on itself: what it starts inherits them. */
void take_limits(struct settings *settings) {
  uint32_t left = 0;
  for (uint32_t i = 0; i < settings->limits; i++) {
    const struct limit limit = settings->limit[i];
    switch (limit.resource) {
      case RLIMIT_CORE:
      case RLIMIT_FSIZE:
      case RLIMIT_MEMLOCK:
      case RLIMIT_MSGQUEUE: {
        const struct rlimit both = {limit.value, limit.value};
        if (setrlimit((int)limit.resource, &both)) fatal("resource limit");
        break;
      }
      default:
        settings->limit[left++] = limit;
    }
  }
  settings->limits = left;
}
