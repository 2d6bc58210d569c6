#include "pipes.h"
#include "raw.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

static uint64_t own_secret;

void pipes_filtered(uint64_t secret) { own_secret = secret; }

static void resize(int fd, long bytes) {
  raw_own(own_secret, SYS_fcntl, fd, F_SETPIPE_SZ, bytes, 0, 0);
}

int pipe_holds(int fd) {
  int bytes = 0;
  return fd >= 0 && ioctl(fd, FIONREAD, &bytes) == 0 ? bytes : 0;
}

void pipe_widen(bool *is_wide, int fd) {
  if (!*is_wide) resize(fd, WIDE_PIPE_BYTES);
  *is_wide = true;
}

void pipe_narrow(bool *is_wide, int fd) {
  if (*is_wide) resize(fd, PIPE_BYTES);
  *is_wide = false;
}
