/* What a program may try that can call out: to reach more, or to use up what carries its bytes. */
#include "abuse.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netdb.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 5000, CONNECT_MS = 300 };

static long now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static long send_to(const char *host, int port) {
  struct sockaddr_in to = inet_address(host, port);
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to)) return -1;
  /* A datagram that nobody takes comes back as an error. */
  char byte = 0;
  struct pollfd polled = {fd, POLLIN, 0};
  if (send(fd, &byte, 1, 0) < 0) return -1;
  if (poll(&polled, 1, 200) == 0) return 0;
  return recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && errno != EAGAIN ? -1 : 0;
}

static long connect_ip6(const char *host, int port) {
  struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
  inet_pton(AF_INET6, host, &to.sin6_addr);
  return connect(socket(AF_INET6, SOCK_STREAM, 0), (struct sockaddr *)&to, sizeof to);
}

/* The address of "HOST PORT", which is asked for once. */
static struct sockaddr_in find(const char *host_and_port) {
  static char last[512];
  static struct sockaddr_in to;
  if (!strcmp(last, host_and_port)) return to;
  char host[256];
  int port = 0;
  sscanf(host_and_port, "%255s %d", host, &port);
  struct addrinfo wanted = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;
  if (getaddrinfo(host, NULL, &wanted, &found)) return (struct sockaddr_in){0};
  to = *(struct sockaddr_in *)found->ai_addr;
  freeaddrinfo(found);
  to.sin_port = htons((uint16_t)port);
  snprintf(last, sizeof last, "%s", host_and_port);
  return to;
}

/* A connection to "HOST PORT" that stands within so long, or -1. */
static int call_within(const char *host_and_port, int ms) {
  struct sockaddr_in to = find(host_and_port);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  const struct timeval patience = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0) return fd;
  close(fd);
  return -1;
}

static int call(const char *host_and_port) { return call_within(host_and_port, CONNECT_MS); }

/* Whether a byte that is sent comes back. */
static long echoes(int fd) {
  char byte = 'x';
  struct pollfd polled = {fd, POLLIN, 0};
  if (fd < 0 || send(fd, &byte, 1, MSG_NOSIGNAL) != 1) return -1;
  if (poll(&polled, 1, PATIENCE_MS) != 1) return -1;
  return recv(fd, &byte, 1, 0) == 1 ? 0 : -1;
}

/*
 * Whether "HOST PORT" is still of use. Where what was given up still waits at the door, the kernel
 * turns a connection away once and tries it again after a second.
 */
static void tell_later(const char *host_and_port) {
  tell("later", echoes(call_within(host_and_port, PATIENCE_MS)));
}

/* How often a word stands in a file: what of the machine's network /proc shows. */
static void count_in(const char *name, const char *path, const char *word) {
  static char text[1 << 20];
  int fd = open(path, O_RDONLY);
  ssize_t used = 0, got;
  while (fd >= 0 && (got = read(fd, text + used, sizeof text - 1 - (size_t)used)) > 0) used += got;
  text[used] = 0;
  long count = 0;
  for (const char *at = text; (at = strstr(at, word)); at++) count++;
  if (fd >= 0) close(fd);
  say(name, count);
}

static void join_namespace(const char *path) { tell(path, setns(open(path, O_RDONLY), 0)); }

/* The argument: a port on which the machine listens everywhere, and an address of its own. */
static void ways(const char *argument) {
  int port = 0;
  char own[64] = "", hex[16];
  sscanf(argument, "%d %63s", &port, own);
  tell("loopback", connect_ip("127.0.0.1", port));
  tell("own-address", connect_ip(own, port));
  tell("loopback-datagram", send_to("127.0.0.1", port));
  tell("own-address-datagram", send_to(own, port));
  tell("machine-resolver", send_to("8.8.8.8", 53));
  tell("multicast", send_to("224.0.0.251", 5353));
  tell("unlisted-address", connect_ip("198.18.7.7", port));
  tell("unlisted-port", connect_ip("198.18.1.0", port));
  tell("loopback6", connect_ip6("::1", port));
  tell("mapped", connect_ip6("::ffff:127.0.0.1", port));
  tell("internet6", connect_ip6("2606:4700::1111", 443));
  tell("packet", socket(AF_PACKET, SOCK_RAW, 0));
  tell("raw", socket(AF_INET, SOCK_RAW, IPPROTO_TCP));
  tell("ping", socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP));
  tell("vsock", socket(AF_VSOCK, SOCK_STREAM, 0));
  tell("xdp", socket(AF_XDP, SOCK_RAW, 0));
  tell("sock-diag", socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG));
  join_namespace("/proc/1/ns/net");
  join_namespace("/proc/self/ns/net");
  snprintf(hex, sizeof hex, ":%04X ", port);
  count_in("seen-listeners", "/proc/net/tcp", hex);
  count_in("seen-sockets", "/proc/net/unix", "khachapuri-egress");
}

