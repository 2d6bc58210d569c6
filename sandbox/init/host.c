/*
 * The supervisor of one sandbox: makes its cgroups, starts the launcher under the run uid, and
 * stays as the subreaper of all that descends from it. When the provider or the sandbox is gone, it
 * kills and reaps until it has no descendant left, so a launcher that dies half-way leaves nothing.
 */
#include "host.h"
#include "cgroup.h"
#include "descriptors.h"
#include "passing.h"
#include "protocol.h"
#include "relay.h"
#include "slots.h"
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define SOCKET_NAME "in"

enum { GRACE_MS = 1000, WAITING_MAX = 4096 /* connections that a server has not taken */ };

/* Of the relay: programs keep it no busier than one of them may be. */
static const struct cgroup_limits RELAY_LIMITS = {
    .memory_bytes = 256 * 1024 * 1024, .pids = 16, .cpu_percent = 100};

struct host {
  bool has_uid;
  uid_t uid;
  struct cgroup_limits limits;
  struct cgroup_base base;
  char cgroup[640]; /* the sandbox's own; empty: only rlimits bound its runs */
  uint32_t slots; /* cgroups for runs that have been made */
  int control;    /* socket to init, which asks for them */
  int signals;
  pid_t launcher, relay; /* relay: 0 where programs cannot call out */
  bool is_spare;         /* started ahead of need: what it is for comes with its order */
  size_t policy_bytes;   /* struct egress_payload and what follows it, before the first frame */
  int socket_dir; /* of a server: the folder of its socket; -1 */
  char **command;
};

static unsigned long long number(const char *text) {
  char *end;
  unsigned long long value = strtoull(text, &end, 10);
  if (!*text || *end) {
    errno = EINVAL;
    fatal(text);
  }
  return value;
}

/*
 * UID|- MEMORY_BYTES|- PIDS CPU_PERCENT POLICY_BYTES SOCKET_DIR|- LAUNCHER ARGUMENT...
 * Without MEMORY_BYTES it is a spare, of which POLICY_BYTES only says whether there are any.
 */
static void parse_arguments(struct host *host, int argc, char **argv) {
  errno = EINVAL;
  if (argc < 7 || argv[6][0] != '/') fatal("arguments");
  host->has_uid = strcmp(argv[0], "-") != 0;
  if (host->has_uid) host->uid = (uid_t)number(argv[0]);
  host->is_spare = !strcmp(argv[1], "-");
  if (!host->is_spare) host->limits.memory_bytes = number(argv[1]);
  host->limits.pids = (uint32_t)number(argv[2]);
  host->limits.cpu_percent = (uint32_t)number(argv[3]);
  host->policy_bytes = (size_t)number(argv[4]);
  bool is_server = strcmp(argv[5], "-") != 0;
  host->socket_dir = is_server ? open(argv[5], O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
  if (is_server && host->socket_dir < 0) fatal(argv[5]);
  host->command = argv + 6;
  uid_t runs_as = host->has_uid ? host->uid : getuid();
  errno = EPERM;
  if (runs_as == 0) fatal("programs must never run as uid 0");
}

/* Sends init the controllers in force, none without a descriptor, and that descriptor. */
static void send_with(const struct host *host, int fd) {
  uint32_t controllers = fd < 0 ? 0 : host->base.controllers;
  pass(host->control, &controllers, sizeof controllers, fd);
  if (fd >= 0) close(fd);
}

/* Sends init one more cgroup for a run, where there are any. */
static void send_slot(struct host *host) {
  int dir = -1;
  bool foreign = host->has_uid && host->uid != geteuid();
  if (host->cgroup[0] && host->slots < RUNS_MAX) {
    char name[32];
    snprintf(name, sizeof name, "run-%u", host->slots++);
    dir = cgroup_limited_child(host->cgroup, name, &host->limits, foreign);
  }
  send_with(host, dir);
}

/* Sends init what has the first run's processes stand still, where this kernel can do that. */
static void send_freezer(const struct host *host) {
  char path[sizeof host->cgroup + 32];
  snprintf(path, sizeof path, "%s/run-0/cgroup.freeze", host->cgroup);
  send_with(host, host->cgroup[0] ? open(path, O_WRONLY | O_CLOEXEC) : -1);
}

static void obey(struct host *host, char request) {
  if (request == REQUEST_SLOT) send_slot(host);
  else send_freezer(host);
}

static void drop_privileges(const struct host *host) {
  if (host->has_uid) {
    gid_t gid = (gid_t)host->uid;
    if (setgroups(0, NULL) || setresgid(gid, gid, gid) ||
        setresuid(host->uid, host->uid, host->uid)) {
      fatal("cannot become the run uid");
    }
  }
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct none[2] = {{0}};
  if (syscall(SYS_capset, &header, none)) fatal("cannot drop capabilities");
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) fatal("no_new_privs");
}

