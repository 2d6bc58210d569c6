/*
 * What one look at a server that is to stand still tells. It is made ten times a second of each
 * that was stopped by signals, so it reads one short file of each process where all is well.
 */
#ifndef KHACHAPURI_STILL_H
#define KHACHAPURI_STILL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct still {
  uint32_t processes; /* its keeper not counting, like init */
  uint64_t cpu_us;    /* processor time that it has taken so far */
  uint64_t resident_bytes; /* no less than it holds: pages of files count, too */
  bool is_moving;     /* one of its threads runs, or waits for something else than to go on */
};

/* Looks at all processes of this sandbox, which has one run, of this keeper. */
struct still still_look(pid_t keeper);

#endif
