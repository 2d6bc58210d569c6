/*
 * Pid 1 of a deployment's sandbox: reads frames, starts runs, carries their bytes under windows,
 * ends them on time and reports. It leaves when the provider or the supervisor does, and the
 * kernel then kills every run. Descriptors: 0 and 1 frames, 2 diagnostics, 3 the supervisor.
 */
#include "init.h"
#include "inside.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CHANNEL_IN = 0, CHANNEL_OUT = 1, CONTROL = 3 };
enum { REST_AFTER_MS = 1000, REAP_WITHIN_MS = 10, SETTLE_WITHIN_MS = 1, HOLD_US = 150 };
enum { FIXED = 5 /* descriptors that are always polled */ };

static struct inside inside;

/* What arrived and is not yet a whole frame. */
static struct {
  uint8_t *bytes;
  size_t used, size;
} input;

static void protocol_error(const char *what) {
  errno = EPROTO;
  fatal(what);
}

/* ---- output ---- */

size_t output_room(void) { return sizeof inside.out - inside.out_end; }

/* Reserves a frame of up to `length` bytes; its payload is to be written at the result. */
uint8_t *output_begin(void) { return inside.out + inside.out_end + sizeof(struct frame); }

static void append(uint8_t type, uint32_t run, size_t length) {
  struct frame frame = {(uint32_t)length, type, 0, (uint16_t)run};
  memcpy(inside.out + inside.out_end, &frame, sizeof frame);
  inside.out_end += sizeof frame + length;
}

void output_commit(uint8_t type, uint32_t run, size_t length) {
  append(type, run, length);
  inside.hold_until_us = 0;
}

/* Of a frame that most probably has a successor at once, with which it may leave. */
void output_commit_calmly(uint8_t type, uint32_t run, size_t length) {
  if (inside.out_end == 0) inside.hold_until_us = now_us() + HOLD_US;
  append(type, run, length);
}

static void output_flush(void) {
  if (inside.hold_until_us > 0 && now_us() < inside.hold_until_us) return;
  inside.hold_until_us = 0;
  while (inside.out_start < inside.out_end) {
    ssize_t sent =
        write(CHANNEL_OUT, inside.out + inside.out_start, inside.out_end - inside.out_start);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) break;
    if (sent < 0) _exit(0);
    inside.out_start += (size_t)sent;
  }
  if (inside.out_start == inside.out_end) inside.out_start = inside.out_end = 0;
  /* Move what is left to the front, so that there is room for the frames that must go out. */
  if (inside.out_start > sizeof inside.out / 2) {
    memmove(inside.out, inside.out + inside.out_start, inside.out_end - inside.out_start);
    inside.out_end -= inside.out_start;
    inside.out_start = 0;
  }
}

/* ---- deaths ---- */

static void hear_signals(void) {
  struct signalfd_siginfo seen[8];
  while (read(inside.signals, seen, sizeof seen) > 0) continue;
}

static void reap(void) {
  struct rusage usage;
  int status;
  for (pid_t pid; (pid = wait4(-1, &status, WNOHANG, &usage)) > 0;) {
    struct keeper *keeper = keeper_reaped(pid, &inside.unprepared);
    for (uint32_t i = 0; keeper && i < inside.runs; i++) {
      struct run *run = &inside.run[i];
      if (run->busy && !run->dead && run->keeper == keeper) run_died(run, status, &usage);
    }
  }
}

/* ---- input ---- */

static void handle_setup(uint8_t *payload, size_t length) {
  if (inside.ready) protocol_error("second setup");
  if (!settings_parse(&inside.settings, payload, length)) protocol_error("malformed setup");
  take_limits(&inside.settings);
  install_filter(&inside.settings.filter);
  inside.ready = true;
}

static void handle_frame(const struct frame *frame, uint8_t *payload) {
  if (frame->type == FRAME_SETUP) {
    handle_setup(payload, frame->length);
    return;
  }
  if (!inside.ready || frame->run >= RUNS_MAX) protocol_error("frame out of order");
  struct run *run = &inside.run[frame->run];
  struct command *command;
  uint32_t credit = 0;
  switch (frame->type) {
    case FRAME_START:
      if (run->busy) protocol_error("start of a busy run");
      command = command_parse(payload, frame->length);
      if (!command) protocol_error("malformed start");
      inside.resting = false;
      if (keepers_leaving()) reap();
      if (inside.runs <= frame->run) inside.runs = frame->run + 1u;
      run_begin(&inside, run, command);
      return;
    case FRAME_STDIN:
      if (run->busy && !run_stdin(run, payload, frame->length)) protocol_error("stdin overrun");
      return;
    case FRAME_STDIN_END:
      run->stdin_ended = true;
      if (run->busy) run_feed(run);
      return;
    case FRAME_CREDIT:
      if (frame->length != sizeof credit) protocol_error("malformed credit");
      memcpy(&credit, payload, sizeof credit);
      if (credit > STDOUT_WINDOW_BYTES - run->credit && run->busy) protocol_error("credit overrun");
      run->credit += credit;
      return;
    case FRAME_KILL:
      run_end(run, CAUSE_ABORTED);
      return;
    default:
      protocol_error("unknown frame");
  }
}

