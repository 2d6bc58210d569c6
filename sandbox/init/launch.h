/*
 * Starts the provider's successor, which goes on where the provider ends. Deno can start nothing
 * but this helper, passes no signals to what it started once it is gone, and cannot become another
 * program.
 */
#ifndef KHACHAPURI_LAUNCH_H
#define KHACHAPURI_LAUNCH_H

/* FILE ARGUMENT...: becomes FILE, in a session of its own. */
int launch_main(char **command);

/*
 * FILE ARGUMENT...: starts FILE and stays until it has ended, and those whom it launched in its
 * turn: passes SIGTERM, SIGINT and SIGHUP on to them, and ends with the last one's exit code. Where
 * stdin ends, whoever started us is gone, and they are told to stop.
 */
int attend_main(char **command);

#endif
