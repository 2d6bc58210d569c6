/*
 * The sandbox's native helper: `prepare` and `host` run on the host side, `inside` is pid 1 of a
 * deployment's sandbox. It holds mechanism only; every policy (mounts, limits, the seccomp filter)
 * comes from the TypeScript side as arguments or as frames.
 */
#ifndef KHACHAPURI_INIT_H
#define KHACHAPURI_INIT_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

/* ---- frames between the provider and `inside`; little endian, see protocol.ts ---- */

#define PROTOCOL_VERSION 3u
#define RUNS_MAX 64u
#define CHUNK_BYTES_MAX (64u * 1024u)
#define START_BYTES_MAX (1024u * 1024u)
#define STDIN_WINDOW_BYTES (64u * 1024u)
#define STDOUT_WINDOW_BYTES (256u * 1024u)
#define FILTER_INSTRUCTIONS_MAX 4096u
#define RLIMITS_MAX 16u
#define STRINGS_MAX 4096u
#define START_HAS_STDIN 1u

struct frame {
  uint32_t length; /* of the payload that follows */
  uint8_t type;
  uint8_t zero;
  uint16_t run;
};

enum frame_type {
  FRAME_SETUP = 1,
  FRAME_START = 2,
  FRAME_STDIN = 3,
  FRAME_STDIN_END = 4,
  FRAME_CREDIT = 5,
  FRAME_KILL = 6,
  FRAME_READY = 16,
  FRAME_STDOUT = 17,
  FRAME_STDERR = 18,
  FRAME_STDIN_CREDIT = 19,
  FRAME_EXIT = 20,
};

/* A STDIN_CREDIT of this value says that the program reads no more. */
#define STDIN_CLOSED 0xffffffffu

/* Why a run was ended before its time; the numbers are part of the protocol. */
enum cause { CAUSE_NONE, CAUSE_TIMEOUT, CAUSE_MEMORY, CAUSE_STDOUT, CAUSE_ABORTED, CAUSE_START };

struct exit_payload {
  uint32_t status;     /* wait(2) status of the program */
  uint32_t start_errno; /* not 0: the program never started */
  uint32_t cause;
  uint32_t start_step; /* enum start_step at which start_errno arose */
  uint64_t cpu_us;
  uint64_t peak_bytes;
  uint64_t stdin_bytes;
  uint64_t stdout_bytes;
  uint64_t stderr_bytes;
};

/* ---- one deployment's settings, from the SETUP frame ---- */

struct limit {
  uint32_t resource;
  uint32_t zero;
  uint64_t value;
};

struct filter {
  uint32_t instructions;
  struct sock_filter code[FILTER_INSTRUCTIONS_MAX];
};

struct settings {
  uint32_t timeout_ms;
  uint32_t tmp_bytes;
  uint32_t stderr_bytes_max;
  uint64_t stdout_bytes_max;
  uint64_t memory_bytes; /* of one run; a cgroup enforces it where there is one */
  uint32_t limits;
  char tmp_options[64];
  struct limit limit[RLIMITS_MAX];
  uint64_t secret; /* the filter lets who knows it make the calls that start a run */
  struct filter filter;
};

bool settings_parse(struct settings *out, const uint8_t *bytes, size_t length);
void take_limits(struct settings *settings);

/* ---- slots: the cgroups that runs enter (slots.c) ---- */

enum controllers { CONTROL_MEMORY = 1, CONTROL_PIDS = 2, CONTROL_CPU = 4 };

struct slot {
  int dir, peak, events, cpu, memory, kinds;
  bool busy;
  uint64_t oom_kills, peak_bytes, cpu_us; /* as last read */
};

/* What a run took. */
struct used {
  uint64_t cpu_us, peak_bytes;
  bool out_of_memory;
};

struct slots {
  int control; /* to the supervisor, which makes cgroups */
  uint32_t controllers;
  uint32_t count;
  struct slot slot[RUNS_MAX];
};

bool slots_open(struct slots *slots, int control);
struct slot *slot_take(struct slots *slots);
struct used slot_read(struct slot *slot, struct used by_rusage);

/* ---- keepers: each starts one program and sees to its end (keeper.c) ---- */

enum start_step { STEP_NONE, STEP_NAMESPACE, STEP_MOUNT, STEP_DROP, STEP_EXEC };

/* What a run's keeper tells init, in memory that they share. */
struct outcome {
  volatile int32_t status;
  volatile int32_t start_errno;
  volatile int32_t start_step;
  volatile int32_t known; /* status is */
  volatile int32_t over;  /* nothing of the run lives */
  struct rusage usage;
};

struct command {
  bool has_stdin; /* else it reads end of file at once */
  char **argv, **envp;
};

struct command *command_parse(const uint8_t *bytes, size_t length);

struct task {
  const struct command *command;
  struct slot *slot; /* in whose cgroup the program is from its first instruction; or NULL */
  int stdio[3];
};

struct keeper;

bool keeper_wanted(void);
bool keeper_prepare(const struct settings *settings, int bell);
struct keeper *keeper_start(const struct settings *settings, int bell, const struct task *task);
bool keeper_begun(const struct keeper *keeper);
bool keeper_over(const struct keeper *keeper);
const struct outcome *keeper_outcome(const struct keeper *keeper);
pid_t keeper_pid(const struct keeper *keeper);
void keeper_kill(const struct keeper *keeper);
void keeper_dismiss(struct keeper *keeper);
struct keeper *keeper_reaped(pid_t pid, bool *unprepared);
bool keepers_leaving(void);
void keepers_make_room(void);
void keepers_release(void);

/* ---- host side (cgroup.c, host.c) ---- */

struct cgroup_limits {
  uint64_t memory_bytes;
  uint32_t pids;
  uint32_t cpu_percent;
};

/* Directory under which sandboxes get their cgroups; empty when there is none. */
struct cgroup_base {
  char path[512];
  uint32_t controllers;
  const char *missing; /* why there is none */
};

void cgroup_find(struct cgroup_base *base);
void cgroup_prepare(struct cgroup_base *base, pid_t provider);
int cgroup_sweep(const struct cgroup_base *base);
bool cgroup_create(const struct cgroup_base *base, char *path, size_t size, pid_t provider);
int cgroup_slot(const char *sandbox, uint32_t index, const struct cgroup_limits *limits,
                bool foreign_uid);
int cgroup_open_child(const char *sandbox, const char *name, bool foreign_uid);
void cgroup_remove(const char *sandbox);

int host_main(int argc, char **argv);
int prepare_main(void);
int inside_main(void);

/* ---- small things ---- */

void release_pages(void *from, size_t size); /* whose content nobody needs any more */
void fatal(const char *what); /* prints what and errno, exits 124 */
void make_nonblocking(int fd);
uint64_t now_ms(void);
uint64_t now_us(void);
ssize_t read_file_at(int dir, const char *name, char *text, size_t size);
bool write_file_at(int dir, const char *name, const char *text);

#endif
