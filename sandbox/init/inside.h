/* Shared by the parts of `inside`: the loop (inside.c), the life of a run (run.c) and the rest. */
#ifndef KHACHAPURI_INSIDE_H
#define KHACHAPURI_INSIDE_H

#include "init.h"

struct run {
  uint32_t index;
  const struct settings *settings;
  bool busy, dead, stdin_ended;
  bool calm; /* what it printed is held back, and nothing more is read meanwhile */
  enum cause cause;
  struct keeper *keeper;
  int in, out, err;
  int theirs[3]; /* the program's ends, open until it has its own copies */
  struct command *command;
  struct outcome outcome;
  int status; /* of the keeper */
  int out_left, err_left; /* of a dead run: what its pipes held when it died */
  uint32_t credit; /* stdout bytes that the provider is ready to take */
  uint32_t owed;   /* stdin bytes written since we last told the provider */
  uint64_t deadline_ms;
  uint64_t stdin_bytes, stdout_bytes, stderr_bytes;
  struct used used;
  uint64_t watched_bytes; /* most that watch.c has seen it hold */
  struct slot *slot;
  uint8_t *pending; /* stdin that the program has not taken yet */
  uint32_t pending_start, pending_end;
};

#define RUN_NONE (struct run){.in = -1, .out = -1, .err = -1, .theirs = {-1, -1, -1}}

/* Room kept in the output for the frames that no window holds back. */
#define OUTPUT_RESERVE (RUNS_MAX * 128u)

struct inside {
  struct settings settings;
  struct slots slots;
  struct run run[RUNS_MAX];
  uint32_t runs; /* none is busy from this one on */
  bool ready;
  bool resting; /* buffers are given back */
  bool unprepared; /* keepers fail before they get a task: none is made ahead of need */
  int null;
  int bell; /* eventfd: a run is over */
  int signals;
  uint64_t hold_until_us; /* not 0: what is in `out` may wait until then for more */
  size_t out_start, out_end;
  uint8_t out[512u * 1024u];
};

size_t output_room(void);
uint8_t *output_begin(void);
void output_commit(uint8_t type, uint32_t run, size_t length);
void output_commit_calmly(uint8_t type, uint32_t run, size_t length);

void run_begin(struct inside *inside, struct run *run, struct command *command);
bool run_stdin(struct run *run, const uint8_t *bytes, uint32_t length);
void run_feed(struct run *run);
void run_read_stdout(struct run *run);
void run_read_stderr(struct run *run);
void run_end(struct run *run, enum cause cause);
void run_settle(struct run *run);
void run_died(struct run *run, int status, const struct rusage *usage);
void run_finish(struct run *run);

void seal_mounts(void);
void confine(void);
void yield_to_provider(void);
void install_filter(const struct filter *filter);

int watch_memory(struct inside *inside, bool any_run);

#endif
