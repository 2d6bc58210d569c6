#include "sockets.h"
#include "sys.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  BUFFER_BYTES = 212992, /* net.core.wmem_default and rmem_default: that of Linux */
  FEW = 16,              /* sockets that an ordinary run may have without a look */
};

/* Bytes queued in both directions by a line of /proc/net/tcp: "... ST TX:RX ...", in hex. */
static uint64_t queued(const char *line) {
  unsigned long sent, received;
  if (sscanf(line, " %*d: %*s %*s %*x %lx:%lx", &sent, &received) != 2) return 0;
  return sent + received;
}

static uint64_t queued_by(const char *table) {
  char line[512];
  uint64_t bytes = 0;
  FILE *file = fopen(table, "re");
  if (!file) return 0;
  while (fgets(line, sizeof line, file)) bytes += queued(line);
  fclose(file);
  return bytes;
}

uint64_t sockets_hold(uint64_t ours, uint64_t carried) {
  char text[512];
  if (read_file_at(AT_FDCWD, "/proc/net/sockstat", text, sizeof text) <= 0) return 0;
  const char *used = strstr(text, "used ");
  uint64_t sockets = used ? strtoull(used + strlen("used "), NULL, 10) : 0;
  uint64_t known = ours + 2 * carried;
  bool has_many = sockets > known + FEW;
  if (!has_many && carried <= FEW) return 0;
  uint64_t buffers = has_many ? (sockets - known) * BUFFER_BYTES : 0;
  return buffers + queued_by("/proc/net/tcp") + queued_by("/proc/net/tcp6");
}
