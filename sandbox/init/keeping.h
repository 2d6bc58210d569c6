/* What a keeper and init share: the keeper's own part (keeping.c), and init's (keeper.c). */
#ifndef KHACHAPURI_KEEPING_H
#define KHACHAPURI_KEEPING_H

#include "program.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

enum state {
  FREE,
  READY,     /* waits for a task */
  USED,      /* has one */
  RETURNING, /* has done it, and makes fresh what its run has left */
  EXITING,   /* has done its part, but is not reaped yet */
};

/* What a keeper that waits is told to do. */
enum go { WAIT, BEGIN, LEAVE };

/* How far a keeper is with making all fresh; init may wait for it. */
enum returned { NOT_YET, AWAITED, FRESH, SPOILT };

struct stacks {
  uint8_t keeper[8192], program[8192];
};

struct keeper {
  enum state state;
  pid_t pid;
  const struct settings *settings;
  int done_fd;
  struct task task;
  uint32_t go;             /* futex: enum go */
  uint32_t returned;       /* futex: enum returned */
  uint32_t runs;           /* that it has served */
  bool renewable;          /* it can make fresh what a run has left */
  uint32_t end;            /* not 0: the run is to end now */
  uint32_t stop;           /* not 0: it is to stop all of it, and again when the number changes */
  uint32_t stops;          /* numbers that `stop` has had; init's */
  uint32_t stopped;        /* the last of them by which it has stopped all of it */
  uint32_t program_waits;  /* not 0: the program does not go on with the others */
  uint32_t terminate;      /* not 0: the program is to be told to end */
  volatile uint32_t begun; /* the program has its own copies of the descriptors */
  struct outcome outcome;
  struct rusage earlier; /* what runs before this one took */
  struct rusage itself;  /* the time that it had taken itself when this one began */
  struct stacks *stacks;
};

/* For raw_clone with a struct keeper: becomes a keeper, which never returns. */
void keeping_main(void *keeper);

/* Of what the kernel counts for all of a keeper's runs, the part of the one under way. */
struct rusage keeping_since(const struct rusage *earlier, const struct rusage *usage);

#endif
