#include "freeze.h"
#include "ingress.h"
#include "input.h"
#include "output.h"
#include "processes.h"
#include "sys.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum {
  SOON_MS = 50,   /* until it is stopped again, then looked at first, then compared first */
  LATER_MS = 1000, /* between later looks */
  WORKED_US = 20 * 1000, /* what a process took is known in steps of 10 ms */
};

/* What has been seen of a server since it was stopped. */
static struct {
  uint32_t looks;
  uint64_t due_ms, cpu_us;
  long last_pid;
} seen;

static bool by_cgroup(const struct run *run) { return run->slot && run->slot->freezes; }

/* The number that was last given to a process or thread of this sandbox: -1 if not known. */
static long last_pid(void) {
  char text[128];
  if (read_file_at(AT_FDCWD, "/proc/loadavg", text, sizeof text) <= 0) return -1;
  const char *at = strrchr(text, ' ');
  return at ? strtol(at + 1, NULL, 10) : -1;
}

static uint64_t time_taken(struct inside *inside) {
  size_t count;
  uint64_t sum = 0;
  const struct process *table = processes_read(inside, &count);
  for (size_t i = 0; i < count; i++) {
    struct process_time time = process_time(&table[i]);
    bool keeps = table[i].run && keeper_pid(table[i].run->keeper) == table[i].pid;
    if (table[i].run) sum += time.children_us + (keeps ? 0 : time.own_us);
  }
  return sum;
}

void freeze_set(struct inside *inside, struct run *run, bool frozen) {
  if (!run->busy || run->dead || inside->frozen == frozen) return;
  inside->frozen = frozen;
  seen.looks = 0;
  seen.due_ms = by_cgroup(run) ? UINT64_MAX : now_ms() + SOON_MS;
  if (by_cgroup(run)) slot_freeze(&inside->slots, frozen);
  else keeper_freeze(run->keeper, frozen);
  if (frozen) ingress_release();
  if (frozen && input_is_empty()) input_release();
  if (frozen && output_is_empty()) output_release();
}

/*
 * The first look stops it once more: one of its processes may have had another go on, for a reason
 * of its own, while they were being stopped. What stands still forks nothing and takes no time.
 */
static void look(struct inside *inside, struct run *run) {
  seen.looks++;
  if (seen.looks == 1) {
    keeper_freeze(run->keeper, true);
    return;
  }
  uint64_t cpu_us = time_taken(inside);
  long pid = last_pid();
  if (seen.looks == 2) {
    seen.cpu_us = cpu_us;
    seen.last_pid = pid;
  } else if (pid != seen.last_pid || cpu_us >= seen.cpu_us + WORKED_US) {
    run_end(run, CAUSE_ESCAPED);
  }
}

int freeze_watch(struct inside *inside) {
  struct run *run = &inside->run[0];
  uint64_t now = now_ms();
  if (seen.due_ms == UINT64_MAX || !run->busy || run->dead || run->cause != CAUSE_NONE) return -1;
  if (now >= seen.due_ms) {
    look(inside, run);
    seen.due_ms = now + (seen.looks < 3 ? SOON_MS : LATER_MS);
  }
  return (int)(seen.due_ms - now);
}
