/*
 * cgroup v2: one subtree per sandbox under a base that is ours,
 *   <base>/sb-<provider pid>-<its start time>-<supervisor pid>/{init,relay,run-0,run-1,...}
 * The base is our own delegated cgroup (systemd Delegate=yes), whose processes move down into
 * `khachapuri-daemon`, or for root without one /sys/fs/cgroup/khachapuri.
 */
#include "cgroup.h"
#include "protocol.h"
#include "sys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define MOUNT "/sys/fs/cgroup"
#define DAEMON "/khachapuri-daemon"
#define OWN_TREE MOUNT "/khachapuri"
#define CGROUP2_MAGIC 0x63677270

static const struct {
  const char *name;
  uint32_t bit;
} KINDS[] = {{"memory", CONTROLLER_MEMORY}, {"pids", CONTROLLER_PIDS}, {"cpu", CONTROLLER_CPU}};

enum { KIND_COUNT = sizeof KINDS / sizeof KINDS[0] };

static bool read_at(const char *dir, const char *name, char *text, size_t size) {
  char path[768];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  return read_file_at(AT_FDCWD, path, text, size) >= 0;
}

static bool write_at(const char *dir, const char *name, const char *text) {
  char path[768];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  return write_file_at(AT_FDCWD, path, text);
}

/* Gives the children of `dir` the controllers that it has itself; returns which of ours it has. */
static uint32_t enable_controllers(const char *dir) {
  char text[256];
  uint32_t enabled = 0;
  for (int i = 0; i < KIND_COUNT; i++) {
    snprintf(text, sizeof text, "+%s", KINDS[i].name);
    write_at(dir, "cgroup.subtree_control", text);
  }
  if (!read_at(dir, "cgroup.subtree_control", text, sizeof text)) return 0;
  for (char *word = strtok(text, " \n"); word; word = strtok(NULL, " \n")) {
    for (int i = 0; i < KIND_COUNT; i++) {
      if (!strcmp(word, KINDS[i].name)) enabled |= KINDS[i].bit;
    }
  }
  return enabled;
}

/* Our own cgroup as a directory; false without cgroup v2 where systemd mounts it. */
static bool own_cgroup(char *path, size_t size) {
  char text[1024];
  struct statfs info;
  if (statfs(MOUNT, &info) || info.f_type != CGROUP2_MAGIC) return false;
  if (read_file_at(AT_FDCWD, "/proc/self/cgroup", text, sizeof text) < 0) return false;
  char *line = strstr(text, "0::/");
  if (!line) return false;
  line[strcspn(line, "\n")] = 0;
  const char *below = line + 3;
  return (size_t)snprintf(path, size, MOUNT "%s", below[1] ? below : "") < size;
}

/* From the cgroup into which `cgroup_prepare` moved us to the base above it; false elsewhere. */
static bool strip_daemon(char *path) {
  size_t length = strlen(path), tail = strlen(DAEMON);
  if (length < tail || strcmp(path + length - tail, DAEMON)) return false;
  path[length - tail] = 0;
  return true;
}

/* False when we may not write to the base, or it has none of our controllers. */
static bool use_base(struct cgroup_base *base) {
  base->controllers = access(base->path, W_OK) ? 0 : enable_controllers(base->path);
  if (base->controllers) return true;
  base->path[0] = 0;
  return false;
}

void cgroup_find(struct cgroup_base *base) {
  *base = (struct cgroup_base){.missing = "cgroup v2 is not mounted on " MOUNT};
  if (!own_cgroup(base->path, sizeof base->path)) {
    base->path[0] = 0;
    return;
  }
  base->missing = "no cgroup is delegated to us";
  if (strip_daemon(base->path) && use_base(base)) return;
  snprintf(base->path, sizeof base->path, OWN_TREE);
  use_base(base);
}

/*
 * Moves the processes in `from` to `to`. Root may move anybody's, so as root it moves none unless
 * the provider and ourselves are the only ones there.
 */
static bool move_processes(const char *from, const char *to, pid_t provider) {
  char path[768], line[32];
  snprintf(path, sizeof path, "%s/cgroup.procs", from);
  FILE *list = fopen(path, "re");
  if (!list) return false;
  pid_t pids[256];
  size_t count = 0;
  bool ours = true;
  while (count < 256 && fgets(line, sizeof line, list)) pids[count++] = (pid_t)atoi(line);
  fclose(list);
  for (size_t i = 0; i < count; i++) {
    ours = ours && (geteuid() != 0 || pids[i] == provider || pids[i] == getpid());
  }
  if (!ours || mkdir(to, 0755)) return ours && errno == EEXIST;
  for (size_t i = 0; i < count; i++) {
    snprintf(line, sizeof line, "%d", pids[i]);
    if (!write_at(to, "cgroup.procs", line) && errno != ESRCH) return rmdir(to) && false;
  }
  return true;
}

