/* One run as init sees it: begin, feed, read, end, report. */
#ifndef KHACHAPURI_RUN_H
#define KHACHAPURI_RUN_H

#include "keeper.h"

struct inside;

struct run {
  uint32_t index;
  const struct settings *settings;
  bool busy, dead, stdin_ended;
  enum cause cause;
  struct keeper *keeper; /* NULL: it could not be started */
  int in, out, err;      /* our ends of the program's pipes; -1 when closed */
  bool in_is_wide, out_is_wide;
  int program_ends[3];   /* open until the program has its own copies */
  struct command *command;
  struct outcome outcome;
  int status;             /* of the keeper */
  uint32_t listening_port; /* when its time ran out; 0: nothing listened */
  int out_left, err_left; /* once it is dead: what its pipes held when it died */
  uint32_t credit;        /* stdout bytes that the provider is ready to take */
  uint32_t unreported;    /* stdin bytes that the program took since the last STDIN_CREDIT */
  uint64_t held_until_us; /* 0: it has printed nothing yet */
  uint64_t begun_ms, deadline_ms;
  uint64_t waits_since_us; /* for its caller (callers_time.h); 0: it does not */
  uint64_t measured_us;    /* when its processor time was looked at in this wait; 0: not yet */
  uint64_t computed_us;    /* what that was */
  uint64_t waited_us;      /* of which the provider has not been told */
  uint64_t kill_ms; /* once it is being ended: when its keeper has had time enough */
  uint64_t stdin_bytes, stdout_bytes, stderr_bytes;
  struct used used;
  uint64_t seen_us;       /* processor time of what lived or was waited for at the last look */
  uint64_t unwaited_us;   /* that was gone at a look (unwaited.h) */
  uint64_t watched_bytes; /* most that watch.c has seen it hold */
  uint32_t runnable;      /* its threads that wanted to run at the last look */
  uint32_t steady;        /* of them, those that did at the look before too */
  int level;              /* how far its priority has sunk (share.c) */
  struct slot *slot;
  uint32_t settled_by; /* which answer of the relay it waits for, once it is dead (inside.c) */
  uint8_t *pending; /* stdin that the program has not taken yet, from start to end */
  uint32_t pending_start, pending_end;
};

#define RUN_NONE (struct run){.in = -1, .out = -1, .err = -1, .program_ends = {-1, -1, -1}}

/* Starts `command`. What goes wrong is told by the run's EXIT frame, like every end. */
void run_begin(struct inside *inside, struct run *run, struct command *command);

/*
 * Closes the program's ends of the pipes here as soon as the program has its own copies: a pipe
 * then ends when the program and those it started close theirs.
 */
void run_close_program_ends(struct run *run);

/* Takes one STDIN frame; false when the provider sent more than its window, or after the end. */
bool run_stdin(struct run *run, const uint8_t *bytes, uint32_t length);

/* Takes one CREDIT frame: stdout that may be sent; false when it is none. */
bool run_credit(struct run *run, const uint8_t *payload, uint32_t length);

/* Whether the provider takes enough for a read: for less, frames would be of some bytes each. */
bool run_may_print(const struct run *run);

/* And whether what it prints is taken now. */
bool run_is_read(const struct run *run);

/*
 * Takes one EXTEND frame: moves the deadline of a run that lives; false when it is none. A run that
 * has met its deadline, or has ended, ends all the same.
 */
bool run_extend(struct run *run, const uint8_t *payload, uint32_t length);

/* Writes what is pending; closes the program's stdin once all is written and no more comes. */
void run_feed(struct run *run);

/*
 * Whether what it has printed is left in its pipes, so that its end can join it. `us` is then made
 * the microseconds for which it is, unless it is less already; 0 is no time yet.
 */
bool run_holds_back(const struct run *run, uint64_t *us);

/* Reads once from stdout into a frame; closes it at its end, ends the run at its cap. */
void run_read_stdout(struct run *run);

/* Reads once from stderr. It is counted to its end and kept to its cap; it never ends the run. */
void run_read_stderr(struct run *run);

/* Ends all that the run started, for `cause` unless it is being ended for another already. */
void run_end(struct run *run, enum cause cause);

/* Kills a keeper that has not ended its run in time. */
void run_insist(struct run *run, uint64_t now);

/* Everything of the run is dead; what it left in its pipes is still to be read. */
void run_died(struct run *run, int status, const struct rusage *usage);

/* Reads what is left of a dead run's pipes, and reports its end when they are dry. */
void run_finish(struct run *run);

#endif
