#include "frames.h"
#include "sys.h"

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

/* A name that leads nowhere but into the folder that it stands in. */
static bool take_name(struct reader *reader, char *name, size_t size, uint32_t length) {
  if (length >= size || !take(reader, name, length)) return false;
  name[length] = 0;
  return strlen(name) == length && !strchr(name, '/') && name[0] != '.';
}

bool settings_parse(struct settings *settings, const uint8_t *payload, size_t length) {
  struct reader reader = {payload, length};
  struct setup_payload setup;
  struct filter *filter = &settings->filter;
  if (!take(&reader, &setup, sizeof setup) || setup.version != PROTOCOL_VERSION) return false;
  if ((setup.timeout_ms == 0) != (setup.listen != 0)) return false;
  if (setup.listen > UINT16_MAX || setup.rlimits > RLIMITS_MAX) return false;
  if (setup.instructions == 0 || setup.instructions > FILTER_INSTRUCTIONS_MAX) return false;
  settings->timeout_ms = setup.timeout_ms;
  settings->stderr_bytes_max = setup.stderr_bytes;
  settings->stdout_bytes_max = setup.stdout_bytes;
  settings->memory_bytes = setup.memory_bytes;
  settings->secret = setup.secret;
  settings->limits = setup.rlimits;
  settings->listeners = setup.listeners;
  settings->listen = setup.listen;
  filter->instructions = setup.instructions;
  snprintf(settings->tmp_options, sizeof settings->tmp_options,
           "mode=1777,size=%u,nr_inodes=16384", setup.tmp_bytes);
  return take(&reader, settings->limit, setup.rlimits * sizeof *settings->limit) &&
         take(&reader, filter->code, setup.instructions * sizeof *filter->code) &&
         take_name(&reader, settings->program, sizeof settings->program, setup.program) &&
         reader.left == 0;
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

enum { START_FLAGS = START_HAS_STDIN | START_IN_ITS_FOLDER };

struct command *command_parse(const uint8_t *payload, size_t length) {
  struct reader reader = {payload, length};
  struct start_payload start;
  if (!take(&reader, &start, sizeof start) || start.flags > START_FLAGS) return NULL;
  if (start.argc == 0 || start.argc > STRINGS_MAX || start.envc > STRINGS_MAX) return NULL;
  /* One block: the command, its pointers, a copy of the strings that they point at. */
  size_t pointers = (start.argc + start.envc + 2) * sizeof(char *);
  struct command *command = malloc(sizeof *command + pointers + reader.left);
  if (!command) fatal("memory");
  char **strings = (char **)(command + 1);
  uint8_t *copy = (uint8_t *)strings + pointers;
  memcpy(copy, reader.at, reader.left);
  reader.at = copy;
  *command = (struct command){
      .has_stdin = start.flags & START_HAS_STDIN,
      .in_its_folder = start.flags & START_IN_ITS_FOLDER,
      .argv = strings,
      .envp = strings + start.argc + 1,
  };
  if (take_strings(&reader, command->argv, start.argc) &&
      take_strings(&reader, command->envp, start.envc) && reader.left == 0) {
    return command;
  }
  free(command);
  return NULL;
}
