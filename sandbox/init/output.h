/*
 * The frames on their way to the provider, in one buffer. Init never waits for the provider to
 * read: what it has not taken stays here, so whoever writes a frame asks for room first.
 */
#ifndef KHACHAPURI_OUTPUT_H
#define KHACHAPURI_OUTPUT_H

#include "protocol.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room kept for the frames that no window holds back: at most so many bytes of them for a run. */
#define OUTPUT_RESERVE (RUNS_MAX * 128u)

/* Bytes that still fit, frame headers included. */
size_t output_room(void);

/* Where the payload of the next frame is to be written, before `output_commit` appends it. */
uint8_t *output_begin(void);
void output_commit(uint8_t type, uint32_t run, size_t length);

/*
 * Appends a frame that another one will probably follow at once. Unless something waits already,
 * the buffer is then held for a moment, so that both frames leave in one write.
 */
void output_commit_held(uint8_t type, uint32_t run, size_t length);

bool output_is_held(void);
/* Microseconds for which it is held from now on; 0 when that is over. */
uint64_t output_held_us(void);
/* Whether there are frames that only wait for the provider to read. */
bool output_is_blocked(void);
bool output_is_empty(void);

/* Writes what the provider takes, unless it is held; exits when the provider is gone. */
void output_flush(void);

/* Gives the memory of an empty buffer back. */
void output_release(void);

#endif
