#include "listening.h"
#include "sys.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* include/net/tcp_states.h */
enum { TCP_LISTEN = 10 };

/* The first listener of a table like /proc/net/tcp: one socket a line, under a line of names. */
static uint32_t first_listener(const char *path) {
  char text[4096];
  if (read_file_at(AT_FDCWD, path, text, sizeof text) <= 0) return 0;
  for (const char *line = strchr(text, '\n'); line; line = strchr(line + 1, '\n')) {
    unsigned port, state;
    if (sscanf(line + 1, " %*u: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x", &port, &state) != 2) continue;
    if (state == TCP_LISTEN) return port;
  }
  return 0;
}

uint32_t listening_port(void) {
  uint32_t port = first_listener("/proc/net/tcp");
  return port ? port : first_listener("/proc/net/tcp6");
}
