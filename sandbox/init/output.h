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
 * Passes up to `most` bytes of a pipe on as a frame's payload: its pages are moved, not copied.
 * How many; 0 where something waits to go out before, or nothing could be moved: they are to be
 * read.
 */
size_t output_move(uint8_t type, uint32_t run, int from, size_t most);

/* Whether the provider has not taken all that was moved: till then nothing more is. */
bool output_is_moving(void);

/* Whether the provider has taken all of it. */
bool output_is_empty(void);

/* Writes what the provider takes; exits when the provider is gone. */
void output_flush(void);

/* Gives the memory of an empty buffer back. */
void output_release(void);

#endif