void cgroup_prepare(struct cgroup_base *base, pid_t provider) {
  char own[512], daemon[544];
  cgroup_find(base);
  if (base->path[0] || !own_cgroup(own, sizeof own)) return;
  snprintf(daemon, sizeof daemon, "%s" DAEMON, own);
  if (strcmp(own, MOUNT) && move_processes(own, daemon, provider)) {
    snprintf(base->path, sizeof base->path, "%s", own);
    if (use_base(base)) return;
  }
  if (geteuid() != 0) return;
  enable_controllers(MOUNT);
  mkdir(OWN_TREE, 0755);
  cgroup_find(base);
}

/*
 * Field 22 of /proc/PID/stat; 0 when there is no such process. A pid is used again, a pid together
 * with a start time is not.
 */
static unsigned long long start_time(pid_t pid) {
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  if (read_file_at(AT_FDCWD, path, text, sizeof text) < 0) return 0;
  char *at = strrchr(text, ')');
  for (int field = 2; at && field < 22; field++) at = strchr(at + 1, ' ');
  return at ? strtoull(at, NULL, 10) : 0;
}

int cgroup_sweep(const struct cgroup_base *base) {
  DIR *dir = base->path[0] ? opendir(base->path) : NULL;
  int swept = 0;
  if (!dir) return 0;
  for (struct dirent *entry; (entry = readdir(dir));) {
    int pid;
    unsigned long long started;
    if (sscanf(entry->d_name, "sb-%d-%llu-", &pid, &started) != 2) continue;
    if (start_time(pid) == started) continue;
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", base->path, entry->d_name);
    cgroup_remove(path);
    swept++;
  }
  closedir(dir);
  return swept;
}

/*
 * Open to the uids of programs, whose init reads there what a run used, under whatever umask the
 * provider was started.
 */
static bool make_group(const char *path) {
  return mkdir(path, 0755) == 0 && chmod(path, 0755) == 0;
}

bool cgroup_create(const struct cgroup_base *base, char *path, size_t size, pid_t provider) {
  if (!base->path[0]) return false;
  snprintf(path, size, "%s/sb-%d-%llu-%d", base->path, provider, start_time(provider), getpid());
  return make_group(path) && enable_controllers(path) != 0;
}

int cgroup_open_child(const char *sandbox, const char *name, bool foreign_uid) {
  char path[768], procs[800];
  snprintf(path, sizeof path, "%s/%s", sandbox, name);
  if (!make_group(path) && errno != EEXIST) return -1;
  if (foreign_uid) {
    snprintf(procs, sizeof procs, "%s/cgroup.procs", path);
    if (chmod(procs, 0666)) return -1;
    snprintf(procs, sizeof procs, "%s/cgroup.procs", sandbox);
    if (chmod(procs, 0666)) return -1;
  }
  return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int cgroup_limited_child(const char *sandbox, const char *name, const struct cgroup_limits *limits,
                         bool foreign_uid) {
  char text[64];
  int dir = cgroup_open_child(sandbox, name, foreign_uid);
  if (dir < 0) return -1;
  snprintf(text, sizeof text, "%llu", (unsigned long long)limits->memory_bytes);
  write_file_at(dir, "memory.max", text);
  write_file_at(dir, "memory.swap.max", "0");
  write_file_at(dir, "memory.oom.group", "1");
  snprintf(text, sizeof text, "%u", limits->pids);
  write_file_at(dir, "pids.max", text);
  snprintf(text, sizeof text, "%u 100000", limits->cpu_percent * 1000u);
  write_file_at(dir, "cpu.max", text);
  return dir;
}

void cgroup_remove(const char *sandbox) {
  char path[768];
  if (!sandbox[0]) return;
  write_at(sandbox, "cgroup.kill", "1");
  for (int attempt = 0; attempt < 100; attempt++) {
    DIR *dir = opendir(sandbox);
    if (!dir) return;
    for (struct dirent *entry; (entry = readdir(dir));) {
      if (entry->d_type != DT_DIR || entry->d_name[0] == '.') continue;
      snprintf(path, sizeof path, "%s/%s", sandbox, entry->d_name);
      rmdir(path);
    }
    closedir(dir);
    if (rmdir(sandbox) == 0 || errno == ENOENT) return;
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
  }
}
