/*
 * How much the pipes hold that bytes go through. One that has been full is made to hold more, as
 * each side would else wait for the other four times as often. The kernel counts what all pipes of
 * a user may hold, so none is wide that need not be, and where it refuses all goes on as it was.
 */
#ifndef KHACHAPURI_PIPES_H
#define KHACHAPURI_PIPES_H

#include <stdbool.h>
#include <stdint.h>

/* What Linux gives a pipe, and what one gets through which much goes. */
enum { PIPE_BYTES = 64 * 1024, WIDE_PIPE_BYTES = 256 * 1024 };

/* Under a filter that lets init alone do so, by its secret. */
void pipes_filtered(uint64_t secret);

/* Bytes that are in it and were not read yet; 0 where `fd` is closed: -1. */
int pipe_holds(int fd);

void pipe_widen(bool *is_wide, int fd);

/* As it was; what it holds must fit. */
void pipe_narrow(bool *is_wide, int fd);

#endif
