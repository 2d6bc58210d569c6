#include "relay.h"
#include "connections.h"
#include "doors.h"
#include "egress.h"
#include "policy.h"
#include "protocol.h"
#include "rate.h"
#include "relay_rights.h"
#include "sys.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
  EVENTS = 64,
  LISTEN_AGAIN_MS = 10, /* to questions, when too many have come */
  TOLD_A_SECOND = 20, /* unlisted names and failures that the provider hears of */
};

/* What an event is about, in its upper 32 bits. */
enum about { ABOUT_RESOLVER, ABOUT_LOOKUPS, ABOUT_CONNECTION, ABOUT_INIT, ABOUT_DOORS };

/* A descriptor that is heard while that is wanted. */
struct gate {
  int fd;
  enum about about;
  bool known, open; /* to the kernel; for what comes */
};

static struct policy policy;
static struct {
  int init, poll;
  struct gate resolver, doors; /* -1 until init has sent the resolver's socket */
  bool busy; /* init knows that there are connections */
  struct rate told;
} relay = {.resolver = {.fd = -1, .about = ABOUT_RESOLVER},
           .doors = {.fd = -1, .about = ABOUT_DOORS}};

static void watch(int fd, enum about about) {
  struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)about << 32};
  if (epoll_ctl(relay.poll, EPOLL_CTL_ADD, fd, &event)) fatal("epoll");
}

/* ---- what the provider is told ---- */

static void tell(const struct egress_event *event, const char *name, int flags) {
  uint8_t message[sizeof *event + DNS_NAME_MAX];
  size_t length = strlen(name);
  memcpy(message, event, sizeof *event);
  memcpy(message + sizeof *event, name, length);
  send(relay.init, message, sizeof *event + length, MSG_NOSIGNAL | flags);
}

/* These may be lost where nobody hears them: no connection waits for that. */
static void tell_asked(const char *name) {
  const struct egress_event event = {.kind = EGRESS_ASKED};
  if (rate_take(&relay.told, 1)) tell(&event, name, MSG_DONTWAIT);
}

static void tell_failed(const char *name, uint16_t port, uint32_t failure) {
  const struct egress_event event = {.kind = EGRESS_FAILED, .failure = failure, .port = port};
  if (rate_take(&relay.told, 1)) tell(&event, name, MSG_DONTWAIT);
}

static void tell_used(void) {
  struct usage usage = connections_usage();
  const struct egress_event event = {
      .kind = EGRESS_USED,
      .connections = usage.connections,
      .sent_bytes = usage.sent_bytes,
      .received_bytes = usage.received_bytes,
  };
  tell(&event, "", 0);
}

/* ---- what init says ---- */

static void settle(uint32_t kind) {
  if (kind != EGRESS_SETTLE && kind != EGRESS_IDLE) return;
  if (kind == EGRESS_IDLE) {
    connections_end();
    doors_forget();
    relay.busy = false;
  }
  tell_used();
}

/* Asks init for a listener, and waits for its answer, which is never long in coming. */
static int ask_to_listen(uint32_t address, uint16_t port) {
  const struct egress_message wish = {EGRESS_LISTEN, address, port};
  struct egress_message answer;
  struct pollfd polled = {relay.init, POLLIN, 0};
  if (!egress_send(relay.init, &wish, -1)) return -1;
  for (;;) {
    int fd;
    poll(&polled, 1, -1);
    int64_t got = egress_receive(relay.init, &answer, sizeof answer, &fd);
    if (got < 0) continue;
    if (got != sizeof answer) _exit(0);
    if (answer.kind == EGRESS_LISTENS || answer.kind == EGRESS_TAKEN) return fd;
    if (fd >= 0) close(fd);
    settle(answer.kind);
  }
}

/* The resolver's socket comes once, in the first message; no other is let in here. */
static void hear_init(void) {
  struct egress_message message;
  int fd = -1;
  bool first = relay.resolver.fd < 0;
  int64_t got = egress_receive(relay.init, &message, sizeof message, first ? &fd : NULL);
  if (got < 0) return;
  if (got != sizeof message) _exit(0);
  if (message.kind == EGRESS_RESOLVER && fd >= 0) {
    relay.resolver.fd = fd;
    relay.doors.fd = doors_open(&policy, ask_to_listen);
  } else {
    if (fd >= 0) close(fd);
    settle(message.kind);
  }
}

