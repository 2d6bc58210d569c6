#include "confine.h"
#include "sys.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

void seal_mounts(void) {
  static const uint64_t attributes[4] = {
      1 | 2, /* MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID */
      0, MS_PRIVATE, 0};
  if (unshare(CLONE_NEWNS)) fatal("mount namespace");
  if (syscall(SYS_mount_setattr, AT_FDCWD, "/", AT_RECURSIVE, attributes, sizeof attributes)) {
    fatal("read-only mounts");
  }
}

void show_program(const char *name) {
  char here[256], source[64];
  if (!getcwd(here, sizeof here)) fatal("the program's place");
  /* By descriptor: a link in its place would lead elsewhere. */
  int folder = open(name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (folder < 0) fatal("the program's folder");
  snprintf(source, sizeof source, "/proc/self/fd/%d", folder);
  if (mount(source, here, NULL, MS_BIND | MS_REC, NULL)) fatal("mounting the program");
  close(folder);
  if (chdir(here)) fatal("the program's folder");
}

void drop_rights(void) {
  for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++) {
    if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0)) fatal("capability bounding set");
  }
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)) fatal("ambient capabilities");
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) fatal("no_new_privs");
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)) fatal("dumpable");
}

void drop_network_rights(void) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct kept[2];
  if (syscall(SYS_capget, &header, kept)) fatal("capabilities");
  const uint32_t network = 1u << CAP_NET_ADMIN;
  kept[0].effective &= ~network;
  kept[0].permitted &= ~network;
  kept[0].inheritable &= ~network;
  if (syscall(SYS_capset, &header, kept)) fatal("network capabilities");
}

void schedule_as_batch(void) {
  const struct sched_param none = {0};
  syscall(SYS_sched_setscheduler, 0, SCHED_BATCH, &none);
}

/* Nobody here may have more than we. */
static void lower_to_ours(struct limit *limit) {
  struct rlimit ours;
  if (getrlimit((int)limit->resource, &ours)) fatal("resource limit");
  if (ours.rlim_max < limit->value) limit->value = ours.rlim_max;
}

void take_limits(struct settings *settings) {
  uint32_t left = 0;
  for (uint32_t i = 0; i < settings->limits; i++) {
    const struct limit limit = settings->limit[i];
    switch (limit.resource) {
      case RLIMIT_CORE:
      case RLIMIT_FSIZE:
      case RLIMIT_MEMLOCK:
      case RLIMIT_MSGQUEUE: {
        const struct rlimit both = {limit.value, limit.value};
        if (setrlimit((int)limit.resource, &both)) fatal("resource limit");
        break;
      }
      default:
        settings->limit[left] = limit;
        lower_to_ours(&settings->limit[left++]);
    }
  }
  settings->limits = left;
}

int install_filter(const struct filter *filter) {
  const struct sock_fprog program = {
      .len = (unsigned short)filter->instructions,
      .filter = (struct sock_filter *)(uintptr_t)filter->code,
  };
  long listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
                          &program);
  if (listener >= 0) return (int)listener;
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program)) fatal("seccomp");
  return -1;
}
