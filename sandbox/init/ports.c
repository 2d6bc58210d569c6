#include "ports.h"
#include "sys.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

/* <linux/in.h> of Linux 6.3; musl has no name for it. */
enum { LOCAL_PORT_RANGE = 51 };

/* The last port in its upper 16 bits, the first in its lower; 0: not known. */
static uint32_t range;

void ports_open(void) {
  char text[64];
  unsigned first, last;
  const char *path = "/proc/sys/net/ipv4/ip_local_port_range";
  if (read_file_at(AT_FDCWD, path, text, sizeof text) <= 0) return;
  if (sscanf(text, "%u %u", &first, &last) != 2 || first >= last || last > 65535) return;
  range = last << 16 | (first + (last - first) / 4);
}

void ports_leave_some(int fd) {
  if (range) setsockopt(fd, IPPROTO_IP, LOCAL_PORT_RANGE, &range, sizeof range);
}
