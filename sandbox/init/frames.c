/* What SETUP and START frames say; see protocol.ts. */
#include "init.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
  const uint8_t *at;
  size_t left;
};

static bool take(struct reader *reader, void *out, size_t size) {
  if (reader->left < size) return false;
  memcpy(out, reader->at, size);
  reader->at += size;
  reader->left -= size;
  return true;
}

static bool take_filter(struct reader *reader, struct filter *filter) {
  if (filter->instructions == 0 || filter->instructions > FILTER_INSTRUCTIONS_MAX) return false;
  return take(reader, filter->code, filter->instructions * sizeof *filter->code);
}

/* SETUP: version, sizes, rlimits, the secret, the filter; nothing may be left over. */
bool settings_parse(struct settings *out, const uint8_t *bytes, size_t length) {
  struct reader reader = {bytes, length};
  uint32_t version = 0;
  bool fixed = take(&reader, &version, 4) && take(&reader, &out->timeout_ms, 4) &&
               take(&reader, &out->tmp_bytes, 4) && take(&reader, &out->stderr_bytes_max, 4) &&
               take(&reader, &out->stdout_bytes_max, 8) &&
               take(&reader, &out->memory_bytes, 8) && take(&reader, &out->secret, 8) &&
               take(&reader, &out->limits, 4) && take(&reader, &out->filter.instructions, 4);
  if (!fixed || version != PROTOCOL_VERSION) return false;
  if (out->timeout_ms == 0 || out->limits > RLIMITS_MAX) return false;
  snprintf(out->tmp_options, sizeof out->tmp_options, "mode=1777,size=%u,nr_inodes=16384",
           out->tmp_bytes);
  return take(&reader, out->limit, out->limits * sizeof(struct limit)) &&
         take_filter(&reader, &out->filter) && reader.left == 0;
}

/* Points `to` at `count` NUL-terminated strings of the payload. */
static bool take_strings(struct reader *reader, char **to, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    const uint8_t *end = memchr(reader->at, 0, reader->left);
    if (!end) return false;
    to[i] = (char *)(uintptr_t)reader->at;
    reader->left -= (size_t)(end + 1 - reader->at);
    reader->at = end + 1;
  }
  to[count] = NULL;
  return true;
}

/* START: argc, envc, flags, then the strings. NULL: malformed; else to be freed after the run. */
struct command *command_parse(const uint8_t *bytes, size_t length) {
  struct reader reader = {bytes, length};
  uint32_t argc = 0, envc = 0, flags = 0;
  if (!take(&reader, &argc, 4) || !take(&reader, &envc, 4)) return NULL;
  if (!take(&reader, &flags, 4) || flags > START_HAS_STDIN) return NULL;
  if (argc == 0 || argc > STRINGS_MAX || envc > STRINGS_MAX) return NULL;
  size_t pointers = (argc + envc + 2) * sizeof(char *);
  struct command *command = malloc(sizeof *command + pointers + reader.left);
  if (!command) fatal("memory");
  char **strings = (char **)(command + 1);
  uint8_t *copy = (uint8_t *)strings + pointers;
  memcpy(copy, reader.at, reader.left);
  reader.at = copy;
  *command = (struct command){flags != 0, strings, strings + argc + 1};
  if (take_strings(&reader, command->argv, argc) && take_strings(&reader, command->envp, envc) &&
      reader.left == 0) {
    return command;
  }
  free(command);
  return NULL;
}
