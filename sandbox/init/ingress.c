#include "ingress.h"
#include "descriptors.h"
#include "flow.h"
#include "protocol.h"
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
  PASSAGES_MAX = 4096, /* at once; more wait to be taken */
  EVENTS = 64,
  SHARE_BYTES = 256 * 1024, /* that one moves before others have their turn */
  RETRY_FIRST_MS = 2,       /* until the port is tried again, at first and at most */
  RETRY_MOST_MS = 50,
  DELIVER_MS = 1000, /* after the program's end */
  BUFFER_BYTES = 208 * 1024, /* of a socket: what Linux lets everybody have */
};

/* Of the provider's side, each told once. */
#define OUTSIDE_EVENTS (EPOLLIN | EPOLLRDHUP | EPOLLET)

enum stage {
  UNUSED,
  REFUSED,    /* nothing listens at the port yet */
  CONNECTING, /* to the port */
  MOVING,
};

/* One connection of the provider's, and the one to the program's port. */
struct passage {
  struct flow flow;
  enum stage stage;
  int family; /* of the address that is tried */
  bool has_more;
  bool blocked; /* the provider's side has to take bytes before more go to it */
  struct passage *next; /* while it is unused */
};

/* What an event is about, in its upper 32 bits; the lower ones say which passage. */
enum about { ABOUT_OUTSIDE, ABOUT_INSIDE, ABOUT_LISTENER };

static struct passage table[PASSAGES_MAX];
static struct {
  uint32_t listen; /* as in SETUP; 0: there is no way in */
  int listener;    /* -1: closed */
  int poll;
  bool hears; /* the listener is watched */
  uint32_t used; /* passages, from the first on, that ever were */
  struct passage *unused;
  uint32_t count, refused, connecting, more; /* passages, and those of them that are so far */
  bool reachable; /* the port, when it was tried last */
  uint32_t awaited;
  int wait_ms; /* between two tries, or looks at the queue */
  uint64_t due_ms; /* the next one; UINT64_MAX: none */
  uint64_t ended_ms; /* until then what is left is delivered; 0: the program lives */
} all = {.listener = -1, .poll = -1, .due_ms = UINT64_MAX};

/* ---- setting up ---- */

static bool watch(int fd, enum about about, uint32_t index, uint32_t events) {
  struct epoll_event event = {.events = events, .data.u64 = (uint64_t)about << 32 | index};
  return epoll_ctl(all.poll, EPOLL_CTL_ADD, fd, &event) == 0;
}

/* Whoever finds no room, or comes while there are no descriptors, waits in the kernel's queue. */
static void hear(bool wanted) {
  struct epoll_event event = {.events = wanted ? EPOLLIN : 0,
                              .data.u64 = (uint64_t)ABOUT_LISTENER << 32};
  if (all.poll < 0 || all.listener < 0 || all.hears == wanted) return;
  if (epoll_ctl(all.poll, EPOLL_CTL_MOD, all.listener, &event)) fatal("epoll");
  all.hears = wanted;
}

static void raise_files(void) {
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files)) fatal("descriptors");
  files.rlim_cur = files.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &files)) fatal("descriptors");
}

void ingress_open(uint32_t listen) {
  int listens = 0;
  socklen_t size = sizeof listens;
  if (getsockopt(INGRESS, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) || !listens) {
    fatal("no way in");
  }
  all.listen = listen;
  all.listener = INGRESS;
  if (listen == LISTEN_BY_FD) return;
  raise_files();
  make_nonblocking(INGRESS);
  all.poll = epoll_create1(EPOLL_CLOEXEC);
  all.hears = true;
  if (all.poll < 0 || !watch(INGRESS, ABOUT_LISTENER, 0, EPOLLIN)) fatal("epoll");
}

int ingress_fd(void) { return all.poll; }

uint32_t ingress_count(void) { return all.count; }

/* ---- one passage ---- */

static void set_stage(struct passage *one, enum stage stage) {
  all.refused += (uint32_t)(stage == REFUSED) - (uint32_t)(one->stage == REFUSED);
  all.connecting += (uint32_t)(stage == CONNECTING) - (uint32_t)(one->stage == CONNECTING);
  all.count += (uint32_t)(stage != UNUSED) - (uint32_t)(one->stage != UNUSED);
  one->stage = stage;
}

static void set_more(struct passage *one, bool has_more) {
  all.more += (uint32_t)has_more - (uint32_t)one->has_more;
  one->has_more = has_more;
}

