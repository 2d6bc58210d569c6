#include "share.h"
#include "sys.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel's weight of a thread by its nice value, as far as they are used here. */
static const uint32_t WEIGHTS[] = {1024, 820, 655, 526, 423, 335, 272, 215, 172, 137, 110};

/* Beyond them: SCHED_IDLE, which whatever wakes interrupts at once. */
enum { IDLE = sizeof WEIGHTS / sizeof WEIGHTS[0] };

/* The highest priority at which so many threads weigh about as much as one. */
static int level_of(uint32_t threads) {
  int level = 0;
  while (level < IDLE && WEIGHTS[level] * threads > WEIGHTS[0] + WEIGHTS[0] / 8) level++;
  return level;
}

static void lower(pid_t thread, void *with) {
  static const struct sched_param none = {0};
  int level = *(const int *)with;
  if (level == IDLE) syscall(SYS_sched_setscheduler, thread, SCHED_IDLE, &none);
  else setpriority(PRIO_PROCESS, (id_t)thread, level);
}

static uint32_t smaller(uint32_t a, uint32_t b) { return a < b ? a : b; }

void share_processors(struct inside *inside, const struct process *table, size_t count) {
  uint32_t runnable[RUNS_MAX] = {0}, steady = 0;
  for (size_t i = 0; i < count; i++) {
    if (table[i].run) runnable[table[i].run->index] += table[i].runnable;
  }
  /* A burst of threads that is over at the second look costs nothing. */
  for (uint32_t i = 0; i < inside->runs; i++) {
    struct run *run = &inside->run[i];
    run->steady = smaller(runnable[i], run->runnable);
    run->runnable = runnable[i];
    steady += run->steady;
  }
  for (uint32_t i = 0; i < inside->runs; i++) {
    struct run *run = &inside->run[i];
    int level = run->steady > 0 ? level_of(steady) : 0;
    if (level > run->level) run->level = level;
  }
  for (size_t i = 0; i < count; i++) {
    struct run *run = table[i].run;
    if (run && run->level > 0) process_threads(&table[i], lower, &run->level);
  }
}

bool sessions_share(void) {
  char text[8];
  const char *path = "/proc/sys/kernel/sched_autogroup_enabled";
  return read_file_at(AT_FDCWD, path, text, sizeof text) > 0 && text[0] == '1';
}