/* What init starts with, besides the frames; -1: not there. */
struct given {
  int supervisor, helper, relay, ingress;
};

/* In the child: gives it these numbers, and keeps nothing else. */
static void arrange(const struct given *given) {
  const int wanted[][2] = {{given->supervisor, SUPERVISOR},
                           {given->helper, HELPER},
                           {given->relay, RELAY},
                           {given->ingress, INGRESS}};
  enum { COUNT = sizeof wanted / sizeof wanted[0] };
  int high[COUNT];
  for (int i = 0; i < COUNT; i++) {
    high[i] = wanted[i][0] < 0 ? -1 : fcntl(wanted[i][0], F_DUPFD_CLOEXEC, 10);
  }
  for (int i = 0; i < COUNT; i++) {
    close(wanted[i][1]);
    if (wanted[i][0] >= 0 && dup2(high[i], wanted[i][1]) < 0) fatal("descriptors");
  }
  if (syscall(SYS_close_range, INGRESS + 1u, ~0u, 0u)) fatal("close_range");
}

/* When memory is short, programs go before the provider that is to account for them. */
static void go_first(void) { write_file_at(AT_FDCWD, "/proc/self/oom_score_adj", "1000"); }

static void become_launcher(const struct host *host, struct given given) {
  go_first();
  given.helper = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  if (given.helper < 0) fatal("/proc/self/exe");
  arrange(&given);
  drop_privileges(host);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  char *empty[] = {NULL};
  execve(host->command[0], host->command, empty);
  fatal(host->command[0]);
}

/* As much as this from the provider; false: it is gone. */
static bool read_whole(void *to, size_t length) {
  for (size_t at = 0; at < length;) {
    ssize_t got = read(0, (uint8_t *)to + at, length - at);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += (size_t)got;
  }
  return true;
}

/*
 * Starts the relay, as the run uid, on our end of the socket to it. What it is to do stands before
 * the first frame, which is init's. False: the provider is gone.
 */
static bool start_relay(struct host *host, int end) {
  char *policy = malloc(host->policy_bytes);
  if (!policy) fatal("memory");
  if (!read_whole(policy, host->policy_bytes)) return false;
  int leaf = -1;
  if (host->cgroup[0]) leaf = cgroup_limited_child(host->cgroup, "relay", &RELAY_LIMITS, false);
  pid_t supervisor = getpid();
  host->relay = fork();
  if (host->relay < 0) fatal("fork");
  if (host->relay == 0) {
    if (leaf >= 0 && !write_file_at(leaf, "cgroup.procs", "0")) fatal("cannot enter the cgroup");
    /* It holds nothing but its end and stderr. */
    if (dup2(end, 0) < 0 || close(1) || syscall(SYS_close_range, 3u, ~0u, 0u)) {
      fatal("descriptors");
    }
    drop_privileges(host);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) || getppid() != supervisor) _exit(0);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    relay_main(0, policy, host->policy_bytes);
  }
  free(policy);
  if (leaf >= 0) close(leaf);
  close(end);
  return true;
}

