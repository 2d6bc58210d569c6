/*
 * Figures of the provider's own process for /metrics: lines of NAME=NUMBER. What cannot be found
 * out is left out.
 */
#include "machine.h"
#include "sys.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define CGROUPS "/sys/fs/cgroup"

static void print_descriptors(pid_t pid) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
  DIR *folder = opendir(path);
  if (!folder) return;
  unsigned long count = 0;
  for (struct dirent *entry; (entry = readdir(folder));) count += entry->d_name[0] != '.';
  closedir(folder);
  printf("openDescriptors=%lu\n", count);
}

static void print_limit(pid_t pid) {
  struct rlimit limit;
  if (prlimit(pid, RLIMIT_NOFILE, NULL, &limit)) return;
  if (limit.rlim_cur != RLIM_INFINITY)
    printf("descriptorsMax=%llu\n", (unsigned long long)limit.rlim_cur);
}

/* The least that `dir` or one above it sets; nothing where none sets a number. */
static void print_least(const char *dir, const char *file, const char *name) {
  unsigned long long least = ULLONG_MAX;
  for (size_t length = strlen(dir); length >= strlen(CGROUPS); length--) {
    char path[1200], text[32];
    if (dir[length] && dir[length] != '/') continue;
    snprintf(path, sizeof path, "%.*s/%s", (int)length, dir, file);
    if (read_file_at(AT_FDCWD, path, text, sizeof text) <= 0 || text[0] == 'm') continue;
    unsigned long long set = strtoull(text, NULL, 10);
    if (set < least) least = set;
  }
  if (least < ULLONG_MAX) printf("%s=%llu\n", name, least);
}

/* By cgroup v2, if it is mounted where systemd has it. */
static void print_cgroup(pid_t pid) {
  char path[64], text[1024], dir[sizeof CGROUPS + sizeof text];
  snprintf(path, sizeof path, "/proc/%d/cgroup", (int)pid);
  if (read_file_at(AT_FDCWD, path, text, sizeof text) < 0) return;
  char *line = strstr(text, "0::/");
  if (!line) return;
  line[strcspn(line, "\n")] = 0;
  snprintf(dir, sizeof dir, CGROUPS "%s", line[4] ? line + 3 : "");
  print_least(dir, "pids.max", "processesMax");
  print_least(dir, "memory.max", "memoryMaxBytes");
}

int machine_main(void) {
  pid_t provider = getppid();
  print_descriptors(provider);
  print_limit(provider);
  print_cgroup(provider);
  return fflush(stdout) ? 1 : 0;
}
