/*
 * Pid 1 of a deployment's sandbox: starts the runs that the provider's frames ask for, carries
 * their bytes under windows, ends them on time and reports. It exits when the provider or the
 * supervisor is gone, and the kernel then kills every run.
 */
#include "inside.h"
#include "callers_time.h"
#include "calls.h"
#include "confine.h"
#include "descriptors.h"
#include "freeze.h"
#include "ingress.h"
#include "input.h"
#include "network.h"
#include "output.h"
#include "pipes.h"
#include "share.h"
#include "sys.h"
#include "usage.h"
#include "watch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
  RELEASE_AFTER_MS = 1000, /* without a run, the buffers' memory */
  REAP_WITHIN_MS = 10,     /* dismissed keepers */
  CLOSE_WITHIN_MS = 1,     /* our copies of the program's ends, once it has started */
};

/* Where the descriptors that are always polled stand; those of the runs follow. */
enum {
  POLL_INPUT,
  POLL_SUPERVISOR,
  POLL_DEATHS,
  POLL_DONE,
  POLL_OUTPUT,
  POLL_SESSIONS,
  POLL_RELAY,
  POLL_INGRESS,
  POLL_RUNS,
};

static struct inside inside;

static void drain_signals(void) {
  struct signalfd_siginfo seen[8];
  while (read(inside.signals, seen, sizeof seen) > 0) continue;
}

static void reap(void) {
  struct rusage usage;
  int status;
  for (pid_t pid; (pid = wait4(-1, &status, WNOHANG, &usage)) > 0;) {
    if (WIFSTOPPED(status)) {
      sessions_stopped(&inside.sessions, pid, status);
      continue;
    }
    struct keeper *keeper = keeper_reaped(pid, &usage, &inside.prepare_failed);
    for (uint32_t i = 0; keeper && i < inside.runs; i++) {
      struct run *run = &inside.run[i];
      if (run->busy && !run->dead && run->keeper == keeper) run_died(run, status, &usage);
    }
  }
}

static void handle_setup(uint8_t *payload, size_t length) {
  if (inside.ready) protocol_error("second setup");
  if (!settings_parse(&inside.settings, payload, length)) protocol_error("malformed setup");
  if (inside.settings.program[0]) show_program(inside.settings.program);
  take_limits(&inside.settings);
  if (inside.settings.listeners > 0) {
    network_open(RELAY);
    drop_network_rights();
    inside.calls_out = true;
  }
  if (inside.settings.listen) {
    ingress_open(inside.settings.listen);
    slots_ask_freezer(&inside.slots);
  }
  pipes_filtered(inside.settings.secret);
  inside.sessions = (struct sessions){
      .listener = install_filter(&inside.settings.filter),
      .shared_out = inside.slots.controllers & CONTROLLER_CPU,
      .secret = inside.settings.secret,
  };
  inside.ready = true;
  /* Only now: what fails before this is for want of something, and no program's doing. */
  struct ready_payload ready = {inside.slots.controllers};
  memcpy(output_begin(), &ready, sizeof ready);
  output_commit(FRAME_READY, 0, sizeof ready);
}

/* Takes the frames that only a server gets; false: it is another. */
static bool handle_for_server(const struct frame_header *frame, struct run *run) {
  switch (frame->type) {
    case FRAME_FREEZE:
    case FRAME_THAW:
      freeze_set(&inside, run, frame->type == FRAME_FREEZE);
      return true;
    case FRAME_TERMINATE:
      freeze_set(&inside, run, false);
      if (run->busy && !run->dead) keeper_terminate(run->keeper);
      return true;
    case FRAME_MEASURE:
      calls_ask(&inside);
      usage_tell(&inside, run);
      return true;
    case FRAME_AWAIT:
      ingress_await();
      return true;
    default:
      return false;
  }
}

static void handle_frame(const struct frame_header *frame, uint8_t *payload) {
  if (frame->type == FRAME_SETUP) {
    handle_setup(payload, frame->length);
    return;
  }
  if (!inside.ready || frame->run >= RUNS_MAX) protocol_error("frame out of order");
  struct run *run = &inside.run[frame->run];
  struct command *command;
  if (inside.settings.listen && handle_for_server(frame, run)) return;
  switch (frame->type) {
    case FRAME_START:
      if (run->busy) protocol_error("start of a busy run");
      command = command_parse(payload, frame->length);
      if (!command) protocol_error("malformed start");
      inside.released = false;
      if (keepers_exiting()) reap();
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
      if (!run_credit(run, payload, frame->length)) protocol_error("credit overrun");
      return;
    case FRAME_EXTEND:
      if (!run_extend(run, payload, frame->length)) protocol_error("malformed extension");
      return;
    case FRAME_KILL:
      run_end(run, CAUSE_ABORTED);
      return;
    default:
      protocol_error("unknown frame");
  }
}

