/* Ways out of the sandbox, and between sandboxes. */
#include "abuse.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct sockaddr_in inet_address(const char *host, int port) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  inet_pton(AF_INET, host, &to.sin_addr);
  return to;
}

long connect_ip(const char *host, int port) {
  struct sockaddr_in to = inet_address(host, port);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  return connect(fd, (struct sockaddr *)&to, sizeof to);
}

/* A leading @ means the abstract namespace. */
static socklen_t unix_address(struct sockaddr_un *to, const char *name) {
  memset(to, 0, sizeof *to);
  to->sun_family = AF_UNIX;
  strncpy(to->sun_path, name, sizeof to->sun_path - 1);
  if (name[0] == '@') to->sun_path[0] = 0;
  return (socklen_t)(sizeof to->sun_family + strlen(name) + (name[0] == '@' ? 0 : 1));
}

static long connect_unix(const char *name) {
  struct sockaddr_un to;
  socklen_t size = unix_address(&to, name);
  return connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&to, size);
}

/* The argument is the port of a service on the host's loopback. */
static void escape(const char *port) {
  tell("metadata", connect_ip("169.254.169.254", 80));
  tell("private", connect_ip("10.0.0.1", 80));
  tell("lan", connect_ip("192.168.1.1", 80));
  tell("internet", connect_ip("1.1.1.1", 443));
  tell("host-loopback", connect_ip("127.0.0.1", atoi(port)));
  tell("docker", connect_unix("/var/run/docker.sock"));
  tell("dbus", connect_unix("/run/dbus/system_bus_socket"));
  tell("host-abstract", connect_unix("@khachapuri-abuse"));
  struct if_nameindex *interfaces = if_nameindex();
  int count = 0;
  for (; interfaces && interfaces[count].if_index; count++) continue;
  say("interfaces", count);
}

enum { MEETING_PORT = 7777, MEETING_KEY = 0x6b68 };

/* Sets up everything by which another could be met, tells, and waits until it is told to go. */
static void host_meeting(const char *unused) {
  (void)unused;
  struct sockaddr_un name;
  struct sockaddr_in port = {.sin_family = AF_INET, .sin_port = htons(MEETING_PORT)};
  socklen_t size = unix_address(&name, "@khachapuri-meeting");
  int local = socket(AF_UNIX, SOCK_STREAM, 0), inet = socket(AF_INET, SOCK_STREAM, 0);
  tell("abstract", bind(local, (struct sockaddr *)&name, size) + listen(local, 5));
  tell("loopback", bind(inet, (struct sockaddr *)&port, sizeof port) + listen(inet, 5));
  tell("sysv", semget(MEETING_KEY, 1, IPC_CREAT | 0666));
  tell("tmp", open("/tmp/meeting", O_CREAT | O_RDWR, 0666));
  tell("shm", open("/dev/shm/meeting", O_CREAT | O_RDWR, 0666));
  say_text("waiting", "here");
  flush();
  char byte;
  while (read(0, &byte, 1) > 0) continue;
}

static void join_meeting(const char *unused) {
  (void)unused;
  tell("abstract", connect_unix("@khachapuri-meeting"));
  tell("loopback", connect_ip("127.0.0.1", MEETING_PORT));
  tell("sysv", semget(MEETING_KEY, 1, 0));
  tell("tmp", open("/tmp/meeting", O_RDWR));
  tell("shm", open("/dev/shm/meeting", O_RDWR));
}

/* Keeps whatever another run hands over, until it is killed. */
static void heir(const char *unused) {
  (void)unused;
  struct sockaddr_un name;
  socklen_t size = unix_address(&name, "@khachapuri-heir");
  int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  tell("heir", bind(listener, (struct sockaddr *)&name, size) + listen(listener, 5));
  flush();
  int giver = accept(listener, NULL, NULL);
  for (;;) {
    char byte, space[CMSG_SPACE(sizeof(int))];
    struct iovec body = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &body, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    if (recvmsg(giver, &message, 0) <= 0) pause();
  }
}

/* Hands memory to the heir and fills it, until there is no more. */
static void testator(const char *unused) {
  (void)unused;
  static char page[4096] = "full";
  struct sockaddr_un name;
  socklen_t size = unix_address(&name, "@khachapuri-heir");
  int taker = socket(AF_UNIX, SOCK_STREAM, 0);
  tell("taker", connect(taker, (struct sockaddr *)&name, size));
  flush();
  for (int i = 0; i < 64; i++) {
    char byte = 0, space[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec body = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &body, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_len = CMSG_LEN(sizeof(int));
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    int memory = (int)syscall(SYS_memfd_create, "m", 0);
    memcpy(CMSG_DATA(header), &memory, sizeof memory);
    sendmsg(taker, &message, 0);
    for (int pages = 0; pages < 1024 && write(memory, page, sizeof page) > 0; pages++) continue;
    close(memory);
  }
}

enum { PAIRS = 100 };

/* Fills the buffers of a hundred pairs of sockets in each of so many processes. */
static void buffers(const char *many) {
  static char block[1 << 16];
  flush();
  int *full = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int child = 0;
  for (int i = 1; i < atoi(many) && !child; i++) child = fork() == 0;
  for (int i = 0; i < PAIRS; i++) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends)) break;
    for (int k = 0; k < 2; k++) {
      while (write(ends[k], block, sizeof block) > 0) continue;
    }
  }
  __atomic_add_fetch(full, 1, __ATOMIC_SEQ_CST);
  if (child) pause();
  while (__atomic_load_n(full, __ATOMIC_SEQ_CST) < atoi(many)) sched_yield();
  sleep(1);
  say("filled", atoi(many));
}

const struct attack NETWORK_ATTACKS[] = {
    {"escape", escape}, {"host-meeting", host_meeting}, {"join-meeting", join_meeting},
    {"heir", heir},     {"testator", testator},
    {"buffers", buffers}, {0},
};
