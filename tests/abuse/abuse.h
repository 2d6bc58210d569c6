/*
 * A program that attacks its sandbox. The case is the last part of the URL's path, its argument
 * the query `?arg=`. Each prints facts, one `name value` a line; the test says what they must be.
 */
#ifndef ABUSE_H
#define ABUSE_H

#include <netinet/in.h>
#include <stdbool.h>

struct attack {
  const char *name;
  void (*run)(const char *argument);
};

extern const struct attack FILE_ATTACKS[], KERNEL_ATTACKS[], PROCESS_ATTACKS[], NETWORK_ATTACKS[],
    EGRESS_ATTACKS[];

/* Prints `name ok` when `result` is not negative, else `name ERRNO`. */
void tell(const char *name, long result);
void say(const char *name, long value);
void say_text(const char *name, const char *value);
void flush(void);

struct sockaddr_in inet_address(const char *host, int port);
/* Not negative when somebody takes the connection there. */
long connect_ip(const char *host, int port);

/*
 * Has as many descriptors watched as one process can, half a million: each file in each epoll, by
 * many numbers. A number that is taken for another file leaves the watch that it made. Returns
 * errno when there is no room for more; with `for_ever` it waits for room instead.
 */
int add_watches(bool for_ever);

#endif