/* Takes note of the runs that keepers say are over. The keepers' own deaths are reaped later. */
static void collect_finished(void) {
  uint64_t times;
  if (read(inside.done_fd, &times, sizeof times) < 0) return;
  for (uint32_t i = 0; i < inside.runs; i++) {
    struct run *run = &inside.run[i];
    if (run->busy && !run->dead && keeper_over(run->keeper)) {
      inside.prepare_failed = false;
      int status = run->cause == CAUSE_NONE ? 0 : SIGKILL;
      run_died(run, status, &keeper_outcome(run->keeper)->usage);
    }
  }
}

/*
 * Whether to listen for SIGCHLD. A keeper that was killed writes nothing to `done_fd`, so its death
 * is how we learn that its run is over. While dismissed keepers exit and no run is being killed we
 * do not listen, as each of them would wake us: they are reaped within REAP_WITHIN_MS.
 */
static bool awaits_deaths(void) {
  if (inside.sessions.asked > 0) return true;
  for (uint32_t i = 0; i < inside.runs; i++) {
    const struct run *run = &inside.run[i];
    if (run->busy && !run->dead && run->cause != CAUSE_NONE) return true;
  }
  return !keepers_exiting();
}

/* Fills `polled`: three descriptors of each run, whose owner it notes, but of those held back. */
static nfds_t fill_polled(struct pollfd *polled, struct run **owners, uint64_t *held_us) {
  nfds_t count = POLL_RUNS;
  polled[POLL_INPUT] = (struct pollfd){CHANNEL_IN, POLLIN, 0};
  polled[POLL_SUPERVISOR] = (struct pollfd){SUPERVISOR, 0, 0};
  polled[POLL_DEATHS] = (struct pollfd){awaits_deaths() ? inside.signals : -1, POLLIN, 0};
  polled[POLL_DONE] = (struct pollfd){inside.done_fd, POLLIN, 0};
  polled[POLL_OUTPUT] = (struct pollfd){output_is_empty() ? -1 : CHANNEL_OUT, POLLOUT, 0};
  polled[POLL_SESSIONS] = (struct pollfd){inside.ready ? inside.sessions.listener : -1, POLLIN, 0};
  bool room = output_room() > CHUNK_BYTES_MAX + 2 * OUTPUT_RESERVE;
  polled[POLL_RELAY] = (struct pollfd){inside.calls_out && room ? RELAY : -1, POLLIN, 0};
  polled[POLL_INGRESS] = (struct pollfd){ingress_fd(), POLLIN, 0};
  for (uint32_t i = 0; i < inside.runs; i++) {
    struct run *run = &inside.run[i];
    if (!run->busy) continue;
    run_close_program_ends(run);
    bool wanted = room && !run_holds_back(run, held_us);
    int fds[] = {wanted && run_is_read(run) ? run->out : -1, wanted ? run->err : -1,
                 run->pending_end > run->pending_start ? run->in : -1};
    for (int k = 0; k < 3; k++) {
      owners[count] = run;
      polled[count++] = (struct pollfd){fds[k], k == 2 ? POLLOUT : POLLIN, 0};
    }
  }
  return count;
}

/* The sooner of two times in milliseconds, of which -1 is never. */
static int sooner(int64_t a, int64_t b) { return (int)(a < 0 || (b >= 0 && b < a) ? b : a); }

/* Milliseconds until something has to be done that no descriptor announces; -1: nothing. */
static int timeout_ms(void) {
  uint64_t now = now_ms(), nearest = UINT64_MAX, first_begun = UINT64_MAX;
  bool starting = false, lives = false;
  for (uint32_t i = 0; i < inside.runs; i++) {
    const struct run *run = &inside.run[i];
    if (!run->busy || run->dead) continue;
    bool ending = run->cause != CAUSE_NONE;
    uint64_t due = ending ? run->kill_ms : run->deadline_ms;
    lives = true;
    if (!ending && run->begun_ms < first_begun) first_begun = run->begun_ms;
    starting = starting || run->program_ends[1] >= 0;
    if (due < nearest) nearest = due;
  }
  if (nearest < now) nearest = now;
  int watch = inside.frozen ? -1 : watch_runs(&inside, first_begun);
  int left = inside.released ? -1 : RELEASE_AFTER_MS;
  int64_t due = nearest - now > INT_MAX ? -1 : (int64_t)(nearest - now);
  if (lives) left = sooner(due, sooner(watch, freeze_watch(&inside)));
  left = sooner(left, callers_time_due(&inside));
  left = sooner(left, ingress_tidy());
  if (keepers_exiting()) left = sooner(left, REAP_WITHIN_MS);
  return starting ? sooner(left, CLOSE_WITHIN_MS) : left;
}

/* Gives back the memory that bursts have left in the buffers, unless something is going on. */
static void release_buffers(void) {
  for (uint32_t i = 0; i < inside.runs; i++) {
    if (inside.run[i].busy) return;
  }
  if (!input_is_empty() || !output_is_empty()) return;
  if (keepers_retire()) return;
  input_release();
  output_release();
  keepers_release();
  inside.released = true;
}

static void end_overdue(void) {
  uint64_t now = now_ms();
  for (uint32_t i = 0; i < inside.runs; i++) {
    struct run *run = &inside.run[i];
    if (run->busy && !run->dead && run->deadline_ms <= now) run_end(run, CAUSE_TIMEOUT);
    run_insist(run, now);
  }
}

