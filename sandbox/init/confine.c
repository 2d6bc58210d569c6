/* What init gives up, for itself and for all that it starts, before the first run. */
#include "init.h"
#include "inside.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * Leaves the launcher's mount namespace for one where all that stands is read-only and without
 * set-uid, and where no mount of the machine appears. Launchers see to that for what they mount
 * themselves; but under nsjail, filesystems below /usr or the program would stay writable, and
 * bwrap lets in what the machine mounts there later, as it was mounted.
 */
void seal_mounts(void) {
  static const uint64_t attributes[4] = {
      1 | 2, /* MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID */
      0, MS_PRIVATE, 0};
  if (unshare(CLONE_NEWNS)) fatal("mount namespace");
  if (syscall(SYS_mount_setattr, AT_FDCWD, "/", AT_RECURSIVE, attributes, sizeof attributes)) {
    fatal("read-only mounts");
  }
}

/* Keeps only what starting a run needs, and nothing for what a run could become. */
void confine(void) {
  for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++) {
    if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0)) fatal("capability bounding set");
  }
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)) fatal("ambient capabilities");
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) fatal("no_new_privs");
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)) fatal("dumpable");
}

/*
 * Who wakes here, or in a run, waits its turn instead of taking a processor from the provider in
 * the middle of a call. Runs inherit it, and can at most give it up for themselves. Where the
 * machine does not let us, calls are only slower.
 */
void yield_to_provider(void) {
  const struct sched_param none = {0};
  syscall(SYS_sched_setscheduler, 0, SCHED_BATCH, &none);
}

/* For init and all that it starts, beside what they have. */
void install_filter(const struct filter *filter) {
  const struct sock_fprog program = {
      .len = (unsigned short)filter->instructions,
      .filter = (struct sock_filter *)(uintptr_t)filter->code,
  };
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program)) fatal("seccomp");
}
