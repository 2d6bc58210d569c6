/* What Deno's permissions keep a provider from seeing of itself. */
#ifndef KHACHAPURI_MACHINE_H
#define KHACHAPURI_MACHINE_H

/* Prints the descriptors of the process that started this one. */
int machine_main(void);

#endif
