#include "lookup.h"

#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STACK_BYTES = 64 * 1024, NAME_MAX_BYTES = 254 };

struct question {
  uint32_t token;
  char name[NAME_MAX_BYTES + 1]; /* with the dot that ends a full name: no search domain follows */
};

_Static_assert(sizeof(struct lookup_result) <= PIPE_BUF, "a result is written at once");

static int ends[2];
static uint32_t running;

int lookup_open(void) {
  if (pipe2(ends, O_CLOEXEC)) return -1;
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return ends[0];
}

static void *look_up(void *argument) {
  struct question *question = argument;
  struct lookup_result result = {.token = question->token};
  struct addrinfo wanted = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC}, *found = NULL;
  result.error = getaddrinfo(question->name, NULL, &wanted, &found);
  for (struct addrinfo *one = found; one; one = one->ai_next) {
    if (result.count == LOOKUP_ADDRESSES_MAX) break;
    memcpy(&result.address[result.count++], one->ai_addr, one->ai_addrlen);
  }
  if (found) freeaddrinfo(found);
  free(question);
  if (write(ends[1], &result, sizeof result) < 0) _exit(1);
  return NULL;
}

bool lookup_start(const char *name, uint32_t token) {
  size_t length = strlen(name);
  if (running >= LOOKUPS_MAX || length >= NAME_MAX_BYTES) return false;
  struct question *question = malloc(sizeof *question);
  if (!question) return false;
  question->token = token;
  memcpy(question->name, name, length);
  memcpy(question->name + length, ".", 2);
  pthread_attr_t attributes;
  pthread_t thread;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, STACK_BYTES);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  bool started = pthread_create(&thread, &attributes, look_up, question) == 0;
  pthread_attr_destroy(&attributes);
  if (started) running++;
  else free(question);
  return started;
}

bool lookup_take(struct lookup_result *result) {
  if (read(ends[0], result, sizeof *result) != sizeof *result) return false;
  running--;
  return true;
}
