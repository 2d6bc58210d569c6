#include "processes.h"
#include "sys.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PROCESSES_MAX = 1024 };

static struct process table[PROCESSES_MAX];

static uint64_t number_after(const char *text, const char *key) {
  const char *at = strstr(text, key);
  return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

static bool is_number(const char *name) { return name[0] >= '1' && name[0] <= '9'; }

/* The last of the numbers behind `key`. */
static uint64_t last_number_after(const char *text, const char *key) {
  const char *at = strstr(text, key);
  uint64_t last = 0;
  if (!at) return 0;
  for (at += strlen(key); *at && *at != '\n';) {
    char *end;
    last = strtoull(at, &end, 10);
    if (end == at) break;
    at = end;
  }
  return last;
}

static void each_in(const char *path, void (*act)(pid_t id, void *with), void *with) {
  DIR *dir = opendir(path);
  if (!dir) return;
  for (struct dirent *entry; (entry = readdir(dir));) {
    if (is_number(entry->d_name)) act((pid_t)atoi(entry->d_name), with);
  }
  closedir(dir);
}

void process_threads(pid_t pid, uint32_t threads, void (*act)(pid_t thread, void *with),
                     void *with) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/task", pid);
  if (threads <= 1) act(pid, with);
  else each_in(path, act, with);
}

void processes_each(void (*act)(pid_t pid, void *with), void *with) { each_in("/proc", act, with); }

/*
 * Fields of proc(5) from the end of its name on, which it chooses: that is the last parenthesis.
 * NULL once it is gone. Threads have a folder like processes, though no list names it.
 */
static const char *read_stat(pid_t pid, char *text, size_t size) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  return read_file_at(AT_FDCWD, path, text, size) > 0 ? strrchr(text, ')') : NULL;
}

static void count_runnable(pid_t thread, void *with) {
  char text[512];
  const char *name_end = read_stat(thread, text, sizeof text);
  if (name_end && !strncmp(name_end, ") R", 3)) ++*(uint32_t *)with;
}

static uint64_t tick_us(void) { return 1000000u / (uint64_t)sysconf(_SC_CLK_TCK); }

static uint64_t up_to_ticks(struct timeval time) {
  uint64_t us = (uint64_t)time.tv_sec * 1000000u + (uint64_t)time.tv_usec;
  return (us + tick_us() - 1) / tick_us() * tick_us();
}

uint64_t process_children_us(const struct rusage *usage) {
  return up_to_ticks(usage->ru_utime) + up_to_ticks(usage->ru_stime);
}

bool process_stat(pid_t pid, struct process_stat *stat) {
  char text[512];
  unsigned long long own[2], children[2], threads, pages;
  const char *name_end = read_stat(pid, text, sizeof text);
  *stat = (struct process_stat){0};
  /* Fields 3, 14 to 17, 20 and 24. */
  if (!name_end || sscanf(name_end,
                          ") %c%*d%*d%*d%*d%*d%*u%*u%*u%*u%*u%llu%llu%llu%llu%*d%*d%llu%*d%*u%*u%llu",
                          &stat->state, &own[0], &own[1], &children[0], &children[1], &threads,
                          &pages) != 7) {
    return false;
  }
  stat->own_us = (own[0] + own[1]) * tick_us();
  stat->children_us = (children[0] + children[1]) * tick_us();
  stat->threads = (uint32_t)threads;
  stat->resident_bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE);
  return true;
}

bool process_has_pending(pid_t pid, int signal) {
  char path[64], text[2048];
  snprintf(path, sizeof path, "/proc/%d/status", pid);
  if (read_file_at(AT_FDCWD, path, text, sizeof text) <= 0) return false;
  const char *key = "\nShdPnd:", *at = strstr(text, key);
  return at && strtoull(at + strlen(key), NULL, 16) >> (signal - 1) & 1;
}

static bool read_process(int proc, const char *name, struct process *process) {
  char path[300], text[2048];
  snprintf(path, sizeof path, "%s/status", name);
  if (read_file_at(proc, path, text, sizeof text) < 0) return false;
  *process = (struct process){
      .pid = (pid_t)atoi(name),
      .parent = (pid_t)number_after(text, "\nPPid:"),
      .own_pid = (pid_t)last_number_after(text, "\nNSpid:"),
      .threads = (uint32_t)number_after(text, "\nThreads:"),
      .bytes = (number_after(text, "\nRssAnon:") + number_after(text, "\nRssShmem:")) * 1024u,
  };
  if (process->threads > 1) {
    process_threads(process->pid, process->threads, count_runnable, &process->runnable);
  } else {
    process->runnable = strstr(text, "\nState:\tR") != NULL;
  }
  return true;
}

uint64_t process_share(const struct process *process) {
  char path[64], text[2048];
  snprintf(path, sizeof path, "/proc/%d/smaps_rollup", process->pid);
  if (read_file_at(AT_FDCWD, path, text, sizeof text) <= 0) return process->bytes;
  return (number_after(text, "\nPss_Anon:") + number_after(text, "\nPss_Shmem:")) * 1024u;
}

/* It descends from its run's keeper. */
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

struct process *processes_read(struct inside *inside, size_t *count) {
  DIR *dir = opendir("/proc");
  *count = 0;
  if (!dir) return table;
  for (struct dirent *entry; *count < PROCESSES_MAX && (entry = readdir(dir));) {
    if (!is_number(entry->d_name)) continue;
    if (read_process(dirfd(dir), entry->d_name, &table[*count])) ++*count;
  }
  closedir(dir);
  for (size_t i = 0; i < *count; i++) table[i].run = run_of(inside, *count, table[i].pid);
  return table;
}
