#include "share.h"
#include "sys.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The one that the kernel has when it starts (PROC_CGROUP_INIT_INO). */
#define FIRST_CGROUP_NAMESPACE "cgroup:[4026531835]"

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
    if (run && run->level > 0) process_threads(table[i].pid, table[i].threads, lower, &run->level);
  }
}

/* Whether a list of names with commas between them has this one. */
static bool lists(const char *list, size_t length, const char *name) {
  for (const char *at = list, *end = list + length; at < end;) {
    const char *comma = memchr(at, ',', (size_t)(end - at));
    size_t size = (size_t)((comma ? comma : end) - at);
    if (size == strlen(name) && !memcmp(at, name, size)) return true;
    at += size + 1;
  }
  return false;
}

/*
 * Whether we are in the root of the hierarchy that shares out the processors: that of version 1
 * which has this controller, else version 2's. Lines are "NUMBER:CONTROLLER,...:PATH", that of
 * version 2 "0::PATH". From within a cgroup namespace, as containers have, the path tells nothing.
 */
static bool is_in_root_cgroup(void) {
  char text[4096], namespace[64] = "";
  bool is_root = false;
  if (readlink("/proc/self/ns/cgroup", namespace, sizeof namespace - 1) < 0) return false;
  if (strcmp(namespace, FIRST_CGROUP_NAMESPACE)) return false;
  if (read_file_at(AT_FDCWD, "/proc/self/cgroup", text, sizeof text) <= 0) return false;
  for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
    const char *list = strchr(line, ':'), *path = list ? strchr(list + 1, ':') : NULL;
    if (!path) continue;
    bool is_here = !strcmp(path, ":/");
    size_t length = (size_t)(path - ++list);
    if (lists(list, length, "cpu")) return is_here;
    if (length == 0) is_root = is_here;
  }
  return is_root;
}

bool sessions_share(void) {
  char text[8];
  const char *path = "/proc/sys/kernel/sched_autogroup_enabled";
  bool has_autogroups = read_file_at(AT_FDCWD, path, text, sizeof text) > 0 && text[0] == '1';
  return has_autogroups && is_in_root_cgroup();
}
