#include "flow.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * What a pipe holds, if the kernel lets us: with 64 KiB a third of the bytes a second pass
 * (`deno task bench egress`, "throughput").
 */
enum { PIECE_BYTES = 512 * 1024 };

/* Pipes that hold nothing, for whoever has bytes next: a connection that rests needs none. */
enum { SPARE_MAX = 8 };

static struct {
  int pipe[SPARE_MAX][2];
  unsigned count;
} spare;

void flow_open(struct flow *flow, int inside) {
  *flow = (struct flow){
      .inside = inside, .outside = -1, .out = {.pipe = {-1, -1}}, .in = {.pipe = {-1, -1}}};
}

static bool take_pipe(struct half *half) {
  if (half->pipe[0] >= 0) return true;
  if (spare.count > 0) {
    memcpy(half->pipe, spare.pipe[--spare.count], sizeof half->pipe);
    return true;
  }
  if (pipe2(half->pipe, O_NONBLOCK | O_CLOEXEC)) return false;
  fcntl(half->pipe[1], F_SETPIPE_SZ, PIECE_BYTES);
  return true;
}

static void close_fd(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

static void close_pipe(struct half *half) {
  close_fd(&half->pipe[0]);
  close_fd(&half->pipe[1]);
}

static void give_pipe(struct half *half) {
  if (half->held > 0 || half->pipe[0] < 0) return;
  if (spare.count == SPARE_MAX) {
    close_pipe(half);
    return;
  }
  memcpy(spare.pipe[spare.count++], half->pipe, sizeof half->pipe);
  half->pipe[0] = half->pipe[1] = -1;
}

void flow_release(void) {
  for (; spare.count > 0; spare.count--) {
    close(spare.pipe[spare.count - 1][0]);
    close(spare.pipe[spare.count - 1][1]);
  }
}

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

/* Nothing goes this way any more. */
static bool drop(struct half *half) {
  close_pipe(half);
  half->held = 0;
  return half->ended = half->shut = true;
}

/* Moves from `from` to `to` until one of them has to wait, or `*share` is used up; false: reset. */
static bool move_half(struct half *half, int from, int to, size_t *share) {
  const unsigned flags = SPLICE_F_MOVE | SPLICE_F_NONBLOCK;
  if (half->shut) return true;
  if (!take_pipe(half)) return false;
  for (;;) {
    if (half->held == 0 && !half->ended) {
      if (*share == 0) return true;
      ssize_t got = splice(from, NULL, half->pipe[1], NULL, smaller(*share, PIECE_BYTES), flags);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && errno == EAGAIN) return true;
      if (got < 0) return false;
      if (got == 0) half->ended = true;
      half->held = (size_t)got;
      *share -= half->held;
    }
    if (half->held == 0) break;
    ssize_t put = splice(half->pipe[0], NULL, to, NULL, half->held, flags);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno == EAGAIN) return true;
    if (put <= 0) return half->lossy && drop(half);
    half->held -= (size_t)put;
    half->bytes += (uint64_t)put;
  }
  if (!half->shut) shutdown(to, SHUT_WR);
  half->shut = true;
  return true;
}

/* The same, with a pipe while it holds bytes. */
static bool carry(struct half *half, int from, int to, size_t *share) {
  bool done = move_half(half, from, to, share);
  give_pipe(half);
  return done;
}

enum flow_state flow_move(struct flow *flow, size_t out, size_t in) {
  if (!carry(&flow->out, flow->inside, flow->outside, &out)) return FLOW_OVER;
  if (!carry(&flow->in, flow->outside, flow->inside, &in)) return FLOW_OVER;
  if (flow->out.shut && flow->in.shut) return FLOW_OVER;
  return out == 0 || in == 0 ? FLOW_HAS_MORE : FLOW_WAITS;
}

/* What was cut off must not look whole. A reset also leaves no port of the machine's taken. */
static void close_socket(int *fd, bool told) {
  const struct linger now = {.l_onoff = 1, .l_linger = 0};
  if (*fd >= 0 && !told) setsockopt(*fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close_fd(fd);
}

void flow_close(struct flow *flow) {
  close_pipe(&flow->out);
  close_pipe(&flow->in);
  close_socket(&flow->inside, flow->in.shut);
  close_socket(&flow->outside, flow->out.shut);
}
