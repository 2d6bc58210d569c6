#include "watch.h"
#include "sys.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PERIOD_MS = 20, PROCESSES_MAX = 1024 };

static struct process {
  pid_t pid, parent;
  uint64_t bytes;
} table[PROCESSES_MAX];

static uint64_t kib_after(const char *text, const char *key) {
  const char *at = strstr(text, key);
  return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

static bool read_process(int proc, const char *name, struct process *process) {
  char path[300], text[2048];
  snprintf(path, sizeof path, "%s/status", name);
  if (read_file_at(proc, path, text, sizeof text) < 0) return false;
  *process = (struct process){
      .pid = (pid_t)atoi(name),
      .parent = (pid_t)kib_after(text, "\nPPid:"),
      .bytes = (kib_after(text, "\nRssAnon:") + kib_after(text, "\nRssShmem:")) * 1024u,
  };
  return true;
}

/*
 * Replaces `bytes` by the exact count, in which shared memory is divided among its holders. A
 * process that we may not look into keeps the coarse one.
 */
static void read_share(int proc, struct process *process) {
  char path[64], text[2048];
  snprintf(path, sizeof path, "%d/smaps_rollup", process->pid);
  if (read_file_at(proc, path, text, sizeof text) <= 0) return;
  process->bytes = (kib_after(text, "\nPss_Anon:") + kib_after(text, "\nPss_Shmem:")) * 1024u;
}

static size_t read_all(void) {
  size_t count = 0;
  DIR *dir = opendir("/proc");
  if (!dir) return 0;
  for (struct dirent *entry; count < PROCESSES_MAX && (entry = readdir(dir));) {
    if (entry->d_name[0] < '1' || entry->d_name[0] > '9') continue;
    if (read_process(dirfd(dir), entry->d_name, &table[count])) count++;
  }
  closedir(dir);
  return count;
}

/* The run that a process belongs to: it descends from the run's keeper. NULL: to none. */
static struct run *run_of(struct inside *inside, size_t count, pid_t pid) {
  for (int depth = 0; depth < PROCESSES_MAX && pid > 1; depth++) {
    for (uint32_t i = 0; i < inside->runs; i++) {
      struct run *run = &inside->run[i];
      if (run->busy && !run->dead && keeper_pid(run->keeper) == pid) return run;
    }
    pid_t parent = 0;
    for (size_t i = 0; i < count; i++) {
      if (table[i].pid == pid) parent = table[i].parent;
    }
    pid = parent;
  }
  return NULL;
}

/*
 * What `run` holds when shared memory counts once. The kernel walks page tables for it, so this is
 * done only when the coarse sum is beyond the limit.
 */
static uint64_t held_exactly(struct inside *inside, struct run *run, size_t count) {
  uint64_t held = 0;
  int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  for (size_t i = 0; i < count; i++) {
    if (run_of(inside, count, table[i].pid) != run) continue;
    read_share(proc, &table[i]);
    held += table[i].bytes;
  }
  close(proc);
  return held;
}

static void check_runs(struct inside *inside) {
  uint64_t held[RUNS_MAX] = {0}, limit = inside->settings.memory_bytes;
  size_t count = read_all();
  for (size_t i = 0; i < count; i++) {
    struct run *run = run_of(inside, count, table[i].pid);
    if (run) held[run->index] += table[i].bytes;
  }
  for (uint32_t i = 0; i < RUNS_MAX; i++) {
    struct run *run = &inside->run[i];
    if (held[i] > limit) held[i] = held_exactly(inside, run, count);
    if (held[i] > run->watched_bytes) run->watched_bytes = held[i];
    if (held[i] > limit) run_end(run, CAUSE_MEMORY);
  }
}

int watch_memory(struct inside *inside, bool any_run) {
  static uint64_t due_ms; /* 0: nothing runs */
  if (inside->slots.controllers & CONTROLLER_MEMORY) return -1;
  uint64_t now = now_ms();
  if (!any_run) due_ms = 0;
  if (!any_run) return -1;
  /* The first look comes one period after the first run began: for shorter ones there is none. */
  if (due_ms == 0) due_ms = now + PERIOD_MS;
  if (now < due_ms) return (int)(due_ms - now);
  due_ms = now + PERIOD_MS;
  check_runs(inside);
  return PERIOD_MS;
}
