/* What every part of the helper needs of the system: errors, clocks, small files, memory. */
#ifndef KHACHAPURI_SYS_H
#define KHACHAPURI_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Prints `what` and errno's text to stderr and ends this process with status 124. */
_Noreturn void fatal(const char *what);

/* On CLOCK_MONOTONIC. */
uint64_t now_ms(void);
uint64_t now_us(void);

/* Reads a small file as NUL-terminated text; its length, or -1 when it cannot be read. */
ssize_t read_file_at(int dir, const char *name, char *text, size_t size);
/* False with errno when not all of `text` could be written. */
bool write_file_at(int dir, const char *name, const char *text);
void make_nonblocking(int fd);

/* Gives the whole pages of this range back to the kernel; they read as zeroes from then on. */
void release_pages(void *from, size_t size);

#endif
