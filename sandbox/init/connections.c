#include "connections.h"
#include "address.h"
#include "flow.h"
#include "lookup.h"
#include "ports.h"
#include "protocol.h"
#include "rate.h"
#include "route.h"
#include "sys.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
  CONNECTIONS_MAX = 1024,
  KNOWN_MS = 5000,      /* how long what was looked up is taken for true */
  HALF_CLOSED_MS = 15000, /* without a byte: the program may have died */
  SHARE_BYTES = 1024 * 1024, /* that one connection moves before others have their turn */
  WAIT_MS = 10,         /* until a rate that was used up is looked at again */
  TIDY_MS = 500,
  UNSENT_BYTES = 512 * 1024, /* as much as a piece of flow.c */
  UNREAD_BYTES = 208 * 1024,
  ROOMY = 16, /* connections that get the kernel's own, larger buffers, which long ways take */
};

enum stage { UNUSED, LOOKING, CONNECTING, MOVING };

struct connection {
  struct flow flow;
  enum stage stage;
  bool has_more;
  struct name *name;
  uint16_t port;
  uint32_t tried; /* addresses of the name */
  uint64_t due_ms;
};

static struct connection table[CONNECTIONS_MAX];
static struct {
  const struct policy *policy;
  int poll;
  uint32_t tag;
  connection_failed *failed;
  uint32_t count;
  bool has_more; /* some connection was not done when its turn was over */
  struct rate begun, sent, received;
  struct usage usage; /* of those that are over, but for `connections` */
  uint64_t tidied_ms;
} all;

void connections_open(const struct policy *policy, int poll, uint32_t tag,
                      connection_failed *failed) {
  const struct egress_payload *limits = &policy->limits;
  double bytes = (double)limits->bytes_per_second;
  all.policy = policy;
  all.poll = poll;
  all.tag = tag;
  all.failed = failed;
  ports_open();
  if (!route_open()) fatal("routes");
  all.begun = rate_of(limits->connections_per_second, 2 * limits->connections_per_second);
  all.sent = rate_of(bytes, bytes);
  all.received = rate_of(bytes, bytes);
}

uint32_t connections_count(void) { return all.count; }

static bool is_full(void) {
  return all.count >= all.policy->limits.connections || all.count >= CONNECTIONS_MAX;
}

bool connections_admit(void) { return !is_full() && rate_left(&all.begun) >= 1; }

static void count_bytes(struct usage *usage, const struct connection *one) {
  usage->sent_bytes += one->flow.out.bytes;
  usage->received_bytes += one->flow.in.bytes;
}

struct usage connections_usage(void) {
  struct usage usage = all.usage;
  for (uint32_t i = 0; i < CONNECTIONS_MAX; i++) {
    if (table[i].stage == MOVING) count_bytes(&usage, &table[i]);
  }
  return usage;
}

static void end(struct connection *one) {
  if (one->stage == MOVING) count_bytes(&all.usage, one);
  flow_close(&one->flow);
  one->stage = UNUSED;
  one->name->connections--;
  all.count--;
}

static void fail(struct connection *one, uint32_t failure) {
  all.failed(one->name->text, one->port, failure);
  end(one);
}

/* ---- bytes ---- */

static size_t share_of(struct rate *rate) {
  double left = rate_left(rate);
  return left < SHARE_BYTES ? (size_t)(left < 0 ? 0 : left) : SHARE_BYTES;
}

static bool is_half_closed(const struct connection *one) {
  return one->flow.out.shut || one->flow.in.shut;
}

static void wait_for_bytes(struct connection *one) {
  uint32_t idle_ms = all.policy->limits.idle_ms;
  if (is_half_closed(one) && idle_ms > HALF_CLOSED_MS) idle_ms = HALF_CLOSED_MS;
  one->due_ms = now_ms() + idle_ms;
}

static void move(struct connection *one) {
  struct flow *flow = &one->flow;
  uint64_t sent = flow->out.bytes, received = flow->in.bytes;
  bool was_half = is_half_closed(one);
  enum flow_state state = flow_move(flow, share_of(&all.sent), share_of(&all.received));
  all.sent.left -= (double)(flow->out.bytes - sent);
  all.received.left -= (double)(flow->in.bytes - received);
  one->has_more = state == FLOW_HAS_MORE;
  all.has_more = all.has_more || one->has_more;
  bool silent = flow->out.bytes == sent && flow->in.bytes == received;
  if (!silent || was_half != is_half_closed(one)) wait_for_bytes(one);
  if (state == FLOW_OVER) end(one);
}

/* ---- connecting ---- */

/* False when the kernel has no room for it: its user may have so many, and programs have some. */
static bool watch(struct connection *one, int fd) {
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                              .data.u64 = (uint64_t)all.tag << 32 | (uint64_t)(one - table)};
  return epoll_ctl(all.poll, EPOLL_CTL_ADD, fd, &event) == 0;
}

/*
 * Whoever neither reads nor acknowledges would have the kernel queue some ten megabytes at each of
 * our sockets, of memory that all of the machine's connections share: sixteen such connections were
 * seen to take 380 MB.
 */
static void prepare(int fd, bool roomy) {
  const int on = 1, unsent_bytes = UNSENT_BYTES, unread_bytes = UNREAD_BYTES;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_bytes, sizeof unsent_bytes);
  if (!roomy) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &unread_bytes, sizeof unread_bytes);
}

