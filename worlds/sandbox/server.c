/*
 * A small server for tests of instances: does what a connection's first line asks. It listens at
 * 127.0.0.1:PORT, or at [::1]:PORT where its argument is "6", or at descriptor 3 where there is no
 * PORT. A connection that has asked for nothing yet costs it no thread.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS = 2048, LINE = 64, PIECE = 64 * 1024, SO_BINDTOIFINDEX_ = 62, PEERPIDFD = 77 };

static struct pollfd polled[CONNECTIONS];
static char **environment;
static volatile uint64_t work;
static pthread_t first_thread;
static volatile int awaits_child;

static void say(int fd, const char *text) {
  if (write(fd, text, strlen(text)) < 0) perror("say");
}

static void *spin(void *unused) {
  for (;;) work++;
  return unused;
}

/*
 * Has the kernel undo every stop, as an attacker would. Not so often that a stop finds the signal
 * under way: the kernel drops it then, and newer ones the timer with it.
 */
static void escape(void (*on_continue)(int)) {
  struct sigaction action = {.sa_handler = on_continue, .sa_flags = SA_RESTART};
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGCONT};
  const struct itimerspec often = {{0, 30000000}, {0, 30000000}};
  timer_t timer;
  sigaction(SIGCONT, &action, NULL);
  timer_create(CLOCK_MONOTONIC, &event, &timer);
  timer_settime(timer, 0, &often, NULL);
}

static void on_continue(int number) { (void)number; }

/* By work of processes that are gone before anybody looks at them. */
static void on_continue_fork(int number) {
  (void)number;
  if (fork()) return;
  for (volatile int i = 0; i < 20000; i++) work++;
  _exit(0);
}

static void escape_by_forks(void) {
  signal(SIGCHLD, SIG_IGN);
  escape(on_continue_fork);
}

static void escape_and_spin(void) {
  pthread_t thread;
  escape(on_continue);
  pthread_create(&thread, NULL, spin, NULL);
}

static uint64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/*
 * Takes memory once it has been left alone for so long, some 800 MB a second. It computes next to
 * nothing before, and is not found by that.
 */
static void *take_later(void *after_ms) {
  uint64_t from = now_ms() + (uint64_t)(intptr_t)after_ms;
  while (now_ms() < from) usleep(20000);
  for (int piece = 0; piece < 200; piece++) {
    memset(malloc(4 << 20), 1, 4 << 20);
    usleep(1000);
  }
  return NULL;
}

static void take_memory(uint64_t after_ms) {
  pthread_t thread;
  pthread_create(&thread, NULL, take_later, (void *)(intptr_t)after_ms);
}

/*
 * In the first thread: it waits in the kernel for a child, and all the while takes no signal. The
 * kernel has just that thread take a stop, so the others go on.
 */
static void await_child(int number) {
  (void)number;
  if (vfork() == 0) {
    for (int fd = 3; fd < 256; fd++) close(fd); /* connections that it would keep open */
    awaits_child = 1;
    for (;;) pause();
  }
}

static void take_no_stop(uint64_t after_ms) {
  signal(SIGUSR1, await_child);
  pthread_kill(first_thread, SIGUSR1);
  while (!awaits_child) usleep(1000);
  take_memory(after_ms);
}

static void escape_and_take(uint64_t after_ms) {
  escape(on_continue);
  take_memory(after_ms);
}

static void tell_names(int fd) {
  struct sockaddr_un name = {0};
  socklen_t size = sizeof name;
  getsockname(fd, (struct sockaddr *)&name, &size);
  dprintf(fd, "sockname %d %s\n", name.sun_family, name.sun_family == AF_UNIX ? name.sun_path : "");
  size = sizeof name;
  memset(&name, 0, sizeof name);
  getpeername(fd, (struct sockaddr *)&name, &size);
  dprintf(fd, "peername %d %s\n", name.sun_family, name.sun_family == AF_UNIX ? name.sun_path : "");
  struct ucred peer = {0};
  size = sizeof peer;
  if (!getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size)) dprintf(fd, "peerpid %d\n", peer.pid);
}