static void end(struct passage *one) {
  set_more(one, false);
  flow_close(&one->flow);
  set_stage(one, UNUSED);
  one->next = all.unused;
  all.unused = one;
}

/* Whether the other side is gone for good, and has not only said that it sends no more. */
static bool has_left(int outside) {
  struct pollfd polled = {outside, 0, 0};
  return poll(&polled, 1, 0) == 1 && polled.revents & (POLLHUP | POLLERR);
}

/*
 * Has the kernel tell when the provider's side has room, while that is what is waited for: a unix
 * socket tells so of each piece that is taken.
 */
static void wait_for_room(struct passage *one, bool blocked) {
  struct epoll_event event = {
      .events = OUTSIDE_EVENTS | (blocked ? EPOLLOUT : 0),
      .data.u64 = (uint64_t)ABOUT_OUTSIDE << 32 | (uint64_t)(one - table)};
  if (one->blocked == blocked) return;
  one->blocked = blocked;
  if (epoll_ctl(all.poll, EPOLL_CTL_MOD, one->flow.outside, &event)) fatal("epoll");
}

/*
 * A provider that has left hears no answer: once the program has what was sent to it, and the end,
 * its connection ends here as well. It is not reset, as nothing was cut off.
 */
static void move(struct passage *one) {
  enum flow_state state = flow_move(&one->flow, SHARE_BYTES, SHARE_BYTES);
  set_more(one, state == FLOW_HAS_MORE);
  if (state == FLOW_OVER || (one->flow.in.shut && has_left(one->flow.outside))) end(one);
  else wait_for_room(one, one->flow.out.held > 0);
}

/* ---- connecting ---- */

/* Where the other side does not read, the kernel would else queue megabytes for each of them. */
static int port_socket(int family) {
  const int on = 1, bytes = BUFFER_BYTES;
  int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  return fd;
}

