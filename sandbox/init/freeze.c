#include "freeze.h"
#include "ingress.h"
#include "input.h"
#include "output.h"
#include "processes.h"
#include "still.h"
#include "sys.h"
#include "watch.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum {
  SOON_MS = 50,   /* until it is stopped again, and from then until it has to stand still */
  LATER_MS = 100, /* between later looks: what it holds is not bounded from one to the next */
  SURE_MS = 20,   /* until one that seems to go on is looked at again */
  WORKED_US = 20 * 1000, /* what a process took is known in steps of 10 ms */
  LONG_MS = 1000, /* that it stood still: masters forgive their workers as much */
  AHEAD_MS = 20,  /* that the others go on before the program that was started */
  AHEAD_MOST_MS = 1000, /* the same where some of them get no processor, or want it for long */
  PROGRAM = 2, /* as it sees itself: its keeper is the first */
};

/* What has been seen of a server since it was stopped. */
static struct {
  uint32_t processes;
  enum { STOPPED, STOPPED_AGAIN, COMPARED } how_far;
  bool was_moving; /* at the last look */
  bool master_waits; /* it had not gone on yet: to it this is the same stop as before */
  uint64_t since_ms, due_ms, cpu_us;
  long last_pid;
} seen;

/* The program that was started, while others go on before it. */
static struct {
  pid_t pid; /* who is to go on: -1: whoever has not, as some may have been missed; 0: nobody */
  uint64_t since_ms, due_ms;
} master;

static bool by_cgroup(const struct run *run) { return run->slot && run->slot->freezer >= 0; }

static bool is_of_program(const struct process *process, const struct run *run) {
  return process->run == run && process->pid != keeper_pid(run->keeper);
}

/* The number that was last given to a process or thread of this sandbox: -1 if not known. */
static long last_pid(void) {
  char text[128];
  if (read_file_at(AT_FDCWD, "/proc/loadavg", text, sizeof text) <= 0) return -1;
  const char *at = strrchr(text, ' ');
  return at ? strtol(at + 1, NULL, 10) : -1;
}

/* ---- going on ---- */

static void wake_master(const struct run *run) {
  if (!by_cgroup(run)) keeper_let_program_go_on(run->keeper);
  kill(master.pid, SIGCONT);
  master.pid = 0;
}

/*
 * Has all go on but the program that was started. What a cgroup freezes is sent a stop, which it
 * meets before it computes again; what was stopped is sent nothing.
 */
static void wake_others(struct inside *inside, struct run *run) {
  size_t count;
  const struct process *table = processes_read(inside, &count);
  master.pid = by_cgroup(run) ? 0 : -1;
  for (size_t i = 0; i < count; i++) {
    if (!is_of_program(&table[i], run)) continue;
    bool is_master = table[i].own_pid == PROGRAM;
    if (is_master && by_cgroup(run)) kill(master.pid = table[i].pid, SIGSTOP);
    if (!is_master && !by_cgroup(run)) kill(table[i].pid, SIGCONT);
  }
  if (by_cgroup(run)) slot_freeze(run->slot, false);
  master.since_ms = now_ms();
  master.due_ms = master.since_ms + AHEAD_MS;
}

static void go_on(struct inside *inside, struct run *run) {
  bool is_long = seen.processes > 1 && now_ms() >= seen.since_ms + LONG_MS;
  bool master_waits = seen.master_waits || is_long;
  if (!by_cgroup(run)) keeper_let_go_on(run->keeper, master_waits);
  if (master_waits) wake_others(inside, run);
  else if (by_cgroup(run)) slot_freeze(run->slot, false);
  else kill(-1, SIGCONT); /* which is ours alone, and means nothing to keepers */
}

/* Whether all others have had their turn: whoever wants to go on still may not have. */
static bool are_others_awake(struct inside *inside, const struct run *run) {
  size_t count;
  const struct process *table = processes_read(inside, &count);
  for (size_t i = 0; i < count; i++) {
    if (is_of_program(&table[i], run) && table[i].runnable > 0) return false;
  }
  return true;
}

static int watch_awake(struct inside *inside, const struct run *run) {
  if (!master.pid) return -1;
  uint64_t now = now_ms();
  if (now >= master.due_ms) {
    if (now >= master.since_ms + AHEAD_MOST_MS || are_others_awake(inside, run)) wake_master(run);
    master.due_ms = now + AHEAD_MS;
  }
  return master.pid ? (int)(master.due_ms - now) : -1;
}

/* ---- standing still ---- */

static void stand_still(struct run *run) {
  seen.master_waits = master.pid != 0;
  master.pid = 0;
  seen.processes = 0;
  seen.how_far = STOPPED;
  seen.was_moving = false;
  seen.since_ms = now_ms();
  seen.due_ms = seen.since_ms + (by_cgroup(run) ? LONG_MS : SOON_MS);
  if (by_cgroup(run)) slot_freeze(run->slot, true);
  else keeper_stop(run->keeper);
  ingress_release();
  if (input_is_empty()) input_release();
  if (output_is_empty()) output_release();
}

/* What stands still forks nothing, takes no time, and is seen stopped. */
static bool has_escaped(const struct still *now) {
  return last_pid() != seen.last_pid || now->cpu_us >= seen.cpu_us + WORKED_US ||
         (now->is_moving && seen.was_moving);
}

/*
 * The first look stops it once more: one of its processes may have had another go on, for a reason
 * of its own, while they were being stopped. Milliseconds until the next look.
 */
static int look(struct inside *inside, struct run *run) {
  const struct still now = still_look(keeper_pid(run->keeper));
  seen.processes = now.processes;
  if (by_cgroup(run)) return -1;
  if (now.resident_bytes > inside->settings.memory_bytes) watch_memory(inside);
  if (seen.how_far == STOPPED) {
    keeper_stop(run->keeper);
    seen.how_far = STOPPED_AGAIN;
    return SOON_MS;
  }
  if (!keeper_has_stopped(run->keeper)) return SOON_MS;
  if (seen.how_far == STOPPED_AGAIN) {
    seen.how_far = COMPARED;
    seen.cpu_us = now.cpu_us;
    seen.last_pid = last_pid();
  } else if (has_escaped(&now)) {
    run_end(run, CAUSE_ESCAPED);
  }
  seen.was_moving = now.is_moving;
  return now.is_moving ? SURE_MS : LATER_MS;
}

/* In a cgroup one look tells all: nothing changes there, and nothing works. */
static int watch_still(struct inside *inside, struct run *run) {
  uint64_t now = now_ms();
  if (seen.due_ms == UINT64_MAX) return -1;
  if (now >= seen.due_ms) {
    int next = look(inside, run);
    seen.due_ms = next < 0 ? UINT64_MAX : now + (uint64_t)next;
    return next;
  }
  return (int)(seen.due_ms - now);
}

void freeze_set(struct inside *inside, struct run *run, bool frozen) {
  if (!run->busy || run->dead || inside->frozen == frozen) return;
  inside->frozen = frozen;
  if (frozen) stand_still(run);
  else go_on(inside, run);
}

int freeze_watch(struct inside *inside) {
  struct run *run = &inside->run[0];
  if (!run->busy || run->dead || run->cause != CAUSE_NONE) return -1;
  return inside->frozen ? watch_still(inside, run) : watch_awake(inside, run);
}
