#include "output.h"
#include "descriptors.h"
#include "pipes.h"
#include "sys.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static struct {
  size_t start, end; /* of what the provider has not taken */
  bool is_wide;      /* the channel */
  uint8_t bytes[1024u * 1024u];
} out;

size_t output_room(void) { return sizeof out.bytes - out.end; }

uint8_t *output_begin(void) { return out.bytes + out.end + sizeof(struct frame_header); }

void output_commit(uint8_t type, uint32_t run, size_t length) {
  struct frame_header header = {(uint32_t)length, type, 0, (uint16_t)run};
  memcpy(out.bytes + out.end, &header, sizeof header);
  out.end += sizeof header + length;
  if (length >= PIPE_BYTES) pipe_widen(&out.is_wide, CHANNEL_OUT);
}

bool output_is_empty(void) { return out.end == 0; }

void output_flush(void) {
  while (out.start < out.end) {
    ssize_t sent = write(CHANNEL_OUT, out.bytes + out.start, out.end - out.start);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) break;
    if (sent < 0) _exit(0);
    out.start += (size_t)sent;
  }
  if (out.start == out.end) out.start = out.end = 0;
  /* Move what is left to the front, so that there is room for the frames that must go out. */
  if (out.start > sizeof out.bytes / 2) {
    memmove(out.bytes, out.bytes + out.start, out.end - out.start);
    out.end -= out.start;
    out.start = 0;
  }
}

void output_release(void) {
  release_pages(out.bytes, sizeof out.bytes);
  pipe_narrow(&out.is_wide, CHANNEL_OUT);
}
