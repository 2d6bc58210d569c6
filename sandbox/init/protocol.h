/*
 * What the provider and a sandbox's init send each other: the counterpart of ../protocol.ts, whose
 * comments explain it. ../protocol_header_test.ts reads this file and compares every number, name
 * and field in it with what protocol.ts encodes and decodes; it fails on what it cannot read. So
 * here stand only plain numbers, enums, and structs of unsigned integers without padding.
 */
#ifndef KHACHAPURI_PROTOCOL_H
#define KHACHAPURI_PROTOCOL_H

#include <stdint.h>

#define PROTOCOL_VERSION 7u
#define RUNS_MAX 64u
#define CHUNK_BYTES_MAX (256u * 1024u)
#define START_BYTES_MAX (1024u * 1024u)
#define STRINGS_MAX 4096u
#define RLIMITS_MAX 16u
#define FILTER_INSTRUCTIONS_MAX 4096u
#define STDIN_WINDOW_BYTES (256u * 1024u)
#define STDOUT_WINDOW_BYTES (512u * 1024u)

/* Bits in a START's `flags`. */
#define START_HAS_STDIN 1u
#define START_IN_ITS_FOLDER 2u
/* A STDIN_CREDIT of so many bytes says that the program reads no more. */
#define STDIN_CLOSED 0xffffffffu
/* A SETUP's `listen` of this value: the server is passed the socket at which it listens. */
#define LISTEN_BY_FD 1u

enum frame_type {
  FRAME_SETUP = 1,
  FRAME_START = 2,
  FRAME_STDIN = 3,
  FRAME_STDIN_END = 4,
  FRAME_CREDIT = 5,
  FRAME_KILL = 6,
  FRAME_EXTEND = 7,
  FRAME_FREEZE = 8,
  FRAME_THAW = 9,
  FRAME_TERMINATE = 10,
  FRAME_MEASURE = 11,
  FRAME_AWAIT = 12,
  FRAME_READY = 16,
  FRAME_STDOUT = 17,
  FRAME_STDERR = 18,
  FRAME_STDIN_CREDIT = 19,
  FRAME_EXIT = 20,
  FRAME_EGRESS = 21,
  FRAME_USAGE = 22,
  FRAME_LISTENING = 23,
  FRAME_WAITED = 24,
};

/* Stands before each payload. */
struct frame_header {
  uint32_t length; /* of the payload */
  uint8_t type;
  uint8_t zero;
  uint16_t run;
};

/* ORDER, no frame, before all else that a spare gets: what its supervisor was not started with. */
struct order_payload {
  uint64_t memory_bytes; /* of one run */
  uint64_t policy_bytes; /* of struct egress_payload and what follows it; 0: no way out */
};

/*
 * SETUP: this, then `rlimits` of struct limit, `instructions` of struct sock_filter, and `program`
 * bytes of the name that the program's folder has in the one that is shown.
 */
struct setup_payload {
  uint32_t version;
  uint32_t timeout_ms; /* of a server 0: it has none */
  uint32_t tmp_bytes;
  uint32_t stderr_bytes;
  uint64_t stdout_bytes;
  uint64_t memory_bytes;
  uint64_t secret;
  uint32_t rlimits;
  uint32_t instructions;
  uint32_t listeners; /* not 0: programs may call out, and their relay wants so many sockets */
  uint32_t listen; /* 0: programs print their answers; else a server's port, or LISTEN_BY_FD */
  uint32_t program; /* 0: what is shown is the program's folder */
  uint32_t zero;
};

struct limit {
  uint32_t resource;
  uint32_t zero;
  uint64_t value;
};

/* START: this, then `argc` and `envc` strings, each with a NUL at its end. */
struct start_payload {
  uint32_t argc;
  uint32_t envc;
  uint32_t flags;
};

/* READY, once SETUP is done: the limits that cgroups enforce here, bits of enum controller. */
struct ready_payload {
  uint32_t controllers;
};

/* CREDIT of stdout, and STDIN_CREDIT: so many bytes more may be sent. */
struct credit_payload {
  uint32_t bytes;
};

/* EXTEND: the run may take so much longer. */
struct extend_payload {
  uint32_t ms;
};

/* WAITED: for so much longer the run has waited for its caller, which is none of its time. */
struct waited_payload {
  uint32_t ms;
};

/* USAGE, the answer to MEASURE: what a server has used so far, and holds. */
struct usage_payload {
  uint64_t cpu_us;
  uint64_t memory_bytes;
  uint32_t processes;
  uint32_t zero;
};

struct exit_payload {
  uint32_t status;      /* wait(2) status of the program */
  uint32_t start_errno; /* not 0: the program never started */
  uint32_t cause;
  uint32_t start_step; /* enum start_step at which start_errno arose */
  uint32_t listening_port; /* where something listened when its time ran out; 0: nothing did */
  uint32_t zero;
  uint64_t cpu_us;
  uint64_t peak_bytes;
  uint64_t stdin_bytes;
  uint64_t stdout_bytes;
  uint64_t stderr_bytes;
};

/*
 * Before the first frame, where programs may call out: this, then `rules` strings "NAME:PORT", then
 * `overrides` pairs of strings "NAME:PORT" and "ADDRESS:PORT", each with a NUL at its end.
 */
struct egress_payload {
  uint32_t rules;
  uint32_t overrides;
  uint32_t connections; /* at once */
  uint32_t connections_per_second;
  uint32_t connect_ms; /* for looking a name up, and for each of its addresses */
  uint32_t idle_ms;    /* without a byte */
  uint64_t bytes_per_second; /* each way */
};

/* EGRESS: this, then the name. */
struct egress_event {
  uint32_t kind; /* enum egress_kind */
  uint32_t failure; /* of EGRESS_FAILED: enum egress_failure */
  uint32_t port;    /* of EGRESS_FAILED */
  uint32_t connections; /* of EGRESS_USED, like what follows: made since the sandbox started */
  uint64_t sent_bytes;
  uint64_t received_bytes;
};

enum egress_kind {
  EGRESS_ASKED = 1,  /* for a name that is not listed */
  EGRESS_FAILED = 2, /* to connect */
  EGRESS_USED = 3,
};

/* Why a connection was not made. */
enum egress_failure {
  FAILURE_NONE = 0,
  FAILURE_NO_ADDRESS = 1,
  FAILURE_NOT_PUBLIC = 2,
  FAILURE_UNREACHABLE = 3,
  FAILURE_TIMEOUT = 4,
};

enum controller {
  CONTROLLER_MEMORY = 1,
  CONTROLLER_PIDS = 2,
  CONTROLLER_CPU = 4,
};

/* What ended a run before its time. */
enum cause {
  CAUSE_NONE = 0,
  CAUSE_TIMEOUT = 1,
  CAUSE_MEMORY = 2,
  CAUSE_STDOUT = 3,
  CAUSE_ABORTED = 4,
  CAUSE_START = 5,
  CAUSE_ESCAPED = 6, /* it worked while it was to stand still */
};

/* Where starting a program failed. */
enum start_step {
  STEP_NONE = 0,
  STEP_NAMESPACES = 1,
  STEP_MOUNTS = 2,
  STEP_CAPABILITIES = 3,
  STEP_EXEC = 4,
};

#endif
