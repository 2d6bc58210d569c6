#include "still.h"
#include "processes.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

struct look {
  pid_t keeper;
  struct still seen;
};

/* Whether a thread in this state computes, or could at any time: no stop holds it. */
static bool is_free(char state) { return state == 'R' || state == 'S'; }

static void note_free(pid_t thread, void *with) {
  struct process_stat stat;
  bool *found = with;
  if (process_stat(thread, &stat) && is_free(stat.state)) *found = true;
}

/*
 * Whether a process goes on. One whose first thread is stopped does not: a stop holds all threads,
 * and a SIGCONT none. But a first thread may also have ended, or wait for a child that it shares
 * its memory with (vfork), which tells nothing of the others. Who has a stop before it has had no
 * processor since, or a first thread that waits so: what it takes meanwhile is counted.
 */
static bool is_moving(pid_t pid, const struct process_stat *stat) {
  bool found = is_free(stat->state);
  if (stat->state == 'T') return false;
  if (!found) process_threads(pid, stat->threads, note_free, &found);
  return found && !process_has_pending(pid, SIGSTOP);
}

static void add(pid_t pid, void *with) {
  struct look *look = with;
  struct process_stat stat;
  if (pid == getpid() || !process_stat(pid, &stat)) return;
  look->seen.cpu_us += stat.children_us;
  if (pid == look->keeper) return;
  look->seen.cpu_us += stat.own_us;
  look->seen.resident_bytes += stat.resident_bytes;
  look->seen.processes++;
  look->seen.is_moving = look->seen.is_moving || is_moving(pid, &stat);
}

struct still still_look(pid_t keeper) {
  struct look look = {.keeper = keeper};
  processes_each(add, &look);
  return look.seen;
}
