/* What `khachapuri up` and `down` have done by the machine's own tools. */
#pragma once

/* TOOL ARGUMENT...: becomes that tool, if this is one of the ways in which we use it. */
int system_main(int argc, char **argv);

/* Prints what is to be known of this machine, a line each. */
int settings_main(void);
