/*
 * What a stranger's bytes meet in the relay, under sanitizers: TARGET SEED ROUNDS. Built by
 * ../relay_fuzz_test.ts with all of the relay but its rights, under which no sanitizer works.
 */
#include "address.h"
#include "dns.h"
#include "egress.h"
#include "policy.h"
#include "relay.h"
#include "relay_rights.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

uint32_t relay_take_limits(uint32_t wanted) { return wanted; }
void relay_take_filter(void) {}

static uint64_t state;

static uint32_t draw(uint32_t below) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return below ? (uint32_t)(state >> 33) % below : 0;
}

static void must(bool holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "broken: %s\n", what);
  abort();
}

/* A copy of exactly that size, changed in some places and cut off: what is read beyond it shows. */
static uint8_t *mutate(const uint8_t *bytes, size_t *length) {
  size_t size = draw(8) ? *length : draw((uint32_t)*length + 1) + draw(2) * draw(600);
  uint8_t *copy = malloc(size ? size : 1);
  for (size_t i = 0; i < size; i++) copy[i] = i < *length ? bytes[i] : (uint8_t)draw(256);
  for (uint32_t i = draw(6); i > 0 && size > 0; i--) {
    copy[draw((uint32_t)size)] = draw(2) ? (uint8_t)draw(256) : (uint8_t)(draw(2) * 63 + draw(3));
  }
  *length = size;
  return copy;
}

/* ---- questions ---- */

static uint32_t judged;

static enum dns_verdict judge(const char *name, uint32_t *address, void *with) {
  size_t length = strlen(name);
  (void)with;
  judged++;
  must(length < DNS_NAME_MAX, "a name's length");
  must(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.?") == length, "a name's characters");
  *address = 0xc6120100;
  return (enum dns_verdict)draw(3);
}

static void ask(void) {
  static const uint8_t QUERY[] =
      "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03" "api\x07" "example\x04" "test\x00"
      "\x00\x01\x00\x01";
  size_t length = sizeof QUERY - 1;
  uint8_t *query = mutate(QUERY, &length), answer[DNS_MESSAGE_MAX];
  size_t said = dns_answer(query, length, answer, judge, NULL);
  must(said <= DNS_MESSAGE_MAX, "an answer's length");
  if (said > 0) must(!memcmp(answer, query, 2) && answer[2] & 0x80, "an answer is of its question");
  if (said > 0) must(answer[7] <= 1 && said >= 12u + 16u * answer[7], "an answer's records");
  free(query);
}

/* ---- policies ---- */

static size_t sample_policy(uint8_t *bytes) {
  static const char TEXT[] = "api.test:80\0*.wild.test:443\0api.test:80\0[2001:db8::1]:8080\0"
                             "b.wild.test:443\0" "127.0.0.1:9";
  const struct egress_payload head = {2, 2, 4, 1000, 50, 50, 1000000};
  memcpy(bytes, &head, sizeof head);
  memcpy(bytes + sizeof head, TEXT, sizeof TEXT);
  return sizeof head + sizeof TEXT;
}

static void parse(void) {
  static struct policy policy;
  uint8_t sample[512];
  size_t length = sample_policy(sample);
  char *bytes = (char *)mutate(sample, &length);
  if (policy_parse(&policy, bytes, length)) {
    judged++;
    for (uint32_t i = 0; i < policy.rules; i++) {
      policy_matches(&policy, i, "");
      policy_matches(&policy, i, "b.wild.test");
    }
    policy_override(&policy, "api.test", 80);
  }
  free(bytes);
}

/* ---- addresses ---- */

static bool is_public4(uint32_t address) {
  struct sockaddr_storage to = {.ss_family = AF_INET};
  ((struct sockaddr_in *)&to)->sin_addr.s_addr = htonl(address);
  return address_is_public(&to);
}

static bool is_public6(const uint8_t *address) {
  struct sockaddr_storage to = {.ss_family = AF_INET6};
  memcpy(&((struct sockaddr_in6 *)&to)->sin6_addr, address, 16);
  return address_is_public(&to);
}

/* Whatever leads to an IPv4 address is as public as that. */
static void compare(void) {
  static const uint32_t KNOWN[] = {0x7f000001, 0x0a000001, 0xa9fea9fe, 0xc0a80001,
                                   0x08080808, 0x64400001, 0xe0000001, 0xffffffff};
  uint32_t address = draw(2) ? draw(1u << 31) << 1 | draw(2) : KNOWN[draw(8)];
  uint32_t wire = htonl(address);
  uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff}, nat64[16] = {0, 0x64, 0xff, 0x9b};
  uint8_t sixtofour[16] = {0x20, 0x02}, teredo[16] = {0x20, 0x01}, any[16];
  memcpy(mapped + 12, &wire, 4);
  memcpy(nat64 + 12, &wire, 4);
  memcpy(sixtofour + 2, &wire, 4);
  memcpy(teredo + 12, &wire, 4);
  bool public = is_public4(address);
  judged += public;
  must(is_public6(mapped) == public, "a mapped address");
  must(is_public6(nat64) == public, "a NAT64 address");
  must(is_public6(sixtofour) == public, "a 6to4 address");
  must(!is_public6(teredo), "a Teredo address");
  for (int i = 0; i < 16; i++) any[i] = (uint8_t)draw(256);
  if (is_public6(any)) must((any[0] & 0xe0) == 0x20, "an address that is no global unicast one");
}

