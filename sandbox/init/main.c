/*
 * The sandbox's native helper: `prepare`, `machine` and `host` run on the host side, `inside` is
 * pid 1 of a deployment's sandbox. `launch`, `attend` and `notify` are what the provider needs of
 * the system to start its own successor, `system` and `settings` what setting up a server does;
 * `hook` starts what changes the provider's own zone. It holds mechanism only; every policy
 * (mounts, limits, the seccomp filter) comes from the TypeScript side as arguments or as frames.
 */
#include "hook.h"
#include "host.h"
#include "inside.h"
#include "launch.h"
#include "machine.h"
#include "notify.h"
#include "system.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
  if (argc == 2 && !strcmp(argv[1], "inside")) return inside_main();
  if (argc == 2 && !strcmp(argv[1], "prepare")) return prepare_main();
  if (argc == 2 && !strcmp(argv[1], "machine")) return machine_main();
  if (argc > 2 && !strcmp(argv[1], "host")) return host_main(argc - 2, argv + 2);
  if (argc > 2 && !strcmp(argv[1], "launch")) return launch_main(argv + 2);
  if (argc > 2 && !strcmp(argv[1], "attend")) return attend_main(argv + 2);
  if (argc > 2 && !strcmp(argv[1], "notify")) return notify_main(argc - 2, argv + 2);
  if (argc == 2 && !strcmp(argv[1], "settings")) return settings_main();
  if (argc > 2 && !strcmp(argv[1], "system")) return system_main(argc - 2, argv + 2);
  if (argc > 3 && !strcmp(argv[1], "hook")) return hook_main(argc - 2, argv + 2);
  dprintf(2, "khachapuri-init: the provider starts this; see sandbox/init/\n");
  return 2;
}
