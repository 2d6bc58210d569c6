/** The server that `bench http` carries requests to: static, of one thread, and quick. */
import { join } from "node:path";
import { buildStatic } from "../worlds/static_program.ts";

export const HELLO = "hello\n";

/**
 * `GET /` is a hello, `GET /down/BYTES` so many zeros, and `PUT /up` says how long its body was.
 * It waits for nothing but its connections (epoll), and keeps them.
 */
const SERVER = `#define _GNU_SOURCE
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS = 1024, HEAD = 16384, PIECE = 65536 };

struct connection {
  char head[HEAD + 1];
  size_t held;
  uint64_t to_read, to_write, read;
  int waits; /* for room */
};

static struct connection *all[CONNECTIONS];
static char piece[PIECE];
static int poller;

static void watch(int fd, uint32_t events, int how) {
  struct epoll_event event = {.events = events, .data.fd = fd};
  epoll_ctl(poller, how, fd, &event);
}

static void end(int fd) {
  close(fd);
  free(all[fd]);
  all[fd] = NULL;
}

static void say(int fd, const char *body) {
  char text[512];
  int length = snprintf(text, sizeof text,
                        "HTTP/1.1 200 OK\\r\\nContent-Type: text/plain\\r\\n"
                        "Content-Length: %zu\\r\\n\\r\\n%s",
                        strlen(body), body);
  if (write(fd, text, (size_t)length) != length) end(fd);
}

/* Writes what is due of a download; false when the connection is over. */
static int pour(int fd) {
  struct connection *one = all[fd];
  while (one->to_write > 0) {
    size_t want = one->to_write < PIECE ? (size_t)one->to_write : PIECE;
    ssize_t put = send(fd, piece, want, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (put < 0) {
      if (!one->waits) watch(fd, EPOLLOUT, EPOLL_CTL_MOD);
      one->waits = 1;
      return 1;
    }
    one->to_write -= (uint64_t)put;
  }
  if (one->waits) watch(fd, EPOLLIN, EPOLL_CTL_MOD);
  one->waits = 0;
  return 1;
}

static void finish_upload(int fd) {
  char text[32];
  snprintf(text, sizeof text, "%llu\\n", (unsigned long long)all[fd]->read);
  say(fd, text);
}

static uint64_t length_in(const char *head) {
  const char *at = strcasestr(head, "\\r\\ncontent-length:");
  return at ? strtoull(at + 17, NULL, 10) : 0;
}

static void serve(int fd, size_t head, const char *line) {
  struct connection *one = all[fd];
  size_t behind = one->held - head;
  one->held = 0;
  one->read = 0;
  if (!strncmp(line, "PUT ", 4)) {
    one->to_read = length_in(line) - behind;
    one->read = behind;
    if (one->to_read == 0) finish_upload(fd);
  } else if (!strncmp(line, "GET /down/", 10)) {
    char text[128];
    one->to_write = strtoull(line + 10, NULL, 10);
    int length = snprintf(text, sizeof text,
                          "HTTP/1.1 200 OK\\r\\nContent-Length: %llu\\r\\n\\r\\n",
                          (unsigned long long)one->to_write);
    if (write(fd, text, (size_t)length) == length) pour(fd);
  } else {
    say(fd, "hello\\n");
  }
}

static void take(int fd) {
  struct connection *one = all[fd];
  if (one->to_read > 0) {
    ssize_t got = read(fd, piece, one->to_read < PIECE ? (size_t)one->to_read : PIECE);
    if (got <= 0) return end(fd);
    one->read += (uint64_t)got;
    one->to_read -= (uint64_t)got;
    if (one->to_read == 0) finish_upload(fd);
    return;
  }
  ssize_t got = read(fd, one->head + one->held, HEAD - one->held);
  if (got <= 0) return end(fd);
  one->held += (size_t)got;
  one->head[one->held] = 0;
  char *rest = strstr(one->head, "\\r\\n\\r\\n");
  if (rest) serve(fd, (size_t)(rest + 4 - one->head), one->head);
  else if (one->held == HEAD) end(fd);
}

int main(void) {
  struct sockaddr_in here = {.sin_family = AF_INET};
  const char *port = getenv("PORT");
  int listener = 3;
  if (!getenv("LISTEN_FDS")) {
    here.sin_port = htons((uint16_t)atoi(port ? port : "8080"));
    listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&here, sizeof here) || listen(listener, 512)) return 1;
  }
  poller = epoll_create1(0);
  watch(listener, EPOLLIN, EPOLL_CTL_ADD);
  for (;;) {
    struct epoll_event events[64];
    int count = epoll_wait(poller, events, 64, -1);
    for (int i = 0; i < count; i++) {
      int fd = events[i].data.fd;
      if (fd == listener) {
        int got = accept(listener, NULL, NULL);
        if (got < 0) continue;
        if (got >= CONNECTIONS || !(all[got] = calloc(1, sizeof *all[got]))) {
          close(got);
          continue;
        }
        watch(got, EPOLLIN, EPOLL_CTL_ADD);
      } else if (all[fd] && all[fd]->waits) {
        pour(fd);
      } else if (all[fd]) {
        take(fd);
      }
    }
  }
}
`;

/** Builds it as `dir`/main. */
export async function buildServer(dir: string): Promise<string> {
  return await buildStatic(join(dir, "main"), SERVER);
}
