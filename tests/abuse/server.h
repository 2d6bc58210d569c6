/*
 * A web server that attacks whoever passes it requests. What it does is the last part of the path,
 * with the query as its argument; "never" and "crash" as its first argument keep it from listening.
 */
#ifndef SERVER_H
#define SERVER_H

#include <stdbool.h>
#include <stddef.h>

/* A request whose head has been read. */
struct ask {
  int fd;
  char *head; /* As it came. */
  char *name; /* The last part of the path. */
  char *argument;
  long long length; /* Of the body: 0 when there is none, -1 when it comes in chunks. */
  char *rest;       /* What came behind the head. */
  size_t rest_bytes;
  bool is_left; /* Nothing more is read from the connection, and it stays open. */
};

struct act {
  const char *name;
  /* Returns whether the connection is good for another request. */
  bool (*run)(struct ask *ask);
};

extern const struct act PLAIN_ACTS[], LYING_ACTS[], FREEZE_ACTS[], REACH_ACTS[];

/* All of it; false when nobody takes it any more. */
bool send_all(int fd, const void *bytes, size_t size);
bool send_text(int fd, const char *text);
/* A whole answer with this body. */
bool answer(int fd, const char *body);
/* The next piece of the body; 0 at its end, -1 when it broke off. Chunks as they stand. */
long read_body(struct ask *ask, char *to, size_t size);
void start_thread(void *(*run)(void *), void *with);
/* The next `count` connections are told an answer before they have asked. */
void greet_next(int count);

/* Prints `name ok` when `result` is not negative, else `name` and why. */
void note(char *text, size_t size, const char *name, long result);

#endif
