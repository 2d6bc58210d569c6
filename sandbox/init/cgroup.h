/* Cgroups on the host side: the base, one subtree for each sandbox, one leaf for each run. */
#ifndef KHACHAPURI_CGROUP_H
#define KHACHAPURI_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Of one run, or of the relay. */
struct cgroup_limits {
  uint64_t memory_bytes;
  uint32_t pids;
  uint32_t cpu_percent; /* of one processor */
};

/* The directory under which sandboxes get their cgroups. */
struct cgroup_base {
  char path[512];       /* empty when there is none */
  uint32_t controllers; /* that its children have, bits of enum controller */
  const char *missing;  /* why there is none */
};

/* Finds the base that `cgroup_prepare` has laid out before. */
void cgroup_find(struct cgroup_base *base);

/* Makes our own cgroup a base, so that sandboxes that start later find it. */
void cgroup_prepare(struct cgroup_base *base, pid_t provider);

/* Removes what sandboxes of providers that are gone have left; returns how many. */
int cgroup_sweep(const struct cgroup_base *base);

/* Makes a sandbox's own subtree; false when there is no base or it cannot be made. */
bool cgroup_create(const struct cgroup_base *base, char *path, size_t size, pid_t provider);

/*
 * Makes and opens a leaf of a sandbox's subtree; its directory, or -1. `foreign_uid` lets the
 * sandbox, which runs under another uid, enter it: that takes write access to cgroup.procs of the
 * leaf and of its parent. Nobody outside the subtree can enter by that.
 */
int cgroup_open_child(const char *sandbox, const char *name, bool foreign_uid);

/* The same, with limits. */
int cgroup_limited_child(const char *sandbox, const char *name, const struct cgroup_limits *limits,
                         bool foreign_uid);

/* Kills what is left in the subtree and removes it; waits up to a second for it to die. */
void cgroup_remove(const char *sandbox);

#endif
