/* To find whoever passes it requests, and other servers' sockets. */
#include "server.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

enum { SAID_BYTES = 64 * 1024 };

static long connect_unix(const char *name, bool is_abstract) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path + is_abstract, sizeof address.sun_path - 1, "%s", name);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  socklen_t size = (socklen_t)(sizeof(sa_family_t) + strlen(name) + 1);
  long result = connect(fd, (struct sockaddr *)&address, size);
  int why = errno;
  close(fd);
  errno = why;
  return result;
}

/* What the kernel's list of unix sockets names: how many, and what of them can be connected to. */
static void list_unix(char *said) {
  FILE *list = fopen("/proc/net/unix", "r");
  char line[512], name[256];
  long named = 0, reached = 0;
  while (list && fgets(line, sizeof line, list)) {
    if (sscanf(line, "%*s %*s %*s %*s %*s %*s %*s %255s", name) != 1) continue;
    if (!strcmp(name, "Path")) continue;
    named++;
    reached += connect_unix(name[0] == '@' ? name + 1 : name, name[0] == '@') >= 0;
  }
  if (list) fclose(list);
  size_t at = strlen(said);
  snprintf(said + at, SAID_BYTES - at, "unix-named %ld\nunix-reached %ld\n", named, reached);
}

/* Descriptors of processes that are not its own, by path and by the kernel's own call. */
static void take_descriptors(char *said) {
  long processes = 0, taken = 0;
  DIR *all = opendir("/proc");
  for (struct dirent *one; all && (one = readdir(all));) {
    int pid = atoi(one->d_name);
    if (pid <= 0 || pid == getpid()) continue;
    processes++;
    char path[300];
    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    DIR *fds = opendir(path);
    for (struct dirent *fd; fds && (fd = readdir(fds));) taken += fd->d_name[0] != '.';
    if (fds) closedir(fds);
    for (int fd = 0; fd < 64; fd++) {
      snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, fd);
      int opened = open(path, O_RDWR | O_CLOEXEC);
      taken += opened >= 0;
      if (opened >= 0) close(opened);
    }
    long handle = syscall(SYS_pidfd_open, pid, 0);
    for (int fd = 0; handle >= 0 && fd < 64; fd++) {
      taken += syscall(SYS_pidfd_getfd, handle, fd, 0) >= 0;
    }
  }
  if (all) closedir(all);
  size_t at = strlen(said);
  snprintf(said + at, SAID_BYTES - at, "others %ld\ntaken %ld\n", processes, taken);
}

static void look_at(int fd, const char *what, char *said) {
  struct sockaddr_un address = {0};
  socklen_t size = sizeof address;
  size_t at = strlen(said);
  if (!getsockname(fd, (struct sockaddr *)&address, &size) && address.sun_family == AF_UNIX) {
    int length = (int)(size - sizeof(sa_family_t));
    snprintf(said + at, SAID_BYTES - at, "%s-name %.*s\n", what, length, address.sun_path);
  }
  struct ifconf interfaces = {.ifc_len = 0};
  char name[64];
  snprintf(name, sizeof name, "%s-interfaces", what);
  note(said, SAID_BYTES, name, ioctl(fd, SIOCGIFCONF, &interfaces));
  struct ifreq request = {.ifr_ifindex = 2};
  snprintf(name, sizeof name, "%s-interface-2", what);
  note(said, SAID_BYTES, name, ioctl(fd, SIOCGIFNAME, &request));
}

/* Says what of it was possible; the argument is the path of a socket outside. */
static bool reach(struct ask *ask) {
  char *said = calloc(1, SAID_BYTES);
  note(said, SAID_BYTES, "path", connect_unix(ask->argument, false));
  note(said, SAID_BYTES, "abstract", connect_unix(ask->argument, true));
  list_unix(said);
  take_descriptors(said);
  look_at(ask->fd, "connection", said);
  if (getenv("LISTEN_FDS")) look_at(3, "listener", said);
  bool kept = answer(ask->fd, said);
  free(said);
  return kept;
}

const struct act REACH_ACTS[] = {{"reach", reach}, {NULL, NULL}};
