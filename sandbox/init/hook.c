#include "hook.h"

#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LONGEST_SECONDS = 300, LOOK_MS = 20, LATE = 124, NOT_STARTED = 127 };

static char *const ENVIRONMENT[] = {
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG=C.UTF-8",
    NULL,
};

_Noreturn static void become(char **argv) {
  int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (nothing < 0 || dup2(nothing, 0) < 0) _exit(NOT_STARTED);
  setsid();
  /* A unit gives us leave to choose uids, which is none of its business. */
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  execve(argv[0], argv, ENVIRONMENT);
  dprintf(2, "%s: %s\n", argv[0], strerror(errno));
  _exit(NOT_STARTED);
}

/* All of its session that did not leave it, and those that were left to us. */
static void end_all(pid_t child) {
  kill(-child, SIGKILL);
  kill(child, SIGKILL);
  while (waitpid(-1, NULL, WNOHANG) > 0) continue;
}

int hook_main(int argc, char **argv) {
  char *end = NULL;
  long seconds = strtol(argv[0], &end, 10);
  if (argc < 2 || *end || seconds < 1 || seconds > LONGEST_SECONDS) {
    dprintf(2, "khachapuri-init: hook SECONDS PROGRAM ARGUMENTS\n");
    return 2;
  }
  /* What a service manager listens at for the provider would outlive it in whatever we start. */
  if (syscall(SYS_close_range, 3u, ~0u, 0u)) fatal("close_range");
  signal(SIGPIPE, SIG_DFL);
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  pid_t child = fork();
  if (child < 0) fatal("fork");
  if (child == 0) become(argv + 1);
  uint64_t late = now_ms() + (uint64_t)seconds * 1000;
  for (;;) {
    int status;
    if (waitpid(child, &status, WNOHANG) == child) {
      end_all(child);
      return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    struct pollfd parent = {.fd = 0, .events = POLLIN};
    bool is_gone = poll(&parent, 1, LOOK_MS) > 0 && (parent.revents & (POLLHUP | POLLERR));
    if (!is_gone && now_ms() < late) continue;
    end_all(child);
    waitpid(child, NULL, 0);
    return LATE;
  }
}
