/* The supervisor makes the cgroups and hands over their directories. */
#include "slots.h"
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * A slot is as good as empty below this: the kernel counts in batches, so that some memory of a
 * dead run may still be counted.
 */
enum { LEFT_BYTES_MAX = 1024 * 1024 };

/* Receives one message: the controllers in force, and a descriptor of a cgroup or -1. */
static int receive(int supervisor, uint32_t *controllers) {
  char space[CMSG_SPACE(sizeof(int))] = {0};
  struct iovec body = {controllers, sizeof *controllers};
  struct msghdr message = {
      .msg_iov = &body, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
  ssize_t got;
  do got = recvmsg(supervisor, &message, MSG_CMSG_CLOEXEC);
  while (got < 0 && errno == EINTR);
  if (got != sizeof *controllers) fatal("the supervisor is gone");
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (!header || header->cmsg_type != SCM_RIGHTS) return -1;
  int fd;
  memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return fd;
}

static uint64_t number_after(const char *text, const char *key) {
  const char *at = strstr(text, key);
  return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

/* The number behind `key` in a cgroup file that stays open; 0 when it cannot be read. */
static uint64_t read_number(int fd, const char *key) {
  char text[2048];
  ssize_t got = pread(fd, text, sizeof text - 1, 0);
  if (got <= 0) return 0;
  text[got] = 0;
  return number_after(text, key);
}

static struct slot *add_slot(struct slots *slots, int dir) {
  struct slot *slot = &slots->slot[slots->count++];
  slot->dir = dir;
  slot->events = openat(dir, "memory.events", O_RDONLY | O_CLOEXEC);
  slot->cpu = openat(dir, "cpu.stat", O_RDONLY | O_CLOEXEC);
  slot->memory = openat(dir, "memory.current", O_RDONLY | O_CLOEXEC);
  slot->pids = openat(dir, "pids.current", O_RDONLY | O_CLOEXEC);
  slot->freezer = -1;
  slot->kinds = openat(dir, "memory.stat", O_RDONLY | O_CLOEXEC);
  /* Linux 6.12 and newer let the peak be reset; before, it only grows. */
  slot->peak = openat(dir, "memory.peak", O_RDWR | O_CLOEXEC);
  if (slot->peak < 0) slot->peak = openat(dir, "memory.peak", O_RDONLY | O_CLOEXEC);
  return slot;
}

bool slots_open(struct slots *slots, int supervisor, int *last_pid) {
  slots->supervisor = supervisor;
  *last_pid = receive(supervisor, &slots->controllers);
  int dir = receive(supervisor, &slots->controllers);
  if (dir < 0) return false;
  add_slot(slots, dir);
  return true;
}

/*
 * Memory that is still counted in the slot though its last run is dead: a program can hand what it
 * holds to another run. Cached files do not matter: the kernel drops them when the next run needs
 * memory.
 */
static uint64_t left_behind(const struct slot *slot) {
  if (read_number(slot->memory, "") <= LEFT_BYTES_MAX) return 0;
  return read_number(slot->kinds, "anon ") + read_number(slot->kinds, "\nshmem ");
}

static bool request(const struct slots *slots, enum request wanted) {
  const char letter = (char)wanted;
  return send(slots->supervisor, &letter, 1, MSG_NOSIGNAL) == 1;
}

static struct slot *ask_for_slot(struct slots *slots) {
  if (slots->count == RUNS_MAX || !request(slots, REQUEST_SLOT)) return NULL;
  int dir = receive(slots->supervisor, &slots->controllers);
  return dir < 0 ? NULL : add_slot(slots, dir);
}

struct slot *slot_take(struct slots *slots) {
  if (slots->count == 0) return NULL;
  struct slot *best = NULL;
  uint64_t least = UINT64_MAX;
  for (uint32_t i = 0; i < slots->count && least > LEFT_BYTES_MAX; i++) {
    if (slots->slot[i].busy) continue;
    uint64_t left = left_behind(&slots->slot[i]);
    if (left < least) best = &slots->slot[i];
    if (left < least) least = left;
  }
  struct slot *fresh = least > LEFT_BYTES_MAX ? ask_for_slot(slots) : NULL;
  struct slot *slot = fresh ? fresh : best;
  if (!slot) return NULL;
  slot->busy = true;
  if (write(slot->peak, "r", 1) == 1) slot->peak_bytes = 0;
  return slot;
}

struct used slot_read(struct slot *slot, struct used by_rusage) {
  uint64_t oom_kills = read_number(slot->events, "oom_kill ");
  uint64_t cpu_us = read_number(slot->cpu, "usage_usec ");
  uint64_t peak = read_number(slot->peak, "");
  bool out_of_memory = oom_kills > slot->oom_kills;
  struct used used = {
      .cpu_us = cpu_us > slot->cpu_us ? cpu_us - slot->cpu_us : by_rusage.cpu_us,
      /* Where a peak cannot be reset it hides lower ones; rusage then knows the largest RSS. */
      .peak_bytes = peak > slot->peak_bytes || out_of_memory ? peak : by_rusage.peak_bytes,
      .out_of_memory = out_of_memory,
  };
  slot->oom_kills = oom_kills;
  slot->cpu_us = cpu_us;
  slot->peak_bytes = peak;
  return used;
}

struct held slot_look(const struct slot *slot) {
  uint64_t cpu_us = read_number(slot->cpu, "usage_usec ");
  return (struct held){
      .cpu_us = cpu_us > slot->cpu_us ? cpu_us - slot->cpu_us : 0,
      .bytes = read_number(slot->memory, ""),
      .processes = (uint32_t)read_number(slot->pids, ""),
  };
}

void slots_ask_freezer(struct slots *slots) {
  uint32_t controllers;
  if (slots->count == 0 || !request(slots, REQUEST_FREEZER)) return;
  slots->slot[0].freezer = receive(slots->supervisor, &controllers);
}

void slot_freeze(const struct slot *slot, bool frozen) {
  if (pwrite(slot->freezer, frozen ? "1" : "0", 1, 0) != 1) fatal("cgroup.freeze");
}
