/* What SETUP and START frames say, checked and in the form that init works with. */
#ifndef KHACHAPURI_FRAMES_H
#define KHACHAPURI_FRAMES_H

#include "protocol.h"

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct filter {
  uint32_t instructions;
  struct sock_filter code[FILTER_INSTRUCTIONS_MAX];
};

/* What one deployment's runs may use. */
struct settings {
  uint32_t timeout_ms; /* of a server 0: it has none */
  uint32_t stderr_bytes_max;
  uint64_t stdout_bytes_max;
  uint64_t memory_bytes; /* of one run; a cgroup enforces it where there is one, else watch.c */
  uint64_t secret;       /* shown to the filter, lets init make the calls that start a run */
  int last_pid;       /* of slots_open, and not of SETUP: ns_last_pid, to be written; or -1 */
  uint32_t listeners; /* sockets that the relay wants; 0: programs cannot call out */
  uint32_t listen;    /* 0: programs print their answers; else as in SETUP: a server's */
  uint32_t limits;
  struct limit limit[RLIMITS_MAX];
  char program[64];     /* its folder's name in the one that is shown; empty: that is it */
  char tmp_options[64]; /* with which a run's /tmp is mounted */
  struct filter filter;
};

/* False when the payload is malformed, of another version, or longer than what it says. */
bool settings_parse(struct settings *settings, const uint8_t *payload, size_t length);

/* What a run is to execute. */
struct command {
  bool has_stdin;     /* else it reads end of file at once */
  bool in_its_folder; /* it starts in that of the entrypoint, else in the program's */
  char **argv, **envp;
};

/* NULL when the payload is malformed; else to be freed after the run, strings and all. */
struct command *command_parse(const uint8_t *payload, size_t length);

#endif