static uint32_t length_max(uint8_t type) {
  return type == FRAME_START || type == FRAME_SETUP ? START_BYTES_MAX : CHUNK_BYTES_MAX;
}

/* Takes whole frames off the front of the input. */
static void handle_input(void) {
  size_t at = 0;
  while (input.used - at >= sizeof(struct frame)) {
    struct frame frame;
    memcpy(&frame, input.bytes + at, sizeof frame);
    if (frame.zero != 0 || frame.length > length_max(frame.type)) protocol_error("bad header");
    if (input.used - at < sizeof frame + frame.length) break;
    handle_frame(&frame, input.bytes + at + sizeof frame);
    at += sizeof frame + frame.length;
  }
  if (at == 0) return;
  input.used -= at;
  memmove(input.bytes, input.bytes + at, input.used);
}

static void read_channel(void) {
  ssize_t got = read(CHANNEL_IN, input.bytes + input.used, input.size - input.used);
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (got <= 0) _exit(0);
  input.used += (size_t)got;
  handle_input();
}

/* ---- the loop ---- */

/* What keepers have told. Their own deaths follow; nobody waits for those. */
static void hear_bell(void) {
  uint64_t rung;
  if (read(inside.bell, &rung, sizeof rung) < 0) return;
  for (uint32_t i = 0; i < inside.runs; i++) {
    struct run *run = &inside.run[i];
    if (run->busy && !run->dead && keeper_over(run->keeper)) {
      inside.unprepared = false;
      run_died(run, 0, &keeper_outcome(run->keeper)->usage);
    }
  }
}

/* A death that no bell announces: of a keeper that was killed, or that nobody expects to die. */
static bool death_expected(void) {
  for (uint32_t i = 0; i < inside.runs; i++) {
    const struct run *run = &inside.run[i];
    if (run->busy && !run->dead && run->cause != CAUSE_NONE) return true;
  }
  return !keepers_leaving();
}

/* Fills `polled` with what we now want to hear of, the first few being always there. */
static nfds_t interests(struct pollfd *polled, struct run **owners) {
  nfds_t count = 0;
  polled[count++] = (struct pollfd){CHANNEL_IN, POLLIN, 0};
  polled[count++] = (struct pollfd){CONTROL, 0, 0};
  polled[count++] = (struct pollfd){death_expected() ? inside.signals : -1, POLLIN, 0};
  polled[count++] = (struct pollfd){inside.bell, POLLIN, 0};
  bool room = output_room() > CHUNK_BYTES_MAX + 2 * OUTPUT_RESERVE;
  bool stuck = inside.out_end > 0 && inside.hold_until_us == 0;
  polled[count++] = (struct pollfd){stuck ? CHANNEL_OUT : -1, POLLOUT, 0};
  for (uint32_t i = 0; i < inside.runs; i++) {
    struct run *run = &inside.run[i];
    if (!run->busy) continue;
    run_settle(run);
    bool wanted = room && !(run->calm && inside.hold_until_us);
    int fds[] = {wanted && run->credit ? run->out : -1, wanted ? run->err : -1,
                 run->pending_end > run->pending_start ? run->in : -1};
    for (int k = 0; k < 3; k++) {
      owners[count] = run;
      polled[count++] = (struct pollfd){fds[k], k == 2 ? POLLOUT : POLLIN, 0};
    }
  }
  return count;
}

/* The sooner of two times in milliseconds, of which -1 is never. */
static int sooner(int64_t a, int64_t b) {
  if (a < 0 || b < 0) return (int)(a < 0 ? b : a);
  return (int)(a < b ? a : b);
}

/* Milliseconds until something has to be done that no descriptor announces; -1: nothing. */
static int until_deadline(void) {
  uint64_t now = now_ms(), nearest = UINT64_MAX;
  bool any_run = false, unsettled = false;
  for (uint32_t i = 0; i < inside.runs; i++) {
    const struct run *run = &inside.run[i];
    if (!run->busy || run->dead || run->cause != CAUSE_NONE) continue;
    any_run = true;
    unsettled = unsettled || run->theirs[1] >= 0;
    if (run->deadline_ms < nearest) nearest = run->deadline_ms;
  }
  if (nearest < now) nearest = now;
  int look = watch_memory(&inside, any_run);
  int left = any_run ? sooner((int64_t)(nearest - now), look) : inside.resting ? -1 : REST_AFTER_MS;
  if (keepers_leaving()) left = sooner(left, REAP_WITHIN_MS);
  return unsettled ? sooner(left, SETTLE_WITHIN_MS) : left;
}