static socklen_t length_of(const struct sockaddr_storage *address) {
  return address->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

/* Begins to connect; false when that cannot be. */
static bool connect_to(struct connection *one, const struct sockaddr_storage *address) {
  int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  prepare(fd, all.count <= ROOMY);
  ports_leave_some(fd);
  if ((connect(fd, (const struct sockaddr *)address, length_of(address)) && errno != EINPROGRESS) ||
      !watch(one, fd)) {
    close(fd);
    return false;
  }
  one->flow.outside = fd;
  one->stage = CONNECTING;
  one->due_ms = now_ms() + all.policy->limits.connect_ms;
  return true;
}

static struct sockaddr_storage with_port(struct sockaddr_storage address, uint16_t port) {
  if (address.ss_family == AF_INET) ((struct sockaddr_in *)&address)->sin_port = htons(port);
  else ((struct sockaddr_in6 *)&address)->sin6_port = htons(port);
  return address;
}

/* Goes on with the next address of its name that may be connected to. */
static void try_next(struct connection *one, uint32_t failure) {
  struct name *name = one->name;
  while (one->tried < name->count) {
    struct sockaddr_storage address = with_port(name->found[one->tried++], one->port);
    if (!address_is_public(&address) || route_is_near(&address)) {
      failure = FAILURE_NOT_PUBLIC;
      continue;
    }
    if (connect_to(one, &address)) return;
    failure = FAILURE_UNREACHABLE;
  }
  fail(one, failure);
}

static void look_up(struct connection *one) {
  struct name *name = one->name;
  if (!name->looking) name->looking = lookup_start(name->text, name->index);
}

static void find_host(struct connection *one) {
  const struct sockaddr_storage *fixed = policy_override(all.policy, one->name->text, one->port);
  if (fixed) {
    if (!connect_to(one, fixed)) fail(one, FAILURE_UNREACHABLE);
  } else if (one->name->known_until_ms > now_ms()) {
    try_next(one, FAILURE_NO_ADDRESS);
  } else {
    one->stage = LOOKING;
    one->due_ms = now_ms() + all.policy->limits.connect_ms;
    look_up(one);
  }
}

void connection_begin(int fd, struct name *name, uint16_t port) {
  struct connection *one = table;
  while (one->stage != UNUSED) one++;
  *one = (struct connection){.stage = LOOKING, .name = name, .port = port};
  flow_open(&one->flow, fd);
  rate_take(&all.begun, 1);
  all.count++;
  name->connections++;
  find_host(one);
}

void connections_found(struct name *name) {
  name->looking = false;
  name->known_until_ms = now_ms() + KNOWN_MS;
  for (uint32_t i = 0; i < CONNECTIONS_MAX; i++) {
    if (table[i].stage == LOOKING && table[i].name == name) try_next(&table[i], FAILURE_NO_ADDRESS);
  }
  /* Those that found too many lookups under way. */
  for (uint32_t i = 0; i < CONNECTIONS_MAX; i++) {
    if (table[i].stage == LOOKING) look_up(&table[i]);
  }
}

static void try_again(struct connection *one) {
  close(one->flow.outside);
  one->flow.outside = -1;
  if (policy_override(all.policy, one->name->text, one->port)) fail(one, FAILURE_UNREACHABLE);
  else try_next(one, FAILURE_UNREACHABLE);
}

static void finish_connecting(struct connection *one) {
  int error = 0;
  struct sockaddr_storage peer;
  socklen_t size = sizeof error, peer_size = sizeof peer;
  getsockopt(one->flow.outside, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error) {
    try_again(one);
    return;
  }
  if (getpeername(one->flow.outside, (struct sockaddr *)&peer, &peer_size)) return;
  one->stage = MOVING;
  all.usage.connections++;
  prepare(one->flow.inside, all.count <= ROOMY);
  wait_for_bytes(one);
  if (watch(one, one->flow.inside)) move(one);
  else end(one);
}

void connection_serve(uint32_t index) {
  struct connection *one = &table[index];
  if (one->stage == CONNECTING) finish_connecting(one);
  else if (one->stage == MOVING) move(one);
}

/* ---- time ---- */

void connections_resume(void) {
  if (!all.has_more) return;
  all.has_more = false;
  for (uint32_t i = 0; i < CONNECTIONS_MAX; i++) {
    if (table[i].stage == MOVING && table[i].has_more) move(&table[i]);
  }
}

static void end_overdue(uint64_t now) {
  for (uint32_t i = 0; i < CONNECTIONS_MAX; i++) {
    struct connection *one = &table[i];
    /* What found no room for a lookup. */
    if (one->stage == LOOKING) look_up(one);
    if (one->stage == UNUSED || one->due_ms > now) continue;
    if (one->stage == MOVING) end(one);
    else if (one->stage == CONNECTING) try_again(one);
    else fail(one, FAILURE_TIMEOUT);
  }
}

int connections_tidy(void) {
  uint64_t now = now_ms();
  if (now - all.tidied_ms >= TIDY_MS) {
    end_overdue(now);
    all.tidied_ms = now;
  }
  if (all.has_more) return rate_left(&all.sent) < 1 || rate_left(&all.received) < 1 ? WAIT_MS : 0;
  if (!is_full() && !connections_admit()) return WAIT_MS;
  return all.count > 0 ? TIDY_MS : -1;
}

void connections_end(void) {
  for (uint32_t i = 0; i < CONNECTIONS_MAX; i++) {
    if (table[i].stage != UNUSED) end(&table[i]);
  }
}
