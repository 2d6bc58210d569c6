/* Answers that are none, or somebody else's. */
#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STOLEN "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nSTOLEN"

static void wait_ms(long ms) { nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL); }

/* Two answers to one request, in one piece. */
static bool two(struct ask *ask) {
  char text[512];
  snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\ncontent-length: %zu\r\n\r\n%s" STOLEN,
           strlen(ask->argument), ask->argument);
  return send_text(ask->fd, text);
}

/* The second once the connection lies about, or is at work for the next already. */
static bool late(struct ask *ask) {
  bool sent = answer(ask->fd, ask->argument);
  wait_ms(2);
  return sent && send_text(ask->fd, STOLEN);
}

/* Some octets behind the answer that are the beginning of the next. */
static bool tail(struct ask *ask) {
  bool sent = answer(ask->fd, ask->argument);
  return sent && send_text(ask->fd, "HTTP/1.1 200 OK\r\nx-stolen: ");
}

/* Answers before the body is there, which it then takes for requests. */
static bool early(struct ask *ask) {
  bool sent = answer(ask->fd, ask->argument);
  return sent;
}

/* A chunked answer, whose end is followed by another answer. */
static bool chunked(struct ask *ask) {
  char text[512];
  snprintf(text, sizeof text,
           "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n%zx\r\n%s\r\n0\r\n\r\n" STOLEN,
           strlen(ask->argument), ask->argument);
  return send_text(ask->fd, text);
}

/* A body behind an answer that has none. */
static bool bodiless(struct ask *ask) {
  return send_text(ask->fd, "HTTP/1.1 204 No\r\ncontent-length: 6\r\n\r\nSTOLEN");
}

/* From then on some connections are told an answer before they ask. */
static bool greet(struct ask *ask) {
  greet_next(2);
  bool sent = answer(ask->fd, ask->argument);
  return sent && false;
}

static bool repeat(int fd, const char *first, const char *text) {
  char *piece = malloc(64 * 1024 + 1);
  size_t size = 0;
  for (; size + strlen(text) <= 64 * 1024; size += strlen(text)) strcpy(piece + size, text);
  bool sent = send_text(fd, first);
  while (sent) sent = send_all(fd, piece, size);
  free(piece);
  return false;
}

/* So without an end. */
static const struct {
  const char *what, *first, *text;
} ENDLESS[] = {
    {"interim", "", "HTTP/1.1 103 Wait\r\nlink: </a>\r\n\r\n"},
    {"interim-100", "", "HTTP/1.1 100 Go\r\n\r\n"},
    {"fields", "HTTP/1.1 200 OK\r\n", "x-field: value\r\n"},
    {"line", "HTTP/1.1 200 OK\r\nx-line: ", "oooooooo"},
    {"reason", "HTTP/1.1 200 ", "oooooooo"},
    {"nothing", "", "\r\n"},
    {"garbage", "", "no HTTP at all"},
    {"extension", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;", "a=b;"},
    {"size", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "0000"},
    {"trailers", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n", "x-t: 1\r\n"},
    {"behind", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", STOLEN},
};

static bool endless(struct ask *ask) {
  for (size_t i = 0; i < sizeof ENDLESS / sizeof ENDLESS[0]; i++) {
    if (strcmp(ENDLESS[i].what, ask->argument)) continue;
    return repeat(ask->fd, ENDLESS[i].first, ENDLESS[i].text);
  }
  return false;
}

/* What the query says, and then nothing more: the end, or with "~" behind it silence. */
static bool raw(struct ask *ask) {
  size_t size = strlen(ask->argument);
  bool holds = size > 0 && ask->argument[size - 1] == '~';
  bool sent = send_all(ask->fd, ask->argument, holds ? size - 1 : size);
  while (sent && holds) wait_ms(900);
  return false;
}

const struct act LYING_ACTS[] = {
    {"two", two},         {"late", late},   {"tail", tail},       {"early", early},
    {"chunked", chunked}, {"greet", greet}, {"endless", endless}, {"bodiless", bodiless},
    {"raw", raw},         {NULL, NULL}};