/* Aims a socket that is connected to "HOST PORT" at a port of the machine's loopback. */
static void aim_again(const char *argument) {
  int port = 0;
  char listed[256] = "";
  struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
  sscanf(argument, "%d %255[^\n]", &port, listed);
  int fd = call(listed);
  tell("listed", echoes(fd));
  tell("unconnect", connect(fd, &nowhere, sizeof nowhere));
  struct sockaddr_in to = inet_address("127.0.0.1", port);
  tell("aim", connect(fd, (struct sockaddr *)&to, sizeof to));
}

/* So many connections to "HOST PORT", one after another, each with a byte there and back. */
static void connects(const char *argument) {
  int many = 0, done = 0;
  char listed[256] = "";
  sscanf(argument, "%d %255[^\n]", &many, listed);
  long began = now_ms();
  for (int i = 0; i < many; i++) {
    int fd = call(listed);
    done += echoes(fd) == 0;
    close(fd);
  }
  say("done", done);
  say("ms", now_ms() - began);
}

/* As many as there can be in so many processes, all kept; then one more, when they are closed. */
static void hoard(const char *argument) {
  int processes = 0;
  char listed[256] = "";
  sscanf(argument, "%d %255[^\n]", &processes, listed);
  int held[2], go[2];
  if (pipe(held) || pipe(go)) return;
  flush();
  for (int i = 0; i < processes; i++) {
    if (fork() == 0) {
      int count = 0, fd;
      while (count < 200 && (fd = call(listed)) >= 0) {
        char byte = 'x';
        send(fd, &byte, 1, MSG_NOSIGNAL);
        count++;
      }
      write(held[1], &count, sizeof count);
      close(go[1]);
      read(go[0], &count, 1);
      _exit(0);
    }
  }
  int all = 0;
  for (int i = 0; i < processes; i++) {
    int count;
    if (read(held[0], &count, sizeof count) == sizeof count) all += count;
  }
  say("held", all);
  close(go[1]);
  while (wait(NULL) > 0) continue;
  tell_later(listed);
}

/* Questions at the resolver, most of them malformed, for a second; then "HOST PORT" is called. */
static void questions(const char *listed) {
  struct sockaddr_in to = inet_address("127.0.0.53", 53);
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  connect(fd, (struct sockaddr *)&to, sizeof to);
  unsigned char query[2048];
  long sent = 0;
  for (long began = now_ms(); now_ms() - began < 1000; sent++) {
    for (size_t i = 0; i < sizeof query; i++) query[i] = (unsigned char)(rand() >> 7);
    if (sent % 2) memcpy(query + 2, "\1\0\0\1\0\0\0\0\0\0\77", 11);
    send(fd, query, (size_t)rand() % sizeof query, 0);
  }
  say("sent", sent > 1000);
  tell_later(listed);
}

/* Says nothing to "HOST PORT" for two seconds. */
static void silence(const char *listed) {
  int fd = call(listed);
  tell("spoke", echoes(fd));
  char byte;
  struct pollfd polled = {fd, POLLIN, 0};
  long began = now_ms();
  if (poll(&polled, 1, 2000) == 0) say_text("ended", "never");
  else say_text("ended", recv(fd, &byte, 1, 0) < 0 ? "cut" : "closed");
  say("ms", now_ms() - began);
}

/* Sends so many bytes to "HOST PORT", which sends them back. */
static void volume(const char *argument) {
  static char block[1 << 16];
  long bytes = 0, back = 0, sent = 0;
  char listed[256] = "";
  sscanf(argument, "%ld %255[^\n]", &bytes, listed);
  int fd = call(listed);
  long began = now_ms();
  while (back < bytes) {
    struct pollfd polled = {fd, (short)(POLLIN | (sent < bytes ? POLLOUT : 0)), 0};
    if (poll(&polled, 1, PATIENCE_MS) != 1) break;
    long put = polled.revents & POLLOUT ? send(fd, block, sizeof block, MSG_DONTWAIT) : 0;
    if (put > 0) sent += put;
    if (!(polled.revents & POLLIN)) continue;
    long got = recv(fd, block, sizeof block, 0);
    if (got <= 0) break;
    back += got;
  }
  say("back", back >= bytes);
  say("ms", now_ms() - began);
}

