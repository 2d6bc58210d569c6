/* A program of the provider's own, which no sandbox holds: it is to change the provider's zone. */
#ifndef KHACHAPURI_HOOK_H
#define KHACHAPURI_HOOK_H

/*
 * SECONDS PROGRAM ARGUMENTS…: runs it with a fresh environment, without ambient capabilities, in a
 * session of its own, until it ends, its time is over (124), or whoever started us has gone. Its
 * exit status, or 127 when it cannot be started, 128 + N when signal N killed it.
 */
int hook_main(int argc, char **argv);

#endif