/* False when it is refused at once. */
static bool call_port(int fd, int family) {
  uint16_t port = htons((uint16_t)all.listen);
  const struct sockaddr_in in = {
      .sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  const struct sockaddr_in6 in6 = {
      .sin6_family = AF_INET6, .sin6_port = port, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  int result = family == AF_INET ? connect(fd, (const struct sockaddr *)&in, sizeof in)
                                 : connect(fd, (const struct sockaddr *)&in6, sizeof in6);
  return result == 0 || errno == EINPROGRESS;
}

static void hang_up(struct passage *one) {
  if (one->flow.inside >= 0) close(one->flow.inside);
  one->flow.inside = -1;
}

/* More is to be looked at soon, and then less and less often. */
static void look_soon(void) {
  all.wait_ms = RETRY_FIRST_MS;
  all.due_ms = now_ms() + RETRY_FIRST_MS;
}

static void try_later(struct passage *one) {
  hang_up(one);
  if (all.due_ms == UINT64_MAX) look_soon();
  all.reachable = false;
  set_stage(one, REFUSED);
}

/* Looks how a connection that has begun goes on; false: the address refuses it. */
static bool go_on(struct passage *one) {
  int error = 0;
  struct sockaddr_storage peer;
  socklen_t size = sizeof error, peer_size = sizeof peer;
  getsockopt(one->flow.inside, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error) return false;
  if (getpeername(one->flow.inside, (struct sockaddr *)&peer, &peer_size)) return true;
  all.reachable = true;
  set_stage(one, MOVING);
  move(one);
  return true;
}

/* Begins to connect to the port at an address of `family`; false: it is refused. */
static bool try_family(struct passage *one, int family) {
  hang_up(one);
  one->family = family;
  one->flow.inside = port_socket(family);
  if (one->flow.inside < 0 || !call_port(one->flow.inside, family)) return false;
  set_stage(one, CONNECTING);
  uint32_t index = (uint32_t)(one - table);
  if (!watch(one->flow.inside, ABOUT_INSIDE, index, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)) {
    return false;
  }
  return go_on(one);
}

static void try_port(struct passage *one) {
  if (!try_family(one, AF_INET) && !try_family(one, AF_INET6)) try_later(one);
}

static void hear_inside(struct passage *one) {
  if (one->stage == MOVING) move(one);
  if (one->stage != CONNECTING || go_on(one)) return;
  if (one->family != AF_INET || !try_family(one, AF_INET6)) try_later(one);
}

/* ---- many ---- */

static void begin(int outside) {
  struct passage *one = all.unused ? all.unused : &table[all.used++];
  all.unused = one->next;
  *one = (struct passage){.stage = UNUSED};
  flow_open(&one->flow, -1);
  one->flow.outside = outside;
  one->flow.in.lossy = true; /* a request that is not read to its end may be answered */
  set_stage(one, REFUSED);
  uint32_t index = (uint32_t)(one - table);
  if (watch(outside, ABOUT_OUTSIDE, index, OUTSIDE_EVENTS)) {
    try_port(one);
  } else {
    end(one);
  }
}

static bool is_full(void) { return all.count >= PASSAGES_MAX; }

static void take(void) {
  while (!is_full() && all.listener >= 0) {
    int fd = accept4(all.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      begin(fd);
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno == EAGAIN) return;
    break;
  }
  /* Heard again when it is tidied up next. */
  hear(false);
  if (all.due_ms == UINT64_MAX) look_soon();
}

static void resume(void) {
  if (all.more == 0) return;
  for (uint32_t i = 0; i < all.used; i++) {
    if (table[i].stage == MOVING && table[i].has_more) move(&table[i]);
  }
}

static void serve(const struct epoll_event *event) {
  struct passage *one = &table[(uint32_t)event->data.u64];
  if (one->stage == UNUSED) return;
  if (event->data.u64 >> 32 == ABOUT_INSIDE) hear_inside(one);
  else if (one->stage == MOVING) move(one);
  else if (event->events & (EPOLLHUP | EPOLLERR)) end(one);
}

void ingress_serve(void) {
  struct epoll_event events[EVENTS];
  bool called = false;
  int count = all.poll < 0 ? 0 : epoll_wait(all.poll, events, EVENTS, 0);
  resume();
  for (int i = 0; i < count; i++) {
    if (events[i].data.u64 >> 32 == ABOUT_LISTENER) called = true;
    else serve(&events[i]);
  }
  /* Only now: a passage that has ended may have events left, which are no new one's. */
  if (called) take();
}

/* ---- time ---- */

/* Where nothing listens for the first, nothing does for the others. */
static void try_refused(void) {
  for (uint32_t i = 0; i < all.used && all.refused > 0; i++) {
    if (table[i].stage != REFUSED) continue;
    try_port(&table[i]);
    if (table[i].stage == REFUSED) return;
  }
}

static bool is_queue_empty(void) {
  struct pollfd polled = {all.listener, POLLIN, 0};
  return poll(&polled, 1, 0) == 0;
}

static bool is_all_let_in(void) {
  if (all.listener < 0 || !is_queue_empty()) return false;
  return all.listen == LISTEN_BY_FD || (all.reachable && all.refused + all.connecting == 0);
}

/* Whether the clock is what tells us of something. */
static bool is_waiting(void) {
  if (all.ended_ms > 0) return false;
  return all.refused > 0 || (all.poll >= 0 && !all.hears) ||
         (all.listen == LISTEN_BY_FD && all.awaited > 0);
}

int ingress_tidy(void) {
  uint64_t now = now_ms();
  if (all.more > 0) return 0;
  if (all.ended_ms > now) return (int)(all.ended_ms - now);
  if (now >= all.due_ms) {
    try_refused();
    hear(!is_full());
    all.wait_ms = all.wait_ms * 2 > RETRY_MOST_MS ? RETRY_MOST_MS : all.wait_ms * 2;
    all.due_ms = now + (uint64_t)all.wait_ms;
  }
  if (!is_waiting()) all.due_ms = UINT64_MAX;
  return all.due_ms == UINT64_MAX ? -1 : (int)(all.due_ms - now);
}

void ingress_await(void) {
  all.awaited++;
  if (all.poll >= 0) take();
  look_soon();
}

uint32_t ingress_let_in(void) {
  if (all.awaited == 0 || !is_all_let_in()) return 0;
  uint32_t answers = all.awaited;
  all.awaited = 0;
  return answers;
}

/* ---- the end ---- */

bool ingress_end(void) {
  uint64_t now = now_ms();
  if (all.listener >= 0) close(all.listener);
  all.listener = -1;
  if (all.ended_ms == 0) all.ended_ms = now + DELIVER_MS;
  for (uint32_t i = 0; i < all.used; i++) {
    struct passage *one = &table[i];
    if (one->stage == UNUSED) continue;
    if (one->stage != MOVING || one->flow.out.shut || now >= all.ended_ms) end(one);
  }
  return all.count == 0;
}

void ingress_release(void) { flow_release(); }
