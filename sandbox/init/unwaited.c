/*
 * The time of a run's live processes and of those that were waited for only grows. When their sum
 * is less than at the look before, what is missing was nobody's to wait for. So a process that dies
 * so is counted up to the last look, and one that lived between two looks is not.
 */
#include "unwaited.h"

static void add_up(const struct process *table, size_t count, uint64_t *total) {
  for (size_t i = 0; i < count; i++) {
    struct run *run = table[i].run;
    if (!run) continue;
    struct process_stat stat;
    if (!process_stat(table[i].pid, &stat)) continue;
    /* The keeper's own time is not the run's, and nor is that of the runs it had before. */
    bool keeps = keeper_pid(run->keeper) == table[i].pid;
    uint64_t before = keeps ? process_children_us(keeper_earlier(run->keeper)) : 0;
    if (stat.children_us > before) total[run->index] += stat.children_us - before;
    if (!keeps) total[run->index] += stat.own_us;
  }
}

static bool lives(const struct run *run) { return run->busy && !run->dead; }

/*
 * One that dies while we read, after its parent was read and before its own turn, is in neither: so
 * what seems to be missing is looked at twice.
 */
static bool seems_less(const struct inside *inside, const uint64_t *total) {
  for (uint32_t i = 0; i < inside->runs; i++) {
    if (lives(&inside->run[i]) && total[i] < inside->run[i].seen_us) return true;
  }
  return false;
}

static void note(struct run *run, uint64_t total_us) {
  if (total_us < run->seen_us) run->unwaited_us += run->seen_us - total_us;
  run->seen_us = total_us;
}

void unwaited_look(struct inside *inside, const struct process *table, size_t count) {
  uint64_t total[RUNS_MAX] = {0}, again[RUNS_MAX] = {0};
  add_up(table, count, total);
  if (seems_less(inside, total)) {
    table = processes_read(inside, &count);
    add_up(table, count, again);
  }
  for (uint32_t i = 0; i < inside->runs; i++) {
    if (lives(&inside->run[i])) note(&inside->run[i], total[i] > again[i] ? total[i] : again[i]);
  }
}

uint64_t unwaited_total(const struct run *run, uint64_t waited_us) {
  uint64_t missing_us = run->seen_us > waited_us ? run->seen_us - waited_us : 0;
  return waited_us + run->unwaited_us + missing_us;
}
