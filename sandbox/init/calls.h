/* What programs call outside: init's side of the socket to the relay (relay.h). */
#ifndef KHACHAPURI_CALLS_H
#define KHACHAPURI_CALLS_H

#include "inside.h"

/* Passes on what the relay tells of. It is heard before a run's end, which it may explain. */
void calls_hear(struct inside *inside);

/*
 * Asks the relay what was used, when runs that may have called out are over; the last one's
 * connections end with it, and so do those that the relay took up only then.
 */
void calls_settle(struct inside *inside);

/* Asks the relay what was used so far, for a server, which has no end to wait for. */
void calls_ask(struct inside *inside);

#endif
