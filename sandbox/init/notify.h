/* Tells the service manager what becomes of the service (sd_notify(3)). */
#ifndef KHACHAPURI_NOTIFY_H
#define KHACHAPURI_NOTIFY_H

/* VARIABLE=VALUE...: returns when the manager at $NOTIFY_SOCKET has taken it in. */
int notify_main(int count, char **assignments);

#endif