/* Gives back what bursts have left in the buffers; there is nothing in them. */
static void rest(void) {
  for (uint32_t i = 0; i < inside.runs; i++) {
    if (inside.run[i].busy) return;
  }
  if (input.used > 0 || inside.out_end > 0) return;
  release_pages(input.bytes, input.size);
  release_pages(inside.out, sizeof inside.out);
  keepers_release();
  inside.resting = true;
}

static void end_overdue(void) {
  uint64_t now = now_ms();
  for (uint32_t i = 0; i < inside.runs; i++) {
    struct run *run = &inside.run[i];
    if (run->busy && !run->dead && run->deadline_ms <= now) run_end(run, CAUSE_TIMEOUT);
  }
}

static void attend(const struct pollfd *polled, struct run **owners, nfds_t count) {
  if (polled[1].revents) _exit(0);
  for (nfds_t i = FIXED; i < count; i += 3) {
    if (polled[i].revents) run_read_stdout(owners[i]);
    if (polled[i + 1].revents) run_read_stderr(owners[i]);
    if (polled[i + 2].revents) run_feed(owners[i]);
  }
  if (polled[3].revents) hear_bell();
  if (polled[2].revents) {
    hear_signals();
    reap();
  }
  if (polled[0].revents) read_channel();
}

/* Waits for one of our interests; what can be done ahead of need is done when there is none. */
static int await_any(struct pollfd *polled, nfds_t count) {
  struct timespec wait = {0};
  bool ahead = inside.ready && !inside.unprepared && keeper_wanted();
  int left = ahead ? 0 : until_deadline();
  uint64_t now = inside.hold_until_us ? now_us() : 0;
  if (left > 0) wait = (struct timespec){left / 1000, left % 1000 * 1000000};
  if (inside.hold_until_us && !ahead) {
    uint64_t hold = inside.hold_until_us > now ? inside.hold_until_us - now : 0;
    wait = (struct timespec){0, (long)hold * 1000};
    left = 0;
  }
  int ready = ppoll(polled, count, left < 0 ? NULL : &wait, NULL);
  if (ready < 0 && errno != EINTR) fatal("poll");
  if (ready == 0 && ahead) inside.unprepared = !keeper_prepare(&inside.settings, inside.bell);
  else if (ready == 0 && keepers_leaving()) reap();
  else if (ready == 0) rest();
  return ready;
}

static void serve(void) {
  static struct pollfd polled[FIXED + 3 * RUNS_MAX];
  static struct run *owners[FIXED + 3 * RUNS_MAX];
  for (;;) {
    nfds_t count = interests(polled, owners);
    if (await_any(polled, count) > 0) attend(polled, owners, count);
    end_overdue();
    for (uint32_t i = 0; i < inside.runs; i++) {
      if (inside.run[i].busy) run_finish(&inside.run[i]);
    }
    while (inside.runs > 0 && !inside.run[inside.runs - 1].busy) inside.runs--;
    output_flush();
  }
}

/*
 * From here on a signal reaches us only by signalfd, so a program can at most be heard. What would
 * be ignored here would be in every program. Not by libc, which keeps three signals for itself.
 */
static void take_signals(void) {
  static const unsigned long all = ~0ul;
  static const unsigned long by_default[4]; /* the kernel's own struct sigaction */
  if (syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, sizeof all)) fatal("signal mask");
  for (int number = 1; number <= 64; number++) {
    syscall(SYS_rt_sigaction, number, by_default, NULL, sizeof all);
  }
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  inside.signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
  inside.bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (inside.signals < 0 || inside.bell < 0) fatal("signalfd");
}

int inside_main(void) {
  close(4); /* this very program, by which the launcher started us */
  take_signals();
  yield_to_provider();
  seal_mounts();
  confine();
  if (fcntl(CONTROL, F_SETFD, FD_CLOEXEC)) fatal("no supervisor");
  /* Runs without cgroups of their own are not to see the machine's. */
  if (!slots_open(&inside.slots, CONTROL) && unshare(CLONE_NEWCGROUP)) fatal("cgroup namespace");
  inside.null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (inside.null < 0) fatal("/dev/null");
  input.size = sizeof(struct frame) + START_BYTES_MAX + CHUNK_BYTES_MAX;
  input.bytes = mmap(NULL, input.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (input.bytes == MAP_FAILED) fatal("memory");
  for (uint32_t i = 0; i < RUNS_MAX; i++) {
    inside.run[i] = RUN_NONE;
    inside.run[i].index = i;
  }
  make_nonblocking(CHANNEL_OUT);
  uint32_t controllers = inside.slots.controllers;
  memcpy(output_begin(), &controllers, sizeof controllers);
  output_commit(FRAME_READY, 0, sizeof controllers);
  output_flush();
  serve();
  return 0;
}
