/* What the helper does outside the sandbox. */
#ifndef KHACHAPURI_HOST_H
#define KHACHAPURI_HOST_H

/* Supervises one sandbox until it is gone: its arguments are in host.c */
int host_main(int argc, char **argv);

/* Once in a provider's process: lays out the cgroup base, sweeps it, prints what there is. */
int prepare_main(void);

#endif
