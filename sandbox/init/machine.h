/* What Deno's permissions keep a provider from seeing of itself. */
#ifndef KHACHAPURI_MACHINE_H
#define KHACHAPURI_MACHINE_H

/* Prints the descriptors of the process that started this one, and the room on PATH's disk. */
int machine_main(const char *path);

#endif
