#include "input.h"
#include "descriptors.h"
#include "pipes.h"
#include "sys.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Room for the longest frame and one more read. */
enum { SIZE = sizeof(struct frame_header) + START_BYTES_MAX + CHUNK_BYTES_MAX };

/* What arrived and is not yet a whole frame. */
static struct {
  uint8_t *bytes;
  size_t used;
  bool is_wide; /* the channel */
} input;

_Noreturn void protocol_error(const char *what) {
  errno = EPROTO;
  fatal(what);
}

void input_open(void) {
  input.bytes = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (input.bytes == MAP_FAILED) fatal("memory");
}

static uint32_t length_max(uint8_t type) {
  return type == FRAME_START || type == FRAME_SETUP ? START_BYTES_MAX : CHUNK_BYTES_MAX;
}

void input_read(void (*handle)(const struct frame_header *header, uint8_t *payload)) {
  ssize_t got = read(CHANNEL_IN, input.bytes + input.used, SIZE - input.used);
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (got <= 0) _exit(0);
  input.used += (size_t)got;
  if ((size_t)got >= PIPE_BYTES) pipe_widen(&input.is_wide, CHANNEL_IN);
  size_t at = 0;
  while (input.used - at >= sizeof(struct frame_header)) {
    struct frame_header header;
    memcpy(&header, input.bytes + at, sizeof header);
    if (header.zero != 0 || header.length > length_max(header.type)) protocol_error("bad header");
    if (input.used - at < sizeof header + header.length) break;
    handle(&header, input.bytes + at + sizeof header);
    at += sizeof header + header.length;
  }
  if (at == 0) return;
  input.used -= at;
  memmove(input.bytes, input.bytes + at, input.used);
}

bool input_is_empty(void) { return input.used == 0; }

void input_release(void) {
  release_pages(input.bytes, SIZE);
  pipe_narrow(&input.is_wide, CHANNEL_IN);
}