static void tell_environment(int fd) {
  dprintf(fd, "pid %d\n", getpid());
  for (char **at = environment; *at; at++) {
    if (!strncmp(*at, "PORT", 4) || !strncmp(*at, "LISTEN", 6)) dprintf(fd, "%s\n", *at);
  }
  for (int other = 0; other < 64; other++) {
    if (write(other, "", 0) == 0 || errno != EBADF) dprintf(fd, "open %d\n", other);
  }
}

/* What a socket tells of the network that it was made in. */
static void tell_interfaces(int out, int socket) {
  struct ifreq found[32];
  struct ifconf all = {.ifc_len = sizeof found, .ifc_req = found};
  if (ioctl(socket, SIOCGIFCONF, &all)) {
    dprintf(out, "ioctl %s\n", strerror(errno));
  } else {
    for (int i = 0; i < all.ifc_len / (int)sizeof *found; i++) {
      dprintf(out, "interface %s\n", found[i].ifr_name);
    }
  }
  for (int index = 1; index < 16; index++) {
    char name[IFNAMSIZ] = "";
    socklen_t size = sizeof name;
    if (setsockopt(socket, SOL_SOCKET, SO_BINDTOIFINDEX_, &index, sizeof index)) {
      dprintf(out, "bind %s\n", strerror(errno));
      break;
    }
    if (!getsockopt(socket, SOL_SOCKET, SO_BINDTODEVICE, name, &size) && name[0]) {
      dprintf(out, "device %s\n", name);
    }
  }
  int pidfd;
  socklen_t size = sizeof pidfd;
  int refused = getsockopt(socket, SOL_SOCKET, PEERPIDFD, &pidfd, &size);
  dprintf(out, "pidfd %s\n", refused ? strerror(errno) : "given");
}

static void echo(int fd) {
  static _Thread_local char bytes[PIECE];
  for (ssize_t got; (got = read(fd, bytes, sizeof bytes)) > 0;) {
    for (ssize_t at = 0, put; at < got; at += put) {
      if ((put = write(fd, bytes + at, (size_t)(got - at))) < 0) return;
    }
  }
}

static void take(int fd) {
  static _Thread_local char bytes[PIECE];
  uint64_t taken = 0;
  for (ssize_t got; (got = read(fd, bytes, sizeof bytes)) > 0;) taken += (uint64_t)got;
  dprintf(fd, "took %llu\n", (unsigned long long)taken);
}

static void give(int fd, uint64_t left) {
  static _Thread_local char bytes[PIECE];
  while (left > 0) {
    ssize_t put = write(fd, bytes, left < sizeof bytes ? left : sizeof bytes);
    if (put < 0) return;
    left -= (uint64_t)put;
  }
}

static void call(int fd, const char *host) {
  char text[256];
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(80)};
  inet_pton(AF_INET, host, &to.sin_addr);
  int out = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(out, (struct sockaddr *)&to, sizeof to)) {
    dprintf(fd, "%s\n", strerror(errno));
  } else {
    say(out, "hello");
    shutdown(out, SHUT_WR);
    ssize_t got = read(out, text, sizeof text);
    if (got > 0 && write(fd, text, (size_t)got) < 0) perror("call");
  }
  close(out);
}

static void use(uint64_t mib) {
  volatile char *all = malloc(mib << 20);
  for (uint64_t at = 0; at < mib << 20; at += 4096) all[at] = 1;
}

static void tell_priority(int fd) {
  dprintf(fd, "nice %d\n", getpriority(PRIO_PROCESS, 0));
}

