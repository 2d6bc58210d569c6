#include "usage.h"
#include "output.h"
#include "processes.h"
#include "unwaited.h"

#include <string.h>

/* By a look at its processes, of which its keeper is none. */
static struct held look(struct inside *inside, const struct run *run) {
  size_t count;
  struct held held = {0};
  const struct process *table = processes_read(inside, &count);
  for (size_t i = 0; i < count; i++) {
    if (table[i].run != run || table[i].pid == keeper_pid(run->keeper)) continue;
    held.bytes += process_share(&table[i]);
    held.processes++;
  }
  unwaited_look(inside, table, count);
  held.cpu_us = run->seen_us + run->unwaited_us;
  return held;
}

void usage_tell(struct inside *inside, const struct run *run) {
  struct held held = {0};
  if (run->busy && !run->dead) held = run->slot ? slot_look(run->slot) : look(inside, run);
  struct usage_payload usage = {held.cpu_us, held.bytes, held.processes, 0};
  memcpy(output_begin(), &usage, sizeof usage);
  output_commit(FRAME_USAGE, run->index, sizeof usage);
}
