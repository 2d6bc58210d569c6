#include "run.h"
#include "descriptors.h"
#include "inside.h"
#include "listening.h"
#include "output.h"
#include "pipes.h"
#include "sys.h"
#include "unwaited.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
  HELD_BYTES_MAX = 8192,
  /*
   * Scripts and interpreters that have printed take some tenths of a millisecond to end. A stream's
   * first byte waits so long, too (`deno task bench egress`, "first byte").
   */
  HELD_US = 300,
  END_MS = 500,
};

static void close_fd(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

static void close_all(struct run *run) {
  close_fd(&run->in);
  close_fd(&run->out);
  close_fd(&run->err);
  for (int i = 0; i < 3; i++) close_fd(&run->program_ends[i]);
  free(run->pending);
  run->pending = NULL;
  run->pending_start = run->pending_end = 0;
}

void run_close_program_ends(struct run *run) {
  if (!run->keeper || !(run->dead || keeper_begun(run->keeper))) return;
  for (int i = 0; i < 3; i++) close_fd(&run->program_ends[i]);
}

/* Our end goes to `ours` and does not block; the program's end is returned, -1 on failure. */
static int make_pipe(int *ours, bool we_read) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC)) return -1;
  *ours = ends[we_read ? 0 : 1];
  fcntl(*ours, F_SETFL, O_NONBLOCK);
  return ends[we_read ? 1 : 0];
}

static void start_failed(struct run *run) {
  run->outcome = (struct outcome){.start_errno = errno, .start_step = STEP_NAMESPACES};
  run->cause = CAUSE_START;
  run->dead = true;
  close_all(run);
}

void run_begin(struct inside *inside, struct run *run, struct command *command) {
  uint32_t index = run->index;
  *run = RUN_NONE;
  run->index = index;
  run->busy = true;
  keepers_make_room();
  run->settings = &inside->settings;
  run->command = command;
  run->credit = STDOUT_WINDOW_BYTES;
  run->begun_ms = now_ms();
  bool is_server = inside->settings.listen != 0;
  run->deadline_ms = is_server ? UINT64_MAX : run->begun_ms + inside->settings.timeout_ms;
  run->held_until_us = is_server ? 1 : 0; /* what a server prints is never held back */
  run->slot = slot_take(&inside->slots);
  run->stdin_ended = !command->has_stdin;
  if (command->has_stdin) run->program_ends[0] = make_pipe(&run->in, false);
  run->program_ends[1] = make_pipe(&run->out, true);
  /* What a server prints is one stream, so that it stays in order. */
  if (!is_server) run->program_ends[2] = make_pipe(&run->err, true);
  int err = run->program_ends[is_server ? 1 : 2];
  int in = command->has_stdin ? run->program_ends[0] : inside->null;
  /* Where runs have cgroups, none goes without its limits. */
  bool limited = run->slot || inside->slots.count == 0;
  if (!limited) errno = EAGAIN;
  if (limited && in >= 0 && run->program_ends[1] >= 0 && err >= 0) {
    int listener = inside->settings.listen == LISTEN_BY_FD ? INGRESS : -1;
    struct task task = {command, run->slot, {in, run->program_ends[1], err}, listener};
    run->keeper = keeper_start(&inside->settings, inside->done_fd, &task);
  }
  if (!run->keeper) start_failed(run);
}

void run_end(struct run *run, enum cause cause) {
  if (!run->busy) return;
  bool first = run->cause == CAUSE_NONE;
  if (first) {
    run->cause = cause;
    /* A server is ended, too, because it does not listen where it should: then where does it? */
    bool is_asked = cause == CAUSE_TIMEOUT || (run->settings->listen && cause == CAUSE_ABORTED);
    if (is_asked && !run->dead) run->listening_port = listening_port();
  }
  if (run->dead) {
    if (!run->settings->listen) close_fd(&run->out);
  } else if (first) {
    run->kill_ms = now_ms() + END_MS;
    keeper_end(run->keeper);
  }
}

void run_insist(struct run *run, uint64_t now) {
  if (!run->busy || run->dead || run->cause == CAUSE_NONE || now < run->kill_ms) return;
  run->kill_ms = UINT64_MAX;
  keeper_kill(run->keeper);
}

bool run_extend(struct run *run, const uint8_t *payload, uint32_t length) {
  struct extend_payload extend;
  if (length != sizeof extend) return false;
  memcpy(&extend, payload, sizeof extend);
  if (run->busy && !run->dead && run->cause == CAUSE_NONE && run->deadline_ms < UINT64_MAX) {
    run->deadline_ms += extend.ms;
  }
  return true;
}

/* ---- stdin ---- */

static void send_credit(const struct run *run, uint32_t bytes) {
  struct credit_payload credit = {bytes};
  memcpy(output_begin(), &credit, sizeof credit);
  output_commit(FRAME_STDIN_CREDIT, run->index, sizeof credit);
}

