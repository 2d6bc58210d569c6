/* What can be read, written and filled. */
#include "abuse.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* The argument is a path outside; tries it as it is and by detours that have worked elsewhere. */
static void read_path(const char *path) {
  static const char *const DETOURS[] = {"%s",
                                        "/proc/1/root%s",
                                        "/proc/self/root%s",
                                        "/proc/2/root/..%s",
                                        "../../../../..%s",
                                        "/proc/1/cwd/..%s"};
  char name[16], full[4096];
  for (size_t i = 0; i < sizeof DETOURS / sizeof DETOURS[0]; i++) {
    snprintf(name, sizeof name, "way-%zu", i);
    snprintf(full, sizeof full, DETOURS[i], path);
    tell(name, open(full, O_RDONLY));
  }
}

static void list(const char *path) {
  DIR *dir = opendir(path);
  if (!dir) {
    tell(path, -1);
    return;
  }
  printf("%s", path);
  for (struct dirent *entry; (entry = readdir(dir));) {
    if (entry->d_name[0] != '.') printf(" %s", entry->d_name);
  }
  printf("\n");
  closedir(dir);
}

static void list_host(const char *unused) {
  (void)unused;
  const char *dirs[] = {"/", "/etc", "/home", "/root", "/var", "/sys", "/run", "/boot", "/mnt"};
  for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++) list(dirs[i]);
}

static void inherited(const char *unused) {
  (void)unused;
  int extra = 0;
  for (int fd = 3; fd < 4096; fd++) {
    if (fcntl(fd, F_GETFD) >= 0) extra++;
  }
  say("extra-fds", extra);
  for (char **entry = environ; *entry; entry++) {
    printf("env %.*s\n", (int)strcspn(*entry, "="), *entry);
  }
  tell("environ-of-1", open("/proc/1/environ", O_RDONLY));
  tell("mem-of-1", open("/proc/1/mem", O_RDONLY));
  tell("fds-of-1", opendir("/proc/1/fd") ? 0 : -1);
  tell("exe-of-1", readlink("/proc/1/exe", (char[256]){0}, 255));
}

static void write_everywhere(const char *unused) {
  (void)unused;
  const char *paths[] = {"/new",      "/app/new",  "/app/main", "/dev/new", "/usr/new", "/proc/new",
                         "/etc/new",  "/bin/new"};
  for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
    tell(paths[i], open(paths[i], O_WRONLY | O_CREAT, 0644));
  }
}

static void write_kernel(const char *unused) {
  (void)unused;
  const char *paths[] = {"/proc/sys/kernel/core_pattern", "/proc/sys/vm/overcommit_memory",
                         "/proc/sys/kernel/panic",        "/proc/sysrq-trigger",
                         "/proc/self/oom_score_adj",      "/proc/self/uid_map",
                         "/proc/self/coredump_filter",    "/proc/self/setgroups"};
  for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
    tell(paths[i], open(paths[i], O_WRONLY));
  }
}

/* What tells this machine from others: nothing can be read where it is hidden. */
static void machine(const char *unused) {
  (void)unused;
  char text[256];
  int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY);
  say("boot-id", fd < 0 ? -1 : (long)read(fd, text, sizeof text));
  tell("machine-id", open("/etc/machine-id", O_RDONLY));
}

/* Writes until it is refused; says how much went in and why no more did. */
static void fill(const char *dir) {
  static char block[1 << 16];
  memset(block, 7, sizeof block);
  signal(SIGXFSZ, SIG_IGN);
  long written = 0;
  for (int i = 0; i < 64; i++) {
    char path[256];
    snprintf(path, sizeof path, "%s/fill-%d", dir, i);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    if (fd < 0) break;
    ssize_t got;
    while ((got = write(fd, block, sizeof block)) > 0) written += got;
    if (errno == ENOSPC) break;
  }
  tell("why", -1);
  say("mib", written >> 20);
}

