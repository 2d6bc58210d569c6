#include "fresh.h"
#include "raw.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <time.h>

static long mount_at(const struct settings *settings, const char *kind, const char *from,
                     const char *path, unsigned long flags, const char *options) {
  return raw_own(settings->secret, SYS_mount, raw_pointer(from), raw_pointer(path),
                 raw_pointer(kind), (long)flags, raw_pointer(options));
}

static long mount_tmp(const struct settings *settings) {
  return mount_at(settings, "tmpfs", "tmpfs", "/tmp", MS_NOSUID | MS_NODEV, settings->tmp_options);
}

static long mount_proc(const struct settings *settings) {
  unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY;
  return mount_at(settings, "proc", "proc", "/proc", flags, NULL);
}

/*
 * Shows /dev/null in place of the machine's boot id. What interpreters read (cpuinfo, meminfo,
 * stat) stays, and so does what is like it.
 */
static long hide_boot_id(const struct settings *settings) {
  static const char path[] = "/proc/sys/kernel/random/boot_id";
  return mount_at(settings, NULL, "/dev/null", path, MS_BIND, NULL);
}

/* Puts over /proc/1 a folder that nobody may look into, as most of what it hides is nobody's. */
static long hide_keeper(const struct settings *settings) {
  unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY;
  return mount_at(settings, "tmpfs", "tmpfs", "/proc/1", flags, "mode=0,nr_inodes=1");
}

/* Has the next process of this pid namespace be number 2, as where there was none but pid 1. */
static long count_pids_anew(const struct settings *settings) {
  long written = raw(SYS_pwrite64, settings->last_pid, raw_pointer("1"), 1, 0, 0);
  return written == 1 ? 0 : -EIO;
}

/* Of the capabilities those with which all this is done: no run of this keeper is under way. */
static long keep_one_capability(void) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  const uint32_t mounting = 1u << CAP_SYS_ADMIN;
  struct __user_cap_data_struct kept[2] = {{.effective = mounting, .permitted = mounting}};
  return raw(SYS_capset, raw_pointer(&header), raw_pointer(kept), 0, 0, 0);
}

long fresh_make(const struct settings *settings, bool *renewable) {
  *renewable = !settings->listen && settings->last_pid >= 0 && count_pids_anew(settings) == 0;
  long result = mount_proc(settings);
  if (result >= 0) result = hide_boot_id(settings);
  if (result >= 0 && *renewable) result = hide_keeper(settings);
  if (result >= 0 && *renewable) result = keep_one_capability();
  return result < 0 ? result : mount_tmp(settings);
}

/* A keeper blocks all signals, so those that programs send it wait, and those that wait count. */
static void drop_signals(void) {
  static const unsigned long all = ~0ul;
  static const struct timespec now;
  while (raw(SYS_rt_sigtimedwait, raw_pointer(&all), 0, raw_pointer(&now), sizeof all, 0) > 0) {
    continue;
  }
}

long fresh_again(const struct settings *settings) {
  drop_signals();
  long result = raw_own(settings->secret, SYS_umount2, raw_pointer("/tmp"), MNT_DETACH, 0, 0, 0);
  if (result >= 0) result = mount_tmp(settings);
  if (result >= 0) result = raw_own(settings->secret, SYS_unshare, CLONE_NEWIPC, 0, 0, 0, 0);
  return result < 0 ? result : count_pids_anew(settings);
}
