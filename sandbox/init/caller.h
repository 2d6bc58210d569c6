/*
 * The registers of a thread that called setsid and has stopped for init (sessions.h): what differs
 * from one architecture to another. Each step is told that the thread has stopped and says whether
 * it is to stop again around its next call; if not, it is done and can be let go.
 */
#ifndef KHACHAPURI_CALLER_H
#define KHACHAPURI_CALLER_H

#include "raw.h"

#include <stdbool.h>
#include <sys/syscall.h>
#include <sys/types.h>

static inline long caller_trace(uint64_t secret, long request, pid_t thread, long at, long data) {
  return raw_own(secret, SYS_ptrace, request, thread, at, data, 0);
}

/* It was interrupted: has its setsid made again as setpgid(0, 0), unless it is not in one. */
bool caller_redirect(uint64_t secret, pid_t thread);

/*
 * It is about to make a call, or has made one. setpgid returns 0 and setsid the caller's pid, which
 * programs take for success: the same instruction then makes getpid.
 */
bool caller_conclude(uint64_t secret, pid_t thread);

#endif