static void inodes(const char *unused) {
  (void)unused;
  long count = 0;
  char path[64];
  for (;; count++) {
    snprintf(path, sizeof path, "/tmp/i%ld", count);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    if (fd < 0) break;
    close(fd);
  }
  tell("why", -1);
  say("files", count);
}

static void deep(const char *unused) {
  (void)unused;
  char name[256];
  memset(name, 'd', 255);
  name[255] = 0;
  long levels = 0;
  if (chdir("/tmp")) return;
  tell("before", access(name, F_OK));
  while (levels < 3000 && mkdir(name, 0700) == 0 && chdir(name) == 0) levels++;
  say("levels", levels);
}

static void freshness(const char *mark) {
  tell("tmp-before", open("/tmp/left", O_RDONLY));
  tell("shm-before", open("/dev/shm/left", O_RDONLY));
  tell("tmp-write", open("/tmp/left", O_WRONLY | O_CREAT, 0600));
  tell("shm-write", open("/dev/shm/left", O_WRONLY | O_CREAT, 0600));
  say_text("mark", mark);
}

static void identity(const char *unused) {
  (void)unused;
  char line[512];
  FILE *status = fopen("/proc/self/status", "r");
  while (status && fgets(line, sizeof line, status)) {
    char *colon = strchr(line, ':');
    if (!colon || (strncmp(line, "Cap", 3) && strncmp(line, "NoNew", 5) &&
                   strncmp(line, "Seccomp:", 8) && strncmp(line, "Uid", 3))) {
      continue;
    }
    *colon = 0;
    char *value = colon + 1 + strspn(colon + 1, "\t ");
    value[strcspn(value, "\t\n")] = 0;
    say_text(line, value);
  }
  struct utsname name;
  uname(&name);
  say_text("nodename", name.nodename);
  struct statvfs system;
  statvfs("/usr", &system);
  say("usr-nosuid", (system.f_flag & ST_NOSUID) != 0);
  say("usr-readonly", (system.f_flag & ST_RDONLY) != 0);
  FILE *mounts = fopen("/proc/self/mountinfo", "r");
  while (mounts && fgets(line, sizeof line, mounts)) {
    line[strcspn(line, "\n")] = 0;
    say_text("mount", line);
  }
}

/* A program of the host's that is root for whoever starts it; any option makes it end at once. */
static void setuid_program(const char *unused) {
  (void)unused;
  const char *paths[] = {"/usr/bin/su", "/usr/bin/mount", "/usr/bin/passwd"};
  struct stat info;
  const char *found = NULL;
  for (size_t i = 0; !found && i < sizeof paths / sizeof paths[0]; i++) {
    if (stat(paths[i], &info) == 0 && (info.st_mode & S_ISUID)) found = paths[i];
  }
  say_text("program", found ? found : "none");
  if (!found) return;
  flush();
  pid_t pid = fork();
  if (pid == 0) {
    dup2(open("/dev/null", O_RDWR), 1);
    dup2(1, 2);
    execl(found, found, "--help", (char *)0);
    _exit(1);
  }
  siginfo_t end;
  waitid(P_PID, (id_t)pid, &end, WEXITED | WNOWAIT);
  char path[64], line[256];
  snprintf(path, sizeof path, "/proc/%d/status", pid);
  FILE *status = fopen(path, "r");
  while (status && fgets(line, sizeof line, status)) {
    long real, effective;
    if (sscanf(line, "Uid: %ld %ld", &real, &effective) == 2) say("euid", effective);
  }
}

const struct attack FILE_ATTACKS[] = {
    {"read-path", read_path},     {"list-host", list_host},
    {"inherited", inherited},     {"write-everywhere", write_everywhere},
    {"write-kernel", write_kernel}, {"machine", machine},
    {"fill", fill},
    {"inodes", inodes},           {"deep", deep},
    {"freshness", freshness},     {"identity", identity},
    {"setuid-program", setuid_program},
    {0},
};
