/*
 * The machine's own tools, as `khachapuri up` and `down` use them. The command line may start
 * nothing but this helper, so what it could have started stands here, word by word: no shell, no
 * PATH, no file that somebody names.
 */
#include "system.h"
#include "sys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORDS_MAX = 256 };

/* One way to use a tool: its words, where %units and %packages are one or more of these. */
static const char *const WAYS[] = {
    "/usr/bin/apt-get -q update",
    "/usr/bin/apt-get -q -y --no-install-recommends install %packages",
    "/usr/sbin/useradd --system --no-create-home --home-dir %path --shell /usr/sbin/nologin "
    "khachapuri",
    "/usr/bin/systemctl daemon-reload",
    "/usr/bin/systemctl enable %units",
    "/usr/bin/systemctl disable %units",
    "/usr/bin/systemctl start %units",
    "/usr/bin/systemctl start --no-block %units",
    "/usr/bin/systemctl stop %units",
    "/usr/bin/systemctl restart %units",
    "/usr/bin/systemctl restart --no-block %units",
    "/usr/bin/systemctl reload %units",
    "/usr/bin/systemctl show "
    "--property=Id,ActiveState,SubState,StatusText,UnitFileState,NeedDaemonReload "
    "%units",
    "/usr/bin/journalctl --unit=khachapuri --lines=20 --no-pager --output=cat",
    "/usr/sbin/sysctl -q -p /etc/sysctl.d/60-khachapuri.conf",
    "/usr/sbin/apparmor_parser -r /etc/apparmor.d/khachapuri",
    "/usr/sbin/apparmor_parser -R /etc/apparmor.d/khachapuri",
};
static const char *const UNITS[] = {"khachapuri.service", "khachapuri.socket",
                                    "khachapuri-http.socket", NULL};
static const char *const PACKAGES[] = {"bubblewrap", "procps", "util-linux", "apparmor", NULL};

/* As whom the provider runs, and what: the one program that is not the system's. */
static char *const AS_USER[] = {"/usr/sbin/runuser", "-u", "khachapuri", "--",
                                "/usr/local/bin/khachapuri"};

static bool is_among(const char *const *names, const char *word) {
  while (*names && strcmp(*names, word)) names++;
  return *names != NULL;
}

static bool is_path(const char *word) {
  const char *allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-";
  return word[0] == '/' && !word[strspn(word, allowed)] && !strstr(word, "..");
}

static const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

/* How many of `words` a pattern's word stands for; 0: it does not fit. */
static int fits(const char *pattern, int count, char **words) {
  const char *const *names = !strcmp(pattern, "%units") ? UNITS
                             : !strcmp(pattern, "%packages") ? PACKAGES
                                                             : NULL;
  int fit = 0;
  if (names) {
    while (fit < count && is_among(names, words[fit])) fit++;
    return fit;
  }
  if (count == 0) return 0;
  return !strcmp(pattern, "%path") ? is_path(words[0]) : !strcmp(pattern, words[0]);
}

/* The tool's path where these are words of that way to use it. */
static const char *match(const char *way, int argc, char **argv) {
  static char text[512];
  char *rest;
  snprintf(text, sizeof text, "%s", way);
  const char *path = strtok_r(text, " ", &rest);
  if (strcmp(base_name(path), argv[0])) return NULL;
  int used = 1;
  for (const char *word; (word = strtok_r(NULL, " ", &rest));) {
    int fit = fits(word, argc - used, argv + used);
    if (fit == 0) return NULL;
    used += fit;
  }
  return used == argc ? path : NULL;
}

static int become(char **command, const char *cache) {
  char *environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/", "LANG=C.UTF-8",
                         "DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_SUSPEND=1",
                         (char *)cache, NULL};
  execve(command[0], command, environment);
  fatal(command[0]);
}

/* runuser HOME ARGUMENT...: our command line as the service's user, with its cache in that home. */
static int run_as_user(int argc, char **argv) {
  enum { BEFORE = sizeof AS_USER / sizeof AS_USER[0] };
  char *command[WORDS_MAX + BEFORE + 1] = {NULL};
  char cache[512];
  if (argc < 3 || argc > WORDS_MAX || !is_path(argv[1])) return 2;
  snprintf(cache, sizeof cache, "XDG_CACHE_HOME=%s/cache", argv[1]);
  memcpy(command, AS_USER, sizeof AS_USER);
  for (int i = 2; i < argc; i++) command[BEFORE + i - 2] = argv[i];
  return become(command, cache);
}

int system_main(int argc, char **argv) {
  if (!strcmp(argv[0], "runuser")) return run_as_user(argc, argv);
  for (size_t i = 0; i < sizeof WAYS / sizeof WAYS[0]; i++) {
    const char *path = match(WAYS[i], argc, argv);
    if (!path) continue;
    argv[0] = (char *)path;
    return become(argv, NULL);
  }
  dprintf(2, "khachapuri-init: %s is not used so\n", argv[0]);
  return 2;
}
