/* The provider's bytes, cut into frames. */
#ifndef KHACHAPURI_INPUT_H
#define KHACHAPURI_INPUT_H

#include "protocol.h"

#include <stdbool.h>

/* Ends this process with a diagnostic: the provider has sent what the protocol does not allow. */
_Noreturn void protocol_error(const char *what);

void input_open(void);

/*
 * Reads once and calls `handle` for each frame that is now whole. Ends this process when the
 * provider is gone.
 */
void input_read(void (*handle)(const struct frame_header *header, uint8_t *payload));

bool input_is_empty(void);

/* Gives the memory of an empty buffer back. */
void input_release(void);

#endif