/* The program reads no more. */
static void stop_stdin(struct run *run) {
  close_fd(&run->in);
  run->pending_start = run->pending_end = 0;
  if (!run->stdin_ended) send_credit(run, STDIN_CLOSED);
}

/* Tells the provider how much the program has taken, in steps of half a window: few frames. */
static void report_taken(struct run *run) {
  if (run->unreported < STDIN_WINDOW_BYTES / 2 || run->stdin_ended) return;
  send_credit(run, run->unreported);
  run->unreported = 0;
}

/* How much the program's stdin took now; -1 when it is closed. */
static int64_t write_stdin(struct run *run, const uint8_t *bytes, uint32_t length) {
  uint32_t done = 0;
  while (done < length) {
    ssize_t sent = write(run->in, bytes + done, length - done);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) break;
    if (sent < 0) return -1;
    done += (uint32_t)sent;
  }
  if (done >= PIPE_BYTES) pipe_widen(&run->in_is_wide, run->in);
  run->stdin_bytes += done;
  run->unreported += done;
  return done;
}

void run_feed(struct run *run) {
  uint32_t left = run->pending_end - run->pending_start;
  if (run->in >= 0 && left > 0) {
    int64_t taken = write_stdin(run, run->pending + run->pending_start, left);
    if (taken < 0) {
      stop_stdin(run);
      return;
    }
    run->pending_start += (uint32_t)taken;
  }
  if (run->pending_start == run->pending_end) {
    run->pending_start = run->pending_end = 0;
    if (run->stdin_ended) close_fd(&run->in);
  }
  report_taken(run);
}

bool run_stdin(struct run *run, const uint8_t *bytes, uint32_t length) {
  if (run->stdin_ended) return false;
  if (run->in < 0) return true;
  if (run->pending_end - run->pending_start + length > STDIN_WINDOW_BYTES) return false;
  if (run->pending_end == 0) {
    int64_t taken = write_stdin(run, bytes, length);
    if (taken < 0) {
      stop_stdin(run);
      return true;
    }
    bytes += taken;
    length -= (uint32_t)taken;
    report_taken(run);
    if (length == 0) return true;
  }
  if (!run->pending && !(run->pending = malloc(2 * STDIN_WINDOW_BYTES))) fatal("memory");
  if (run->pending_end + length > 2 * STDIN_WINDOW_BYTES) {
    run->pending_end -= run->pending_start;
    memmove(run->pending, run->pending + run->pending_start, run->pending_end);
    run->pending_start = 0;
  }
  memcpy(run->pending + run->pending_end, bytes, length);
  run->pending_end += length;
  return true;
}

/* ---- stdout and stderr ---- */

static size_t smaller(uint64_t a, uint64_t b) { return (size_t)(a < b ? a : b); }

/*
 * After a read that failed: whether a later one may succeed. A dead run's pipe is at its end for
 * us, though another process may have been passed its other end.
 */
static bool may_come_later(const struct run *run) {
  return errno == EINTR || (errno == EAGAIN && !run->dead);
}

bool run_credit(struct run *run, const uint8_t *payload, uint32_t length) {
  struct credit_payload credit;
  if (length != sizeof credit) return false;
  memcpy(&credit, payload, sizeof credit);
  if (run->busy && credit.bytes > STDOUT_WINDOW_BYTES - run->credit) return false;
  run->credit += credit.bytes;
  return true;
}

bool run_may_print(const struct run *run) { return run->credit >= PIPE_BYTES; }

bool run_holds_back(const struct run *run, uint64_t *us) {
  if (run->dead || run->held_until_us == 0) return false;
  uint64_t now = now_us();
  if (run->held_until_us <= now) return false;
  uint64_t left = run->held_until_us - now;
  if (*us == 0 || left < *us) *us = left;
  return true;
}

/*
 * Most programs print once and end: what is printed first is left where it is for a moment, and
 * then goes out together with EXIT.
 */
static bool prints_first(struct run *run) {
  if (run->held_until_us > 0 || run->dead) return false;
  int bytes = pipe_holds(run->out);
  bool holds = bytes > 0 && bytes <= HELD_BYTES_MAX;
  if (bytes > 0) run->held_until_us = now_us() + (holds ? HELD_US : 0);
  return holds;
}

bool run_is_read(const struct run *run) {
  return run_may_print(run) && !(run->out_is_wide && output_is_moving());
}

/* Where much comes it goes on as it is; false: it is to be read. */
static bool move_stdout(struct run *run, size_t want) {
  if (!run->out_is_wide || run->dead || pipe_holds(run->out) < PIPE_BYTES) return false;
  uint64_t allowed = run->settings->stdout_bytes_max - run->stdout_bytes;
  size_t got = output_move(FRAME_STDOUT, run->index, run->out, smaller(allowed, want));
  run->stdout_bytes += got;
  run->credit -= (uint32_t)got;
  return got > 0;
}

