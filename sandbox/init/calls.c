#include "calls.h"
#include "descriptors.h"
#include "egress.h"
#include "network.h"
#include "output.h"

#include <string.h>
#include <unistd.h>

static void hear_message(struct inside *inside, const uint8_t *bytes) {
  struct egress_message message;
  memcpy(&message, bytes, sizeof message);
  if (message.kind == EGRESS_BUSY) inside->has_called = true;
  if (message.kind == EGRESS_LISTEN) network_listen(RELAY, &message);
}

void calls_hear(struct inside *inside) {
  while (output_room() > CHUNK_BYTES_MAX + OUTPUT_RESERVE) {
    struct egress_event event;
    uint8_t *bytes = output_begin();
    int64_t got = egress_receive(RELAY, bytes, CHUNK_BYTES_MAX, NULL);
    if (got < 0) return;
    if (got == 0) _exit(0);
    if (got == sizeof(struct egress_message)) {
      hear_message(inside, bytes);
      continue;
    }
    memcpy(&event, bytes, sizeof event);
    if (event.kind == EGRESS_USED) inside->answered++;
    output_commit(FRAME_EGRESS, 0, (size_t)got);
  }
}

void calls_settle(struct inside *inside) {
  struct egress_message message = {.kind = EGRESS_IDLE};
  bool over = false;
  if (!inside->has_called) return;
  for (uint32_t i = 0; i < inside->runs; i++) {
    struct run *run = &inside->run[i];
    if (!run->busy) continue;
    if (!run->dead) message.kind = EGRESS_SETTLE;
    else if (run->settled_by == 0) over = true;
  }
  if (!over && message.kind == EGRESS_SETTLE) return;
  if (message.kind == EGRESS_IDLE) inside->has_called = false;
  inside->asked++;
  for (uint32_t i = 0; i < inside->runs; i++) {
    struct run *run = &inside->run[i];
    if (run->busy && run->dead && run->settled_by == 0) run->settled_by = inside->asked;
  }
  egress_send(RELAY, &message, -1);
}

void calls_ask(struct inside *inside) {
  const struct egress_message message = {.kind = EGRESS_SETTLE};
  if (!inside->calls_out) return;
  inside->asked++;
  egress_send(RELAY, &message, -1);
}
