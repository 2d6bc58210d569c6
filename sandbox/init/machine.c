/*
 * Figures of the provider's own process for /metrics: lines of NAME=NUMBER. What cannot be found
 * out is left out.
 */
#include "machine.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

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

int machine_main(void) {
  pid_t provider = getppid();
  print_descriptors(provider);
  print_limit(provider);
  return fflush(stdout) ? 1 : 0;
}
