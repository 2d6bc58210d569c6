#include "doors.h"
#include "rate.h"
#include "sys.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
  QUERIES_A_TURN = 32,
  QUERIES_A_SECOND = 500,
  LASTING_MAX = EGRESS_DOORS_MAX / 2, /* of names that are listed; the others take turns */
};

/* A listener of a name on one of its ports. */
struct door {
  const struct name *name; /* NULL: none */
  uint16_t port;
  int fd;
};

static struct {
  const struct policy *policy;
  door_opener *open;
  struct names names;
  int poll;
  struct door door[EGRESS_DOORS_MAX];
  unsigned shut; /* doors of no name */
  uint64_t uses; /* of names, when this turn began */
  struct rate queries;
  void (*asked)(const char *name);
} doors;

static bool has_door(const struct name *name, uint16_t port) {
  for (unsigned i = 0; i < EGRESS_DOORS_MAX; i++) {
    if (doors.door[i].name == name && doors.door[i].port == port) return true;
  }
  return false;
}

static bool open_door(const struct name *name, uint16_t port) {
  int fd = doors.open(name->address, port);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  if (fd < 0) return false;
  if (epoll_ctl(doors.poll, EPOLL_CTL_ADD, fd, &event)) {
    close(fd);
    return false;
  }
  struct door *door = doors.door;
  while (door->name) door++;
  *door = (struct door){name, port, fd};
  doors.shut--;
  return true;
}

/*
 * Opens what is not open yet of a name's doors. False when that is not possible now: a program may
 * have taken a port, or all that the kernel has for its user. With the next question for that name
 * it is tried again.
 */
static bool open_doors(const struct name *name) {
  for (uint32_t i = 0; i < doors.policy->rules; i++) {
    uint16_t port = doors.policy->rule[i].port;
    if (!policy_matches(doors.policy, i, name->text) || has_door(name, port)) continue;
    if (!open_door(name, port)) return false;
  }
  return true;
}

static void forget(struct name *name) {
  for (unsigned i = 0; i < EGRESS_DOORS_MAX; i++) {
    struct door *door = &doors.door[i];
    if (door->name != name) continue;
    close(door->fd);
    door->name = NULL;
    doors.shut++;
  }
  names_forget(name);
}

static unsigned doors_of(const char *name) {
  unsigned count = 0;
  for (uint32_t i = 0; i < doors.policy->rules; i++) count += policy_matches(doors.policy, i, name);
  return count;
}

/* NULL when all that could make room are in use. */
static struct name *add_name(const char *text) {
  unsigned wanted = doors_of(text);
  for (;;) {
    struct name *name = doors.shut < wanted ? NULL : names_add(&doors.names, text), *oldest;
    if (name) return name;
    if (!(oldest = names_oldest(&doors.names))) return NULL;
    forget(oldest);
  }
}

/* Listed names keep their addresses, as far as there is room, which has room for most lists. */
static void add_listed(const char *text) {
  if (text[0] == '*' || names_find(&doors.names, text)) return;
  if (EGRESS_DOORS_MAX - doors.shut + doors_of(text) > LASTING_MAX) return;
  struct name *name = add_name(text);
  if (!name) return;
  name->lasting = true;
  open_doors(name);
}

int doors_open(const struct policy *policy, door_opener *open) {
  doors.policy = policy;
  doors.open = open;
  doors.shut = EGRESS_DOORS_MAX;
  doors.queries = rate_of(QUERIES_A_SECOND, QUERIES_A_SECOND);
  doors.poll = epoll_create1(EPOLL_CLOEXEC);
  if (doors.poll < 0) fatal("epoll");
  for (uint32_t i = 0; i < policy->rules; i++) add_listed(policy->rule[i].name);
  return doors.poll;
}

static enum dns_verdict judge(const char *text, uint32_t *address, void *with) {
  (void)with;
  struct name *name = names_find(&doors.names, text);
  if (!name && doors_of(text) == 0) {
    doors.asked(text);
    return DNS_REFUSED;
  }
  if (!name) name = add_name(text);
  if (name) names_use(&doors.names, name);
  /* At an address and port that are not ours another program may listen in the host's place. */
  if (!name || !open_doors(name)) return DNS_FULL;
  *address = name->address;
  return DNS_KNOWN;
}

void doors_begin_turn(void) { doors.uses = doors.names.uses; }

void doors_forget(void) {
  for (struct name *name; (name = names_oldest(&doors.names)) && name->used <= doors.uses;) {
    forget(name);
  }
}

bool doors_hear(void) { return rate_left(&doors.queries) >= 1; }

void doors_answer(int resolver, void (*asked)(const char *name)) {
  doors.asked = asked;
  for (int i = 0; i < QUERIES_A_TURN && doors_hear(); i++) {
    uint8_t query[DNS_MESSAGE_MAX + 1], answer[DNS_MESSAGE_MAX];
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    ssize_t got = recvfrom(resolver, query, sizeof query, MSG_DONTWAIT, (struct sockaddr *)&from,
                           &size);
    if (got < 0) return;
    rate_take(&doors.queries, 1);
    size_t length = dns_answer(query, (size_t)got, answer, judge, NULL);
    if (length == 0) continue;
    sendto(resolver, answer, length, MSG_DONTWAIT, (struct sockaddr *)&from, size);
  }
}

bool doors_take(int *fd, struct name **name, uint16_t *port) {
  struct epoll_event event;
  struct sockaddr_in here;
  socklen_t size = sizeof here;
  if (epoll_wait(doors.poll, &event, 1, 0) != 1) return false;
  *fd = accept4(event.data.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (*fd < 0) return false;
  /* The end that the program chose says which host it means. */
  bool known = getsockname(*fd, (struct sockaddr *)&here, &size) == 0;
  *name = known ? names_at(&doors.names, ntohl(here.sin_addr.s_addr)) : NULL;
  *port = ntohs(here.sin_port);
  if (*name) names_use(&doors.names, *name);
  else close(*fd);
  return *name != NULL;
}

struct name *doors_name(uint32_t index) { return &doors.names.name[index]; }
