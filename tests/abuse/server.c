#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_BYTES = 64 * 1024, STACK_BYTES = 256 * 1024, PASSED_SOCKET = 3 };

static atomic_int greetings;

bool send_all(int fd, const void *bytes, size_t size) {
  for (size_t at = 0; at < size;) {
    ssize_t sent = send(fd, (const char *)bytes + at, size - at, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    at += (size_t)sent;
  }
  return true;
}

bool send_text(int fd, const char *text) { return send_all(fd, text, strlen(text)); }

bool answer(int fd, const char *body) {
  size_t size = strlen(body) + 128;
  char *text = malloc(size);
  int length = snprintf(text, size, "HTTP/1.1 200 OK\r\ncontent-length: %zu\r\n\r\n%s",
                        strlen(body), body);
  bool sent = send_all(fd, text, (size_t)length);
  free(text);
  return sent;
}

long read_body(struct ask *ask, char *to, size_t size) {
  if (ask->length == 0) return 0;
  if (ask->length > 0 && (long long)size > ask->length) size = (size_t)ask->length;
  long taken = (long)(ask->rest_bytes < size ? ask->rest_bytes : size);
  if (taken > 0) {
    memcpy(to, ask->rest, (size_t)taken);
    ask->rest += taken;
    ask->rest_bytes -= (size_t)taken;
  } else {
    taken = recv(ask->fd, to, size, 0);
    if (taken <= 0) return -1;
  }
  if (ask->length > 0) ask->length -= taken;
  return taken;
}

void start_thread(void *(*run)(void *), void *with) {
  pthread_attr_t attributes;
  pthread_t thread;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, STACK_BYTES);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_create(&thread, &attributes, run, with);
  pthread_attr_destroy(&attributes);
}

void greet_next(int count) { greetings = count; }

void note(char *text, size_t size, const char *name, long result) {
  size_t at = strlen(text);
  snprintf(text + at, size - at, "%s %s\n", name, result >= 0 ? "ok" : strerror(errno));
}

/* Of the head's field; NULL when there is none. */
static const char *field(const char *head, const char *name) {
  for (const char *at = strstr(head, "\r\n"); at; at = strstr(at + 2, "\r\n")) {
    if (!strncasecmp(at + 2, name, strlen(name))) return at + 2 + strlen(name);
  }
  return NULL;
}

/* Undoes %XX in place. */
static void decode(char *text) {
  char *to = text;
  for (char *from = text; *from; to++) {
    unsigned byte;
    if (*from == '%' && sscanf(from + 1, "%2x", &byte) == 1) {
      *to = (char)byte;
      from += 3;
    } else {
      *to = *from++;
    }
  }
  *to = 0;
}

static bool act(struct ask *ask) {
  const struct act *lists[] = {PLAIN_ACTS, LYING_ACTS, FREEZE_ACTS, REACH_ACTS};
  for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
    for (const struct act *one = lists[i]; one->name; one++) {
      if (!strcmp(one->name, ask->name)) return one->run(ask);
    }
  }
  return send_text(ask->fd, "HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n");
}

/* What becomes of a connection behind an answer. */
enum behind { CLOSED, KEPT, LEFT };

/* Takes the request line apart, which is copied: the head stays as it came. */
static enum behind serve(int fd, char *head, char *rest, size_t rest_bytes) {
  struct ask ask = {.fd = fd, .head = head, .rest = rest, .rest_bytes = rest_bytes};
  char *line = strndup(head, strcspn(head, "\r"));
  char *target = strchr(line, ' ');
  char *after = target ? strchr(++target, ' ') : NULL;
  if (!after) return CLOSED;
  *after = 0;
  char *query = strchr(target, '?');
  ask.argument = query ? query + 1 : "";
  if (query) *query = 0;
  if (query) decode(ask.argument);
  ask.name = strrchr(target, '/') + 1;
  const char *length = field(head, "content-length:");
  if (length) ask.length = atoll(length);
  else if (field(head, "transfer-encoding:")) ask.length = -1;
  bool kept = act(&ask);
  free(line);
  if (!kept) return CLOSED;
  return ask.is_left ? LEFT : KEPT;
}

static void *converse(void *with) {
  int fd = (int)(long)with;
  char *head = malloc(HEAD_BYTES + 1);
  enum behind behind = KEPT;
  if (greetings > 0 && greetings-- > 0) answer(fd, "STOLEN");
  while (behind == KEPT) {
    size_t size = 0;
    char *end = NULL;
    while (!end && size < HEAD_BYTES) {
      ssize_t more = recv(fd, head + size, HEAD_BYTES - size, 0);
      if (more <= 0) break;
      size += (size_t)more;
      head[size] = 0;
      end = strstr(head, "\r\n\r\n");
    }
    behind = CLOSED;
    if (!end) break;
    size_t head_bytes = (size_t)(end - head) + 4;
    char *rest = malloc(size - head_bytes + 1);
    memcpy(rest, head + head_bytes, size - head_bytes);
    head[head_bytes] = 0;
    behind = serve(fd, head, rest, size - head_bytes);
    free(rest);
  }
  free(head);
  if (behind == CLOSED) close(fd);
  return NULL;
}

static int listener(void) {
  if (getenv("LISTEN_FDS")) return PASSED_SOCKET;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)atoi(getenv("PORT"))),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
  if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 1024)) exit(3);
  return fd;
}

static void leave(int signal) {
  (void)signal;
  _exit(0);
}

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_IGN);
  signal(SIGCHLD, SIG_IGN); /* Its children leave nothing behind. */
  signal(SIGTERM, leave);
  if (argc > 1 && !strcmp(argv[1], "never")) pause();
  if (argc > 1 && !strcmp(argv[1], "crash")) abort();
  int from = listener();
  for (;;) {
    int fd = accept4(from, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) start_thread(converse, (void *)(long)fd);
    else if (errno == EMFILE) nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  }
}
