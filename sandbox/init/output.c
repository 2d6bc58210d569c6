#include "output.h"
#include "descriptors.h"
#include "pipes.h"
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static struct {
  size_t start, end; /* of what the provider has not taken */
  bool is_wide;      /* the channel */
  uint8_t bytes[1024u * 1024u];
} out;

/* A payload whose pages are moved on: it goes out behind the first `at` bytes, its header's. */
static struct {
  int ends[2];
  bool is_open, is_wide;
  size_t at, held;
} moved;

enum { PAGE_BYTES = 4096, LITTLE_ROOM_BYTES = 8 * PAGE_BYTES };

size_t output_room(void) { return sizeof out.bytes - out.end; }

uint8_t *output_begin(void) { return out.bytes + out.end + sizeof(struct frame_header); }

static void put_header(uint8_t type, uint32_t run, size_t length) {
  struct frame_header header = {(uint32_t)length, type, 0, (uint16_t)run};
  memcpy(out.bytes + out.end, &header, sizeof header);
  out.end += sizeof header;
  if (length > PIPE_BYTES / 2) pipe_widen(&out.is_wide, CHANNEL_OUT);
}

void output_commit(uint8_t type, uint32_t run, size_t length) {
  put_header(type, run, length);
  out.end += length;
}

static ssize_t move(int from, int to, size_t most) {
  return splice(from, NULL, to, NULL, most, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
}

static bool moved_open(void) {
  if (!moved.is_open) moved.is_open = pipe2(moved.ends, O_NONBLOCK | O_CLOEXEC) == 0;
  if (moved.is_open) pipe_widen(&moved.is_wide, moved.ends[1]);
  return moved.is_open;
}

/*
 * How many bytes fill the channel, of which a header takes a page: a frame that ends where the
 * channel does is read as one piece, and those that follow it are.
 */
static size_t fitting_bytes(void) {
  size_t held = (size_t)pipe_holds(CHANNEL_OUT);
  size_t room = held < WIDE_PIPE_BYTES ? WIDE_PIPE_BYTES - held : 0;
  return (room > LITTLE_ROOM_BYTES ? room : WIDE_PIPE_BYTES) / PAGE_BYTES * PAGE_BYTES - PAGE_BYTES;
}

size_t output_move(uint8_t type, uint32_t run, int from, size_t most) {
  if (!output_is_empty() || !moved_open()) return 0;
  size_t fits = fitting_bytes();
  ssize_t got = move(from, moved.ends[1], most < fits ? most : fits);
  if (got <= 0) return 0;
  put_header(type, run, (size_t)got);
  moved.at = out.end;
  moved.held = (size_t)got;
  return moved.held;
}

bool output_is_moving(void) { return moved.held > 0; }

bool output_is_empty(void) { return out.end == 0; }

void output_flush(void) {
  while (out.start < out.end || moved.held > 0) {
    /* What was moved goes out once the bytes before it have. */
    size_t end = moved.held > 0 ? moved.at : out.end;
    bool moves = out.start == end;
    ssize_t sent = moves ? move(moved.ends[0], CHANNEL_OUT, moved.held)
                         : write(CHANNEL_OUT, out.bytes + out.start, end - out.start);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) break;
    if (sent < 0) _exit(0);
    if (moves) moved.held -= (size_t)sent;
    else out.start += (size_t)sent;
  }
  if (out.start == out.end && moved.held == 0) out.start = out.end = 0;
  /* Move what is left to the front, so that there is room for the frames that must go out. */
  if (out.start > sizeof out.bytes / 2) {
    memmove(out.bytes, out.bytes + out.start, out.end - out.start);
    out.end -= out.start;
    out.start = 0;
  }
}

void output_release(void) {
  release_pages(out.bytes, sizeof out.bytes);
  if (moved.is_open) {
    close(moved.ends[0]);
    close(moved.ends[1]);
  }
  moved.is_open = moved.is_wide = false;
  pipe_narrow(&out.is_wide, CHANNEL_OUT);
}