/* ---- the loop ---- */

static void take_lookups(void) {
  struct lookup_result result;
  while (lookup_take(&result)) {
    struct name *name = doors_name(result.token);
    name->count = result.count;
    memcpy(name->found, result.address, sizeof result.address);
    connections_found(name);
  }
}

static void take_connections(void) {
  const struct egress_message busy = {.kind = EGRESS_BUSY};
  struct name *name;
  uint16_t port;
  for (int fd; connections_admit() && doors_take(&fd, &name, &port);) {
    if (!relay.busy) egress_send(relay.init, &busy, -1);
    relay.busy = true;
    connection_begin(fd, name, port);
  }
}

/*
 * False when it is to be tried again. The kernel has so many places for one user, and programs may
 * take them all: what has a place keeps it, also while it is shut.
 */
static bool open_while(struct gate *gate, bool wanted) {
  struct epoll_event event = {.events = wanted ? EPOLLIN : 0,
                              .data.u64 = (uint64_t)gate->about << 32};
  if (gate->fd < 0 || gate->open == wanted) return true;
  if (epoll_ctl(relay.poll, gate->known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, gate->fd, &event)) {
    return false;
  }
  gate->known = true;
  gate->open = wanted;
  return true;
}

/*
 * Ends what is overdue, which makes room, and says how long to wait for what comes next. Who finds
 * no room, or comes too fast, waits and costs nothing meanwhile.
 */
static int tidy(void) {
  int left = connections_tidy();
  bool hears = doors_hear();
  bool done = open_while(&relay.resolver, hears);
  done = open_while(&relay.doors, connections_admit()) && done;
  bool deaf = relay.resolver.fd >= 0 && !hears;
  return (deaf || !done) && (left < 0 || left > LISTEN_AGAIN_MS) ? LISTEN_AGAIN_MS : left;
}

static void serve(const struct epoll_event *event) {
  switch (event->data.u64 >> 32) {
    case ABOUT_RESOLVER:
      doors_answer(relay.resolver.fd, tell_asked);
      break;
    case ABOUT_LOOKUPS:
      take_lookups();
      break;
    case ABOUT_CONNECTION:
      connection_serve((uint32_t)event->data.u64);
      break;
    case ABOUT_INIT:
      hear_init();
      break;
    default:
      take_connections();
  }
}

static void serve_those(const struct epoll_event *events, int count, enum about first,
                        enum about last) {
  for (int i = 0; i < count; i++) {
    uint64_t about = events[i].data.u64 >> 32;
    if (about >= first && about <= last) serve(&events[i]);
  }
}

static _Noreturn void serve_for_ever(void) {
  for (;;) {
    struct epoll_event events[EVENTS];
    int count = epoll_wait(relay.poll, events, EVENTS, tidy());
    doors_begin_turn();
    /* What runs did comes before init's word that they are over, and new connections after it. */
    serve_those(events, count, ABOUT_RESOLVER, ABOUT_CONNECTION);
    connections_resume();
    serve_those(events, count, ABOUT_INIT, ABOUT_INIT);
    serve_those(events, count, ABOUT_DOORS, ABOUT_DOORS);
  }
}

void relay_main(int init, char *payload, size_t length) {
  /* Whoever hangs up in the middle of a download ends its connection, not us. */
  signal(SIGPIPE, SIG_IGN);
  if (!policy_parse(&policy, payload, length)) fatal("egress policy");
  policy.limits.connections = relay_take_limits(policy.limits.connections);
  relay.init = init;
  relay.poll = epoll_create1(EPOLL_CLOEXEC);
  relay.told = rate_of(TOLD_A_SECOND, TOLD_A_SECOND);
  int lookups = lookup_open();
  if (relay.poll < 0 || lookups < 0) fatal("epoll");
  connections_open(&policy, relay.poll, ABOUT_CONNECTION, tell_failed);
  watch(init, ABOUT_INIT);
  watch(lookups, ABOUT_LOOKUPS);
  relay_take_filter();
  serve_for_ever();
}