void run_read_stdout(struct run *run) {
  if (run->out < 0 || output_room() < CHUNK_BYTES_MAX + OUTPUT_RESERVE) return;
  if (prints_first(run)) return;
  /* Once the run is dead at most a pipe's content is left, which is sent whatever the window. */
  uint32_t window = run->dead ? (uint32_t)run->out_left : run->credit;
  size_t want = smaller(window, CHUNK_BYTES_MAX - sizeof(struct frame_header));
  if (!run->dead && !run_is_read(run)) return;
  if (move_stdout(run, want)) return;
  ssize_t got = want == 0 ? 0 : read(run->out, output_begin(), want);
  if (got < 0 && may_come_later(run)) return;
  if (got <= 0) {
    close_fd(&run->out);
    return;
  }
  if (run->dead) run->out_left -= (int)got;
  else if (got > PIPE_BYTES / 2) pipe_widen(&run->out_is_wide, run->out);
  size_t room = smaller(run->settings->stdout_bytes_max - run->stdout_bytes, (uint64_t)got);
  run->stdout_bytes += room;
  run->credit -= (uint32_t)smaller(run->credit, room);
  if (room > 0) output_commit(FRAME_STDOUT, run->index, room);
  if (room == (size_t)got) return;
  run_end(run, CAUSE_STDOUT);
  close_fd(&run->out);
}

void run_read_stderr(struct run *run) {
  if (run->err < 0 || output_room() < CHUNK_BYTES_MAX + OUTPUT_RESERVE) return;
  size_t want = run->dead ? smaller((uint32_t)run->err_left, CHUNK_BYTES_MAX) : CHUNK_BYTES_MAX;
  ssize_t got = want == 0 ? 0 : read(run->err, output_begin(), want);
  if (got < 0 && may_come_later(run)) return;
  if (got <= 0) {
    close_fd(&run->err);
    return;
  }
  if (run->dead) run->err_left -= (int)got;
  uint64_t max = run->settings->stderr_bytes_max;
  uint64_t left = max > run->stderr_bytes ? max - run->stderr_bytes : 0;
  size_t room = smaller(left, (uint64_t)got);
  run->stderr_bytes += (uint64_t)got;
  if (room > 0) output_commit(FRAME_STDERR, run->index, room);
}

/* ---- the end ---- */

void run_died(struct run *run, int status, const struct rusage *usage) {
  run->dead = true;
  /* What others write to them later is not the run's. */
  run->out_left = pipe_holds(run->out);
  run->err_left = pipe_holds(run->err);
  run->status = status;
  run->outcome = *keeper_outcome(run->keeper);
  uint64_t waited_us = (uint64_t)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000000u +
                       (uint64_t)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec);
  run->used.cpu_us = unwaited_total(run, waited_us);
  run->used.peak_bytes = (uint64_t)usage->ru_maxrss * 1024u;
  run_close_program_ends(run);
  if (run->in >= 0) stop_stdin(run);
}

static void report(struct run *run) {
  const struct outcome *outcome = &run->outcome;
  if (run->watched_bytes > run->used.peak_bytes) run->used.peak_bytes = run->watched_bytes;
  struct used used = run->slot ? slot_read(run->slot, run->used) : run->used;
  if (used.out_of_memory && run->cause == CAUSE_NONE) run->cause = CAUSE_MEMORY;
  if (outcome->start_errno && outcome->start_step != STEP_EXEC && run->cause == CAUSE_NONE) {
    run->cause = CAUSE_START;
  }
  struct exit_payload payload = {
      .status = (uint32_t)(outcome->known ? outcome->status : run->status),
      .start_errno = (uint32_t)outcome->start_errno,
      .cause = run->cause,
      .start_step = (uint32_t)outcome->start_step,
      .listening_port = run->listening_port,
      .cpu_us = used.cpu_us,
      .peak_bytes = used.peak_bytes,
      .stdin_bytes = run->stdin_bytes,
      .stdout_bytes = run->stdout_bytes,
      .stderr_bytes = run->stderr_bytes,
  };
  memcpy(output_begin(), &payload, sizeof payload);
  output_commit(FRAME_EXIT, run->index, sizeof payload);
  close_all(run);
  free(run->command);
  /* A keeper that was made slow with its run stays it. */
  bool again = run->cause == CAUSE_NONE && run->level == 0;
  if (run->keeper) keeper_dismiss(run->keeper, again);
  else if (run->slot) run->slot->busy = false;
  run->busy = false;
}

void run_finish(struct run *run) {
  if (!run->dead || output_room() < OUTPUT_RESERVE) return;
  /* What a server printed is no answer, that must not look whole: it may say why it ended. */
  if (run->cause != CAUSE_NONE && !run->settings->listen) close_fd(&run->out);
  while (run->out >= 0 && output_room() >= CHUNK_BYTES_MAX + OUTPUT_RESERVE) run_read_stdout(run);
  while (run->err >= 0 && output_room() >= CHUNK_BYTES_MAX + OUTPUT_RESERVE) run_read_stderr(run);
  if (run->out < 0 && run->err < 0) report(run);
}