static void dispatch(const struct pollfd *polled, struct run **owners, nfds_t count) {
  static nfds_t turn; /* all begin with another: the first ones would leave the others no room */
  for (nfds_t k = POLL_RUNS; k < count; k += 3) {
    nfds_t i = POLL_RUNS + (k - POLL_RUNS + 3 * turn) % (count - POLL_RUNS);
    if (polled[i].revents) run_read_stdout(owners[i]);
    if (polled[i + 1].revents) run_read_stderr(owners[i]);
    if (polled[i + 2].revents) run_feed(owners[i]);
  }
  turn++;
  if (polled[POLL_SUPERVISOR].revents) _exit(0);
  if (polled[POLL_RELAY].revents) calls_hear(&inside);
  if (polled[POLL_DONE].revents) collect_finished();
  if (polled[POLL_SESSIONS].revents & POLLIN) sessions_take(&inside.sessions);
  if (polled[POLL_DEATHS].revents) {
    drain_signals();
    reap();
  }
  if (polled[POLL_INPUT].revents) input_read(handle_frame);
}

/*
 * Waits for one of `polled`, or until something is due. Where a keeper can be made ahead of need it
 * does not wait: it makes one when nothing else is to be done.
 */
static int wait_for_events(struct pollfd *polled, nfds_t count, uint64_t held_us) {
  struct timespec wait = {0};
  bool ahead = inside.ready && !inside.settings.listen && !inside.prepare_failed && keeper_wanted();
  int left = ahead ? 0 : timeout_ms();
  if (left > 0) wait = (struct timespec){left / 1000, left % 1000 * 1000000};
  if (held_us > 0 && !ahead) {
    wait = (struct timespec){0, (long)held_us * 1000};
    left = 0; /* what is held back is due first */
  }
  int ready = ppoll(polled, count, left < 0 ? NULL : &wait, NULL);
  if (ready < 0 && errno != EINTR) fatal("poll");
  if (ready == 0 && ahead) {
    inside.prepare_failed = !keeper_prepare(&inside.settings, inside.done_fd);
  } else if (ready == 0 && keepers_exiting()) {
    reap();
  } else if (ready == 0) {
    release_buffers();
  }
  return ready;
}

/* Whether nothing of a server's answers is left on the way. */
static bool is_delivered(const struct run *run) {
  return !inside.settings.listen || !run->dead || ingress_end();
}

static void tell_let_in(void) {
  for (uint32_t i = ingress_let_in(); i > 0 && output_room() > OUTPUT_RESERVE; i--) {
    output_begin();
    output_commit(FRAME_LISTENING, 0, 0);
  }
}

static void serve(void) {
  static struct pollfd polled[POLL_RUNS + 3 * RUNS_MAX];
  static struct run *owners[POLL_RUNS + 3 * RUNS_MAX];
  for (;;) {
    uint64_t held_us = 0;
    nfds_t count = fill_polled(polled, owners, &held_us);
    int ready = wait_for_events(polled, count, held_us);
    /* No descriptor tells of what a turn has left. */
    if (polled[POLL_INGRESS].revents || ingress_tidy() == 0) ingress_serve();
    if (ready > 0) dispatch(polled, owners, count);
    callers_time_look(&inside);
    end_overdue();
    calls_settle(&inside);
    for (uint32_t i = 0; i < inside.runs; i++) {
      struct run *run = &inside.run[i];
      if (run->busy && run->settled_by <= inside.answered && is_delivered(run)) run_finish(run);
    }
    while (inside.runs > 0 && !inside.run[inside.runs - 1].busy) inside.runs--;
    tell_let_in();
    output_flush();
  }
}

/*
 * Blocks every signal, so that one from a program does nothing here, and has SIGCHLD come by a
 * descriptor. Each signal also gets its default action, as a program inherits what is ignored here.
 * By system calls, because libc does neither to the three signals that it keeps for itself.
 */
static void open_signals(void) {
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
  inside.done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (inside.signals < 0 || inside.done_fd < 0) fatal("signalfd");
}

int inside_main(void) {
  close(HELPER);
  open_signals();
  schedule_as_batch();
  seal_mounts();
  drop_rights();
  if (fcntl(SUPERVISOR, F_SETFD, FD_CLOEXEC)) fatal("no supervisor");
  for (int fd = RELAY; fd <= INGRESS; fd++) fcntl(fd, F_SETFD, FD_CLOEXEC);
  inside.has_one_share = sessions_share();
  /* Runs without cgroups of their own must not see the machine's. */
  bool has_slots = slots_open(&inside.slots, SUPERVISOR, &inside.settings.last_pid);
  if (!has_slots && unshare(CLONE_NEWCGROUP)) fatal("cgroup namespace");
  inside.null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (inside.null < 0) fatal("/dev/null");
  input_open();
  for (uint32_t i = 0; i < RUNS_MAX; i++) {
    inside.run[i] = RUN_NONE;
    inside.run[i].index = i;
  }
  make_nonblocking(CHANNEL_OUT);
  serve();
  return 0;
}