static void reset(int fd) {
  const struct linger now = {1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

static void obey(int fd, const char *line) {
  const char *rest = strchr(line, ' ') ? strchr(line, ' ') + 1 : "";
  uint64_t number = strtoull(rest, NULL, 10);
  pthread_t thread;
  if (!strncmp(line, "echo", 4)) echo(fd);
  else if (!strncmp(line, "take", 4)) take(fd);
  else if (!strncmp(line, "give", 4)) give(fd, number);
  else if (!strncmp(line, "names", 5)) tell_names(fd);
  else if (!strncmp(line, "environment", 11)) tell_environment(fd);
  else if (!strncmp(line, "interfaces", 10)) tell_interfaces(fd, fd);
  else if (!strncmp(line, "listener", 8)) tell_interfaces(fd, 3);
  else if (!strncmp(line, "call", 4)) call(fd, rest);
  else if (!strncmp(line, "use", 3)) use(number);
  else if (!strncmp(line, "spin", 4)) pthread_create(&thread, NULL, spin, NULL);
  else if (!strncmp(line, "work", 4)) dprintf(fd, "%llu\n", (unsigned long long)work);
  else if (!strncmp(line, "escape forks", 12)) escape_by_forks();
  else if (!strncmp(line, "escape later", 12)) escape_and_take(strtoull(line + 12, NULL, 10));
  else if (!strncmp(line, "later", 5)) take_memory(number);
  else if (!strncmp(line, "vfork", 5)) take_no_stop(number);
  else if (!strncmp(line, "priority", 8)) tell_priority(fd);
  else if (!strncmp(line, "escape", 6)) escape_and_spin();
  else if (!strncmp(line, "print", 5)) give(1, number);
  else if (!strncmp(line, "exit", 4)) exit((int)number);
  else if (!strncmp(line, "early", 5)) say(fd, "early\n");
  else if (!strncmp(line, "reset", 5)) reset(fd);
  if (strncmp(line, "give", 4) && strncmp(line, "reset", 5)) say(fd, "done\n");
}

/* Byte by byte, as what follows the line is not ours. */
static void *serve(void *with) {
  int fd = (int)(intptr_t)with;
  char line[LINE] = "";
  for (size_t at = 0; at + 1 < sizeof line && read(fd, line + at, 1) == 1; at++) {
    if (line[at] == '\n') break;
  }
  line[strcspn(line, "\n")] = 0;
  if (line[0]) obey(fd, line);
  close(fd);
  return NULL;
}

static int listen_at(const char *port, int family) {
  const int on = 1;
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
  struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)atoi(port))};
  inet_pton(AF_INET, "127.0.0.1", &in.sin_addr);
  inet_pton(AF_INET6, "::1", &in6.sin6_addr);
  int fd = socket(family, SOCK_STREAM, 0);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr *here = family == AF_INET ? (struct sockaddr *)&in : (struct sockaddr *)&in6;
  if (bind(fd, here, family == AF_INET ? sizeof in : sizeof in6) || listen(fd, 1024)) {
    perror("listen");
    exit(1);
  }
  return fd;
}

static void start_serving(int fd) {
  pthread_t thread;
  pthread_attr_t detached;
  pthread_attr_init(&detached);
  pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
  if (pthread_create(&thread, &detached, serve, (void *)(intptr_t)fd)) close(fd);
}

static void on_terminate(int number) {
  (void)number;
  say(1, "terminated\n");
  _exit(7);
}

int main(int argc, char **argv, char **envp) {
  const char *port = getenv("PORT");
  nfds_t count = 1;
  environment = envp;
  first_thread = pthread_self();
  signal(SIGPIPE, SIG_IGN);
  signal(SIGTERM, on_terminate);
  if (getenv("SLOW")) usleep((useconds_t)atoi(getenv("SLOW")) * 1000);
  int family = argc > 1 && !strcmp(argv[1], "6") ? AF_INET6 : AF_INET;
  polled[0] = (struct pollfd){port ? listen_at(port, family) : 3, POLLIN, 0};
  say(1, "ready\n");
  for (;;) {
    if (poll(polled, count, -1) < 0) continue;
    for (nfds_t i = count; i-- > 1;) {
      if (!polled[i].revents) continue;
      start_serving(polled[i].fd);
      polled[i] = polled[--count];
    }
    if (!polled[0].revents || count == CONNECTIONS) continue;
    int fd = accept(polled[0].fd, NULL, NULL);
    if (fd >= 0) polled[count++] = (struct pollfd){fd, POLLIN, 0};
  }
}
