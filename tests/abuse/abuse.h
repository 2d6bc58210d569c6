/*
 * A program that attacks its sandbox. The case is the last part of the URL's path, its argument
 * the query `?arg=`. Each prints facts, one `name value` a line; the test says what they must be.
 */
#ifndef ABUSE_H
#define ABUSE_H

struct attack {
  const char *name;
  void (*run)(const char *argument);
};

extern const struct attack FILE_ATTACKS[], KERNEL_ATTACKS[], PROCESS_ATTACKS[], NETWORK_ATTACKS[];

/* Prints `name ok` when `result` is not negative, else `name ERRNO`. */
void tell(const char *name, long result);
void say(const char *name, long value);
void say_text(const char *name, const char *value);
void flush(void);

#endif
