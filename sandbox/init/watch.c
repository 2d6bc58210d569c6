/*
 * Memory without a cgroup: adds up, every few milliseconds, what the processes of each run hold,
 * and ends a run that holds too much. It is late by what a program can allocate in between and does
 * not see memory that nobody has mapped; a cgroup does better and is used where there is one.
 */
#include "init.h"
#include "inside.h"

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

/* Its share of what it holds together with others; false when it may not be looked into. */
static bool read_share(int proc, struct process *process) {
  char path[64], text[2048];
  snprintf(path, sizeof path, "%d/smaps_rollup", process->pid);
  if (read_file_at(proc, path, text, sizeof text) <= 0) return false;
  process->bytes = (kib_after(text, "\nPss_Anon:") + kib_after(text, "\nPss_Shmem:")) * 1024u;
  return true;
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

/* The run that a process came of: all but its first are descendants of that one. */
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

/* What `run` holds when shared memory counts once. Walking page tables: only done on suspicion. */
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

static void look(struct inside *inside) {
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

/* Milliseconds until it wants to look again; -1 when nothing has to be watched. */
int watch_memory(struct inside *inside, bool any_run) {
  static uint64_t due_ms; /* 0: nothing runs */
  if (inside->slots.controllers & CONTROL_MEMORY) return -1;
  uint64_t now = now_ms();
  if (!any_run) due_ms = 0;
  if (!any_run) return -1;
  /* A run that ends within one period is never looked at. */
  if (due_ms == 0) due_ms = now + PERIOD_MS;
  if (now < due_ms) return (int)(due_ms - now);
  due_ms = now + PERIOD_MS;
  look(inside);
  return PERIOD_MS;
}
