/* What `khachapuri up` must know of a machine and can't read itself: settings and addresses. */
#include "system.h"
#include "sys.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

/* Of the kernel; a dash where it has no such setting. */
static const struct {
  const char *name, *path;
} SETTINGS[] = {
    {"migrateReq", "/proc/sys/net/ipv4/tcp_migrate_req"},
    {"usernsClone", "/proc/sys/kernel/unprivileged_userns_clone"},
    {"apparmorUserns", "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"},
};

static void print_setting(const char *name, const char *path) {
  char text[32] = "-";
  FILE *file = fopen(path, "re");
  if (file && !fgets(text, sizeof text, file)) strcpy(text, "-");
  if (file) fclose(file);
  text[strcspn(text, "\n")] = 0;
  printf("%s=%s\n", name, text);
}

/* Whether the kernel has our profile; a dash where it has none of anybody, or does not say. */
static void print_profile(void) {
  char line[256];
  FILE *file = fopen("/sys/kernel/security/apparmor/profiles", "re");
  const char *found = file ? "0" : "-";
  while (file && fgets(line, sizeof line, file)) {
    if (!strncmp(line, "khachapuri-init ", strlen("khachapuri-init "))) found = "1";
  }
  if (file) fclose(file);
  printf("profile=%s\n", found);
}

/* Addresses that others may reach: none of loopback, none that hold on one link only. */
static void print_addresses(void) {
  struct ifaddrs *all = NULL;
  if (getifaddrs(&all)) return;
  for (const struct ifaddrs *one = all; one; one = one->ifa_next) {
    char text[INET6_ADDRSTRLEN];
    if (!one->ifa_addr || one->ifa_flags & IFF_LOOPBACK || !(one->ifa_flags & IFF_UP)) continue;
    if (one->ifa_addr->sa_family == AF_INET) {
      const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)one->ifa_addr;
      inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
    } else if (one->ifa_addr->sa_family == AF_INET6) {
      const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)one->ifa_addr;
      if (IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr)) continue;
      inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
    } else {
      continue;
    }
    printf("address=%s\n", text);
  }
  freeifaddrs(all);
}

int settings_main(void) {
  for (size_t i = 0; i < sizeof SETTINGS / sizeof SETTINGS[0]; i++) {
    print_setting(SETTINGS[i].name, SETTINGS[i].path);
  }
  print_profile();
  print_addresses();
  return 0;
}