/* So many at once to "HOST PORT", where nobody answers; then to "HOST PORT" where somebody does. */
static void half_open(const char *argument) {
  int many = 0, at = 0, begun = 0, refused = 0;
  sscanf(argument, "%d %n", &many, &at);
  char dead[256] = "", *live = strchr(argument + at, ',');
  snprintf(dead, sizeof dead, "%.*s", live ? (int)(live - argument - at) : 0, argument + at);
  struct pollfd polled[200];
  for (int i = 0; i < many && i < 200; i++) {
    polled[i] = (struct pollfd){call(dead), POLLIN, 0};
    begun += polled[i].fd >= 0;
  }
  for (int i = 0; i < many && i < 200; i++) {
    char byte;
    if (polled[i].fd < 0) continue;
    poll(&polled[i], 1, PATIENCE_MS);
    refused += recv(polled[i].fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == ECONNRESET;
  }
  say("begun", begun);
  say("refused", refused);
  if (live) tell_later(live + 1);
}

/* Questions to which the resolver has an answer, as many as it takes, for so long. */
static void ask_for(long ms) {
  static const char QUERY[] = "\0\1\1\0\0\1\0\0\0\0\0\0\1a\0\0\1\0\1";
  struct sockaddr_in to = inet_address("127.0.0.53", 53);
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  connect(fd, (struct sockaddr *)&to, sizeof to);
  for (long began = now_ms(); now_ms() - began < ms;) send(fd, QUERY, sizeof QUERY - 1, 0);
  close(fd);
}

/* Takes all watches that the kernel has for our user, and every one that becomes free meanwhile. */
static void watches(const char *listed) {
  enum { PROCESSES = 48 };
  pid_t child[PROCESSES];
  int count = 0, full = 0, told[2];
  if (pipe(told)) return;
  flush();
  while (count < PROCESSES - 2 && full == 0) {
    if ((child[count++] = fork()) == 0) {
      int error = add_watches(false);
      write(told[1], &error, sizeof error);
      pause();
    }
    if (read(told[0], &full, sizeof full) != sizeof full) break;
  }
  for (int i = 0; i < 2; i++) {
    if ((child[count++] = fork()) == 0) _exit(add_watches(true));
  }
  say_text("full", full == ENOSPC ? "ENOSPC" : "no");
  ask_for(2000);
  for (int i = 0; i < count; i++) kill(child[i], SIGKILL);
  while (wait(NULL) > 0) continue;
  tell_later(listed);
}

/* Has as many descriptors on the way as one user may, and asks for "NAME NAME HOST PORT". */
static void on_the_way(const char *argument) {
  enum { MANY = 250 };
  char name[2][256], listed[256] = "";
  sscanf(argument, "%255s %255s %255[^\n]", name[0], name[1], listed);
  int pair[2], fds[MANY];
  _Alignas(struct cmsghdr) char space[CMSG_SPACE(sizeof fds)];
  struct iovec body = {fds, 1};
  struct msghdr message = {
      .msg_iov = &body, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
  if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair)) return;
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  *header = (struct cmsghdr){
      .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof fds)};
  for (int i = 0; i < MANY; i++) fds[i] = 0;
  memcpy(CMSG_DATA(header), fds, sizeof fds);
  long sent = 0;
  for (int i = 0; i < 4 && sent >= 0; i++) sent = sendmsg(pair[0], &message, MSG_DONTWAIT);
  tell("full", sent);
  struct addrinfo *found;
  say("asked", getaddrinfo(name[0], NULL, NULL, &found));
  close(pair[0]);
  close(pair[1]);
  say("asked-later", getaddrinfo(name[1], NULL, NULL, &found));
  tell_later(listed);
}

const struct attack EGRESS_ATTACKS[] = {
    {"ways", ways},       {"aim-again", aim_again}, {"connects", connects},
    {"hoard", hoard},     {"questions", questions}, {"silence", silence},
    {"volume", volume},   {"half-open", half_open}, {"watches", watches},
    {"on-the-way", on_the_way}, {0},
};