/*
 * Listens in the server's folder, which only the provider may enter. The name is short, as a path
 * may have 108 bytes, and says nothing, as a program that is given the socket can read it.
 */
static int listen_in(int dir) {
  const struct sockaddr_un here = {.sun_family = AF_UNIX, .sun_path = SOCKET_NAME};
  if (dir < 0) return -1;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  unlinkat(dir, SOCKET_NAME, 0);
  mode_t before = umask(0177);
  if (fd < 0 || fchdir(dir) || bind(fd, (const struct sockaddr *)&here, sizeof here) ||
      listen(fd, WAITING_MAX) || chdir("/")) {
    fatal("the server's socket");
  }
  umask(before);
  return fd;
}

static void start_launcher(struct host *host, int relay) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) fatal("socketpair");
  host->control = pair[0];
  /* With this init counts pids anew; who writes it has to have the right to in his namespace. */
  send_with(host, open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC));
  const struct given given = {pair[1], -1, relay, listen_in(host->socket_dir)};
  int leaf = host->cgroup[0] ? cgroup_open_child(host->cgroup, "init", false) : -1;
  host->launcher = fork();
  if (host->launcher < 0) fatal("fork");
  if (host->launcher == 0) {
    /* Before the launcher's first instruction, so that nothing it starts is ever outside. */
    if (leaf >= 0 && !write_file_at(leaf, "cgroup.procs", "0")) fatal("cannot enter the cgroup");
    become_launcher(host, given);
  }
  close(pair[1]);
  if (given.ingress >= 0) close(given.ingress);
  if (leaf >= 0) close(leaf);
}

/*
 * Of a spare: waits for its order and takes it. False: it will have none, as the provider or the
 * launcher is gone, with whose wait status if it is.
 */
static bool take_order(struct host *host, int *status) {
  struct pollfd polled[] = {{0, POLLIN, 0}, {host->signals, POLLIN, 0}};
  struct order_payload order;
  for (;;) {
    if (poll(polled, 2, -1) < 0 && errno != EINTR) fatal("poll");
    if (polled[1].revents) {
      struct signalfd_siginfo seen;
      if (read(host->signals, &seen, sizeof seen) > 0 && seen.ssi_signo != SIGCHLD) return false;
      if (waitpid(host->launcher, status, WNOHANG) == host->launcher) return false;
    }
    if (polled[0].revents) break;
  }
  if (!read_whole(&order, sizeof order)) return false;
  host->limits.memory_bytes = order.memory_bytes;
  host->policy_bytes = (size_t)order.policy_bytes;
  return true;
}

/*
 * Starts all that is this sandbox's, a spare's as far as it needs no order. Init waits for its
 * first slot before it reads a frame. False: there is nobody for it.
 */
static bool start(struct host *host, int *status) {
  int pair[2] = {-1, -1};
  bool calls_out = host->policy_bytes > 0;
  if (calls_out && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) fatal("socketpair");
  if (host->is_spare) start_launcher(host, pair[1]);
  if (host->is_spare && !take_order(host, status)) return false;
  if (calls_out && !start_relay(host, pair[0])) return false;
  if (!host->is_spare) start_launcher(host, pair[1]);
  if (calls_out) close(pair[1]);
  send_slot(host);
  return true;
}

/* SIGKILL to every child; as subreaper we have inherited the children of those that died. */
static void kill_children(void) {
  char path[64], text[4096];
  snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
  if (read_file_at(AT_FDCWD, path, text, sizeof text) <= 0) return;
  for (char *word = strtok(text, " \n"); word; word = strtok(NULL, " \n")) {
    kill((pid_t)atoi(word), SIGKILL);
  }
}

/* Kills and reaps until nothing that descends from the launcher lives. */
static void end_all(void) {
  for (;;) {
    kill_children();
    if (waitpid(-1, NULL, 0) < 0 && errno == ECHILD) return;
  }
}

