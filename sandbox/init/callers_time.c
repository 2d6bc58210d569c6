#include "callers_time.h"
#include "output.h"
#include "pipes.h"
#include "sys.h"

#include <fcntl.h>
#include <string.h>

enum {
  /* Waits that are shorter are the run's own, as fast callers have programs wait all the time. */
  SHORTEST_US = 10 * 1000,
  LOOK_US = 200 * 1000,
};

/*
 * A pipe is full when its pages are used, of which writes may leave almost a half empty. That what
 * a program prints is not taken is our own doing where the provider has given credit for more.
 */
static bool waits_to_print(const struct run *run) {
  return run->out >= 0 && !run_may_print(run) &&
         pipe_holds(run->out) >= fcntl(run->out, F_GETPIPE_SZ) / 2;
}

/* All that has come was taken by the program: the provider sends what it has at once. */
static bool waits_to_read(const struct run *run) {
  return run->in >= 0 && !run->stdin_ended && run->pending_start == run->pending_end &&
         pipe_holds(run->in) == 0;
}

/*
 * Who has called out may wait for whom it called while some process of its own reads what hardly
 * comes: a minute's answer of another service would cost the credit of a moment.
 */
static bool waits(const struct inside *inside, const struct run *run) {
  bool lives = run->busy && !run->dead && run->cause == CAUSE_NONE && !run->settings->listen;
  return lives && !inside->has_called && (waits_to_print(run) || waits_to_read(run));
}

/* What it has computed so far; without a cgroup as of the last look at its processes (watch.h). */
static uint64_t computed_us(const struct run *run) {
  return run->slot ? slot_look(run->slot).cpu_us : run->seen_us + run->unwaited_us;
}

/*
 * The wait was measured but for its first moment, which is taken to have been like the rest: a look
 * at the beginning of each would cost more than most of them last.
 */
static void count(struct run *run, uint64_t now) {
  uint64_t measured = now - run->measured_us, computed = computed_us(run);
  uint64_t used = computed > run->computed_us ? computed - run->computed_us : 0;
  uint64_t waited = now - run->waits_since_us;
  run->waits_since_us = run->measured_us = now;
  run->computed_us = computed;
  if ((run->slot && computed == 0) || used >= measured) return; /* 0: the cgroup cannot tell */
  waited -= (uint64_t)((double)waited * (double)used / (double)measured);
  /* Milliseconds of waits, not of each: the provider is told of the same ones. */
  uint64_t before_ms = run->waited_us / 1000;
  run->waited_us += waited;
  run->deadline_ms += run->waited_us / 1000 - before_ms;
}

/* The provider's clock for the run is told, where there is room for more than its end. */
static void tell(struct run *run) {
  struct waited_payload payload = {(uint32_t)(run->waited_us / 1000)};
  if (payload.ms == 0 || output_room() < CHUNK_BYTES_MAX + 2 * OUTPUT_RESERVE) return;
  run->waited_us %= 1000;
  memcpy(output_begin(), &payload, sizeof payload);
  output_commit(FRAME_WAITED, run->index, sizeof payload);
}

static void look(const struct inside *inside, struct run *run, uint64_t now) {
  bool is_waiting = waits(inside, run), is_late = run->deadline_ms * 1000 <= now;
  uint64_t since = run->waits_since_us;
  if (since == 0) {
    if (is_waiting) run->waits_since_us = now;
    run->measured_us = 0;
    return;
  }
  if (run->measured_us == 0 && now - since >= SHORTEST_US) {
    run->measured_us = now;
    run->computed_us = computed_us(run);
  } else if (now > run->measured_us && run->measured_us > 0 &&
             (!is_waiting || is_late || now - run->measured_us >= LOOK_US)) {
    count(run, now);
    tell(run);
  }
  if (!is_waiting) run->waits_since_us = run->measured_us = 0;
}

void callers_time_look(struct inside *inside) {
  uint64_t now = 0;
  for (uint32_t i = 0; i < inside->runs; i++) {
    struct run *run = &inside->run[i];
    if (!run->busy || run->dead || run->settings->listen) continue;
    if (run->waits_since_us == 0 && run_may_print(run) && !run->command->has_stdin) continue;
    if (now == 0) now = now_us();
    look(inside, run, now);
  }
}

int callers_time_due(const struct inside *inside) {
  uint64_t now = 0, nearest = UINT64_MAX;
  for (uint32_t i = 0; i < inside->runs; i++) {
    const struct run *run = &inside->run[i];
    if (!run->busy || run->dead || run->waits_since_us == 0) continue;
    if (now == 0) now = now_us();
    uint64_t due = run->measured_us > 0 ? run->measured_us + LOOK_US
                                        : run->waits_since_us + SHORTEST_US;
    if (due < nearest) nearest = due;
  }
  if (nearest == UINT64_MAX) return -1;
  return nearest <= now ? 0 : (int)((nearest - now + 999) / 1000);
}
