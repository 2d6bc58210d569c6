/*
 * Where no cgroup shares out the processors, the kernel may do so among sessions (autogroups): a
 * program that makes sixty of them would get sixty shares. So setsid makes a process group here, by
 * which programs end what they have started, and the session stays the sandbox's. The filter tells
 * init of each such call, and init has the caller make setpgid(0, 0) in its place, and then getpid
 * for what setsid returns.
 */
#ifndef KHACHAPURI_SESSIONS_H
#define KHACHAPURI_SESSIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct sessions {
  int listener;    /* at which the filter tells of calls; -1: it cannot, and they fail */
  bool shared_out; /* a cgroup does it: sessions are what they always are */
  uint64_t secret; /* with which the filter lets init reach into a caller */
  uint32_t asked;  /* callers that have yet to stop for it */
};

/* Takes one call from the listener. */
void sessions_take(struct sessions *sessions);

/* `thread` has stopped with this wait status: redirects its call and lets it go. */
void sessions_stopped(struct sessions *sessions, pid_t thread, int status);

#endif