/*
 * Gives init the cgroups that it asks for until the sandbox or the provider is gone. Returns the
 * launcher's wait status, 0 when the launcher still runs.
 */
static int wait_for_end(struct host *host) {
  struct pollfd polled[] = {
      {0, 0, 0}, {host->control, POLLIN, 0}, {host->signals, POLLIN, 0}};
  uint64_t deadline = UINT64_MAX;
  for (;;) {
    uint64_t now = now_ms();
    int timeout = deadline == UINT64_MAX ? -1 : deadline > now ? (int)(deadline - now) : 0;
    if (poll(polled, 3, timeout) < 0 && errno != EINTR) fatal("poll");
    if (now_ms() >= deadline) return 0;
    bool leaving = polled[0].revents != 0;
    if (polled[1].revents & POLLIN) {
      char request;
      if (recv(host->control, &request, 1, MSG_DONTWAIT) == 1) obey(host, request);
      else leaving = true;
    } else if (polled[1].revents) {
      leaving = true;
    }
    if (polled[2].revents) {
      struct signalfd_siginfo seen;
      int status;
      if (read(host->signals, &seen, sizeof seen) > 0 && seen.ssi_signo != SIGCHLD) return 0;
      if (waitpid(host->launcher, &status, WNOHANG) == host->launcher) return status;
      /* A sandbox without its way out is of no use: the next run opens another. */
      if (host->relay && waitpid(host->relay, &status, WNOHANG) == host->relay) return 0;
    }
    if (!leaving) continue;
    /* Init exits by itself when its pipe closes; what has not after this time is killed. */
    deadline = now_ms() + GRACE_MS;
    polled[0].fd = polled[1].fd = -1;
  }
}

int host_main(int argc, char **argv) {
  static struct host host;
  sigset_t mask;
  syscall(SYS_close_range, 3u, ~0u, 0u);
  parse_arguments(&host, argc, argv);
  setsid(); /* a terminal's Ctrl-C then reaches the provider alone, which ends us in order */
  if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)) fatal("subreaper");
  sigemptyset(&mask);
  sigaddset(&mask, SIGCHLD);
  sigaddset(&mask, SIGTERM);
  if (sigprocmask(SIG_SETMASK, &mask, NULL)) fatal("signal mask");
  host.signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
  if (host.signals < 0) fatal("signalfd");
  cgroup_find(&host.base);
  if (!cgroup_create(&host.base, host.cgroup, sizeof host.cgroup, getppid())) host.cgroup[0] = 0;
  int status = 0;
  if (start(&host, &status)) {
    close(1); /* the frames are between the sandbox and the provider */
    status = wait_for_end(&host);
  }
  if (host.launcher) close(host.control);
  end_all();
  if (host.socket_dir >= 0) unlinkat(host.socket_dir, SOCKET_NAME, 0);
  cgroup_remove(host.cgroup);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Whether programs can have uids of their own: we may change ours, and kill what has another. */
static bool may_choose_uid(void) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct held[2] = {{0}};
  const uint32_t needed = 1u << CAP_SETUID | 1u << CAP_SETGID | 1u << CAP_SETPCAP | 1u << CAP_KILL;
  return !syscall(SYS_capget, &header, held) && (held[0].effective & needed) == needed;
}

/* How many descriptors the processes of one uid may have watched (epoll(7)); 0: not known. */
static unsigned long watches_of_uid(void) {
  char text[32];
  const char *path = "/proc/sys/fs/epoll/max_user_watches";
  return read_file_at(AT_FDCWD, path, text, sizeof text) > 0 ? strtoul(text, NULL, 10) : 0;
}

int prepare_main(void) {
  struct cgroup_base base;
  cgroup_prepare(&base, getppid());
  int swept = cgroup_sweep(&base);
  printf("controllers=%u\nswept=%d\nmissing=%s\n", base.controllers, swept,
         base.path[0] ? "" : base.missing);
  printf("choosesUid=%d\nwatches=%lu\n", may_choose_uid(), watches_of_uid());
  return 0;
}
