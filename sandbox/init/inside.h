/* A sandbox's init: its state, which inside.c, run.c and watch.c share. */
#ifndef KHACHAPURI_INSIDE_H
#define KHACHAPURI_INSIDE_H

#include "frames.h"
#include "run.h"
#include "sessions.h"
#include "slots.h"

struct inside {
  struct settings settings;
  struct slots slots;
  struct sessions sessions;
  struct run run[RUNS_MAX];
  uint32_t runs;       /* none is busy from this index on */
  bool ready;          /* SETUP has come */
  bool released;       /* nothing runs, and the buffers' memory is given back */
  bool prepare_failed; /* a keeper failed before it got a task: none is made ahead of need now */
  int null;            /* /dev/null */
  int done_fd;         /* eventfd: a run is over */
  int signals;         /* signalfd: a keeper has died */
  bool frozen;         /* the server is to stand still */
  bool has_one_share;  /* of the processors, whatever the number of its threads */
  bool calls_out;      /* there is a relay */
  bool has_called;     /* it has had connections since no run was under way */
  uint32_t asked, answered; /* times that we wanted to know what they used */
};

/* Runs as pid 1 of a sandbox; returns never. */
int inside_main(void);

#endif
