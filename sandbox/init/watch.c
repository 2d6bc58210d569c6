#include "watch.h"
#include "ingress.h"
#include "processes.h"
#include "share.h"
#include "sockets.h"
#include "sys.h"
#include "unwaited.h"

enum { PERIOD_MS = 20, LOOKS_COST = 4 /* times as long between looks as they take */ };

/* Page tables are walked for it, so it is counted only when the coarse sum is beyond the limit. */
static uint64_t held_exactly(const struct run *run, const struct process *table, size_t count) {
  uint64_t held = 0;
  for (size_t i = 0; i < count; i++) {
    if (table[i].run == run) held += process_share(&table[i]);
  }
  return held;
}

static void check_memory(struct inside *inside, const struct process *table, size_t count) {
  uint64_t held[RUNS_MAX] = {0}, limit = inside->settings.memory_bytes;
  for (size_t i = 0; i < count; i++) {
    if (table[i].run) held[table[i].run->index] += table[i].bytes;
  }
  for (uint32_t i = 0; i < inside->runs; i++) {
    struct run *run = &inside->run[i];
    if (held[i] > limit) held[i] = held_exactly(run, table, count);
    if (held[i] > run->watched_bytes) run->watched_bytes = held[i];
    if (held[i] > limit) run_end(run, CAUSE_MEMORY);
  }
}

void watch_memory(struct inside *inside) {
  size_t count;
  if (inside->slots.controllers & CONTROLLER_MEMORY) return;
  const struct process *table = processes_read(inside, &count);
  check_memory(inside, table, count);
}

/* Whose sockets they are is not known, so all runs together may hold what is allowed to them. */
static void check_sockets(struct inside *inside) {
  uint64_t live = 0, held;
  /* The resolver's, and those that the relay listens with, or will. */
  held = sockets_hold(inside->calls_out ? inside->settings.listeners + 1u : 0, ingress_count());
  for (uint32_t i = 0; i < inside->runs; i++) live += inside->run[i].busy;
  if (held <= live * inside->settings.memory_bytes) return;
  for (uint32_t i = 0; i < inside->runs; i++) run_end(&inside->run[i], CAUSE_MEMORY);
}

int watch_runs(struct inside *inside, uint64_t first_begun_ms) {
  static uint64_t looked_ms; /* the next look is no sooner */
  uint32_t unbounded = ~inside->slots.controllers & (CONTROLLER_MEMORY | CONTROLLER_CPU);
  /* Priorities only sink, and one burst would leave a server at the lowest for ever. */
  if (inside->settings.listen && inside->has_one_share) unbounded &= ~(uint32_t)CONTROLLER_CPU;
  uint64_t now = now_ms();
  size_t count;
  if (first_begun_ms == UINT64_MAX || !unbounded) return -1;
  /* A run's first look comes one period after it began: while all are shorter there is none. */
  uint64_t due_ms = first_begun_ms + PERIOD_MS;
  if (due_ms < looked_ms) due_ms = looked_ms;
  if (now < due_ms) return (int)(due_ms - now);
  const struct process *table = processes_read(inside, &count);
  if (unbounded & CONTROLLER_MEMORY) check_memory(inside, table, count);
  if (unbounded & CONTROLLER_MEMORY) check_sockets(inside);
  if (unbounded & CONTROLLER_CPU) share_processors(inside, table, count);
  if (inside->slots.count == 0) unwaited_look(inside, table, count);
  /* Looking at many processes takes time that is then missing for what is due. */
  uint64_t after = now_ms(), pause = (after - now) * LOOKS_COST;
  looked_ms = after + (pause > PERIOD_MS ? pause : PERIOD_MS);
  return (int)(looked_ms - after);
}
