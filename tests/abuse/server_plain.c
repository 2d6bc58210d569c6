/* What an honest server does, and what only takes long or is large. */
#include "server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PIECE_BYTES = 64 * 1024 };

static void sleep_ms(long ms) {
  nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* Says what it was asked to say. */
static bool nonce(struct ask *ask) { return answer(ask->fd, ask->argument); }

/* The request's head, octet for octet. */
static bool tell(struct ask *ask) { return answer(ask->fd, ask->head); }

/* Sends a body of a known length back while it comes. */
static bool echo(struct ask *ask) {
  char *piece = malloc(PIECE_BYTES);
  char head[128];
  snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\ncontent-length: %lld\r\n\r\n", ask->length);
  bool sent = send_text(ask->fd, head);
  long size = 0;
  while (sent && (size = read_body(ask, piece, PIECE_BYTES)) > 0) {
    sent = send_all(ask->fd, piece, (size_t)size);
  }
  free(piece);
  return sent && size == 0;
}

/* So many bytes. */
static bool pour(struct ask *ask) {
  long long left = atoll(ask->argument);
  char *piece = calloc(1, PIECE_BYTES);
  char head[128];
  snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\ncontent-length: %lld\r\n\r\n", left);
  bool sent = send_text(ask->fd, head);
  while (sent && left > 0) {
    size_t size = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
    sent = send_all(ask->fd, piece, size);
    left -= (long long)size;
  }
  free(piece);
  return sent;
}

/* Becomes a WebSocket that nobody says anything on. */
static bool upgrade(struct ask *ask) {
  ask->is_left = true;
  return send_text(ask->fd, "HTTP/1.1 101 Yes\r\nupgrade: websocket\r\n"
                            "connection: upgrade\r\n\r\n");
}

static bool silence(struct ask *ask) {
  (void)ask;
  sleep_ms(3600 * 1000);
  return false;
}

/* An answer of so many bytes, one each 50 ms. */
static bool drip(struct ask *ask) {
  char head[128];
  long left = atol(ask->argument);
  snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\ncontent-length: %ld\r\n\r\n", left);
  bool sent = send_text(ask->fd, head);
  for (; sent && left > 0; left--) {
    sent = send_text(ask->fd, ".");
    sleep_ms(50);
  }
  return sent;
}

/* Takes a body, and says how long it was. */
static bool sink(struct ask *ask) {
  char *piece = malloc(PIECE_BYTES), said[32];
  long long sum = 0;
  long size;
  while ((size = read_body(ask, piece, PIECE_BYTES)) > 0) sum += size;
  free(piece);
  snprintf(said, sizeof said, "%lld", sum);
  return answer(ask->fd, said) && size == 0;
}

static void *print_on(void *with) {
  char *piece = malloc(PIECE_BYTES);
  memset(piece, 'x', PIECE_BYTES);
  for (long line = 79; line < PIECE_BYTES; line += 80) piece[line] = '\n';
  for (long *printed = with;; *printed += PIECE_BYTES) {
    for (long at = 0; at < PIECE_BYTES;) {
      ssize_t more = write(STDOUT_FILENO, piece + at, (size_t)(PIECE_BYTES - at));
      if (more <= 0) return NULL;
      at += more;
    }
  }
}

/* Prints all that it can for so many ms; says how many bytes those were. */
static bool print(struct ask *ask) {
  static long printed[4];
  char said[32];
  for (int i = 0; i < 4; i++) start_thread(print_on, &printed[i]);
  sleep_ms(atol(ask->argument));
  snprintf(said, sizeof said, "%ld", printed[0] + printed[1] + printed[2] + printed[3]);
  return answer(ask->fd, said);
}

/* Dies with all that it has. */
static bool die(struct ask *ask) {
  (void)ask;
  _exit(9);
}

const struct act PLAIN_ACTS[] = {
    {"nonce", nonce}, {"tell", tell}, {"echo", echo},   {"pour", pour}, {"upgrade", upgrade},
    {"silence", silence}, {"drip", drip}, {"sink", sink}, {"print", print}, {"die", die},
    {NULL, NULL}};