/* ---- what comes by the socket from inside ---- */

static int bound(int type, struct sockaddr_in *at) {
  socklen_t size = sizeof *at;
  int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  must(fd >= 0 && bind(fd, (struct sockaddr *)at, sizeof *at) == 0, "a socket");
  must(getsockname(fd, (struct sockaddr *)at, &size) == 0, "its address");
  return fd;
}

static unsigned descriptors_of(pid_t pid) {
  char path[64];
  unsigned count = 0;
  snprintf(path, sizeof path, "/proc/%d/fd", pid);
  DIR *dir = opendir(path);
  while (dir && readdir(dir)) count++;
  if (dir) closedir(dir);
  return count;
}

/* Messages of the right size it has to live with; any other ends it, as init's sender is broken. */
static void send_anything(int socket, int stray, bool noisy) {
  struct egress_message message = {draw(9), draw(1u << 31), draw(1u << 16)};
  unsigned char noise[64];
  if (message.kind == EGRESS_RESOLVER) message.kind = EGRESS_SETTLE;
  for (size_t i = 0; i < sizeof noise; i++) noise[i] = (unsigned char)draw(256);
  if (!noisy) egress_send(socket, &message, draw(2) ? stray : -1);
  else send(socket, noise, draw(sizeof noise) + 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Answers the relay's wishes to listen and drops what it tells, as init would. */
static void hear(int socket, struct sockaddr_in *door) {
  uint8_t bytes[512];
  int64_t got;
  while ((got = egress_receive(socket, bytes, sizeof bytes, NULL)) > 0) {
    struct egress_message wish;
    memcpy(&wish, bytes, sizeof wish);
    if (got != sizeof wish || wish.kind != EGRESS_LISTEN) continue;
    struct egress_message answer = {.kind = draw(2) ? EGRESS_LISTENS : EGRESS_TAKEN};
    int fd = bound(SOCK_STREAM, door);
    listen(fd, 8);
    egress_send(socket, &answer, draw(4) ? fd : -1);
    close(fd);
  }
}

static void knock(const struct sockaddr_in *door) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  connect(fd, (const struct sockaddr *)door, sizeof *door);
  send(fd, "x", 1, MSG_NOSIGNAL);
  close(fd);
}

static void question(const struct sockaddr_in *resolver) {
  static const uint8_t QUERY[] = "\1\2\1\0\0\1\0\0\0\0\0\0\1b\4wild\4test\0\0\1\0\1";
  size_t length = sizeof QUERY - 1;
  uint8_t *query = mutate(QUERY, &length);
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sendto(fd, query, length, 0, (const struct sockaddr *)resolver, sizeof *resolver);
  close(fd);
  free(query);
}

enum { TURNS = 300 };

/* One relay, until it leaves or has heard enough. */
static void talk(void) {
  int pair[2];
  uint8_t policy[512];
  struct sockaddr_in resolver, door = {.sin_family = AF_INET};
  size_t length = sample_policy(policy);
  must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0, "a pair");
  pid_t relay = fork();
  if (relay == 0) {
    close(pair[1]);
    relay_main(pair[0], (char *)policy, length);
  }
  close(pair[0]);
  int socket = bound(SOCK_DGRAM, &resolver);
  const struct egress_message first = {.kind = EGRESS_RESOLVER};
  egress_send(pair[1], &first, socket);
  close(socket);
  for (int i = 0; i < TURNS; i++) {
    if (draw(3) == 0) send_anything(pair[1], 2, i > TURNS - 20);
    question(&resolver);
    if (door.sin_port) knock(&door);
    hear(pair[1], &door);
    unsigned held = i == TURNS - 21 ? descriptors_of(relay) : 3;
    must(held > 2, "the relay goes on");
    must(held < 64, "the relay's descriptors");
    judged++;
  }
  close(pair[1]);
  int status;
  must(waitpid(relay, &status, 0) == relay, "the relay is ours");
  must(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the relay leaves in peace");
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    void (*try)(void);
  } TARGETS[] = {{"questions", ask}, {"policies", parse}, {"addresses", compare}, {"relay", talk}};
  must(argc == 4, "TARGET SEED ROUNDS");
  state = strtoull(argv[2], NULL, 10);
  for (size_t i = 0; i < sizeof TARGETS / sizeof TARGETS[0]; i++) {
    if (strcmp(TARGETS[i].name, argv[1])) continue;
    for (long round = strtol(argv[3], NULL, 10); round > 0; round--) TARGETS[i].try();
    printf("%u\n", judged);
    return 0;
  }
  return 2;
}
