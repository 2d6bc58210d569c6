/**
 * Which system calls of Linux on x86-64 a program may make: our own list, by purpose. A call that
 * is not listed fails with ENOSYS, as on an older kernel, so that libraries use another one.
 * Left out on purpose: io_uring and memfd_secret, which go around other checks; clone3, whose flags
 * are behind a pointer that no filter can follow (libraries use clone then); io_setup, whose
 * contexts are counted for the whole machine together; sched_setattr, which would let a program
 * choose when it is scheduled; and vmsplice, which holds memory where nobody counts it.
 */

/** Allowed with any arguments. */
export const ALLOWED = parse([
  // Bytes in and out of descriptors.
  `read:0 write:1 pread64:17 pwrite64:18 readv:19 writev:20 preadv:295 pwritev:296
   preadv2:327 pwritev2:328 lseek:8 sendfile:40 splice:275 tee:276
   copy_file_range:326 readahead:187 fadvise64:221 sync_file_range:277 fsync:74 fdatasync:75
   sync:162 syncfs:306 ftruncate:77 truncate:76 fallocate:285 close:3 close_range:436 dup:32
   dup2:33 dup3:292 pipe:22 pipe2:293 eventfd:284 eventfd2:290 cachestat:451`,
  // Files, folders and their attributes; the mounts decide what can be reached.
  `open:2 openat:257 openat2:437 creat:85 stat:4 fstat:5 lstat:6 newfstatat:262 statx:332
   access:21 faccessat:269 faccessat2:439 getdents:78 getdents64:217 getcwd:79 chdir:80
   fchdir:81 mkdir:83 mkdirat:258 rmdir:84 rename:82 renameat:264 renameat2:316 link:86
   linkat:265 unlink:87 unlinkat:263 symlink:88 symlinkat:266 readlink:89 readlinkat:267
   chmod:90 fchmod:91 fchmodat:268 fchmodat2:452 chown:92 fchown:93 lchown:94 fchownat:260
   umask:95 utime:132 utimes:235 utimensat:280 futimesat:261 mknod:133 mknodat:259 statfs:137
   fstatfs:138 flock:73 getxattr:191 lgetxattr:192 fgetxattr:193 listxattr:194 llistxattr:195
   flistxattr:196 setxattr:188 lsetxattr:189 fsetxattr:190 removexattr:197 lremovexattr:198
   fremovexattr:199`,
  // Waiting for descriptors and timers.
  `poll:7 ppoll:271 select:23 pselect6:270 epoll_create:213 epoll_create1:291 epoll_ctl:233
   epoll_ctl_old:214 epoll_wait:232 epoll_wait_old:215 epoll_pwait:281 epoll_pwait2:441
   timerfd_create:283 timerfd_settime:286 timerfd_gettime:287 signalfd:282 signalfd4:289`,
  // Memory; the cgroup and the rlimits decide how much.
  `mmap:9 munmap:11 mremap:25 mprotect:10 madvise:28 brk:12 msync:26 mincore:27 mlock:149
   mlock2:325 munlock:150 mlockall:151 munlockall:152 membarrier:324 remap_file_pages:216
   pkey_alloc:330 pkey_free:331 pkey_mprotect:329 map_shadow_stack:453 mseal:462`,
  // Processes and threads of the run's own pid namespace.
  `fork:57 vfork:58 execve:59 execveat:322 exit:60 exit_group:231 wait4:61 waitid:247 kill:62
   tkill:200 tgkill:234 getpid:39 getppid:110 gettid:186 getpgrp:111 getpgid:121 setpgid:109
   getsid:124 set_tid_address:218 set_robust_list:273 get_robust_list:274 rseq:334
   arch_prctl:158 prctl:157 futex:202 futex_waitv:449 futex_wake:454 futex_wait:455
   futex_requeue:456 pidfd_open:434 pidfd_send_signal:424 restart_syscall:219 rt_sigaction:13
   rt_sigprocmask:14 rt_sigreturn:15 rt_sigpending:127 rt_sigtimedwait:128
   rt_sigqueueinfo:129 rt_tgsigqueueinfo:297 rt_sigsuspend:130 sigaltstack:131 pause:34
   alarm:37 seccomp:317 landlock_create_ruleset:444 landlock_add_rule:445
   landlock_restrict_self:446`,
  // Identity; without capabilities nothing can be gained.
  `getuid:102 geteuid:107 getgid:104 getegid:108 getresuid:118 getresgid:120 getgroups:115
   setuid:105 setgid:106 setreuid:113 setregid:114 setresuid:117 setresgid:119 setfsuid:122
   setfsgid:123 setgroups:116 capget:125 capset:126`,
  // Scheduling and accounting, downwards only.
  `sched_yield:24 sched_getaffinity:204 sched_getparam:143 sched_getscheduler:145
   sched_get_priority_max:146 sched_get_priority_min:147 sched_rr_get_interval:148
   sched_getattr:315 getpriority:140 ioprio_get:252 getrlimit:97 setrlimit:160 getrusage:98
   times:100 sysinfo:99 uname:63 getcpu:309`,
  // Time, as far as it is read or waited for.
  `time:201 gettimeofday:96 clock_gettime:228 clock_getres:229 clock_nanosleep:230
   nanosleep:35 getitimer:36 setitimer:38 timer_create:222 timer_settime:223
   timer_gettime:224 timer_getoverrun:225 timer_delete:226 getrandom:318`,
  // Sockets, once made; `socket` itself is checked below.
  `bind:49 connect:42 listen:50 accept:43 accept4:288 shutdown:48 getsockname:51
   getpeername:52 getsockopt:55 setsockopt:54 sendto:44 recvfrom:45 sendmsg:46 recvmsg:47
   sendmmsg:307 recvmmsg:299`,
  // System V and POSIX queues, in an ipc namespace of the run's own.
  `shmat:30 shmctl:31 shmdt:67 semget:64 semop:65 semctl:66 semtimedop:220
   msgget:68 msgsnd:69 msgrcv:70 msgctl:71 mq_open:240 mq_unlink:241 mq_timedsend:242
   mq_timedreceive:243 mq_notify:244 mq_getsetattr:245`,
  // Numbers of 32-bit and abandoned calls, to which the kernel itself answers ENOSYS.
  `set_thread_area:205 get_thread_area:211 vserver:236`,
]);

/** Refused with EPERM, the answer programs expect from a lack of rights. */
export const REFUSED = parse([
  // Remnants; most are ENOSYS by themselves, modify_ldt is the one that still does something.
  `modify_ldt:154 _sysctl:156 create_module:174 get_kernel_syms:177 query_module:178
   nfsservctl:180 getpmsg:181 putpmsg:182 afs_syscall:183 tuxcall:184 security:185`,
  // Other namespaces and mounts.
  `unshare:272 setns:308 mount:165 umount2:166 pivot_root:155 chroot:161 fsopen:430
   fsconfig:431 fsmount:432 fspick:433 move_mount:429 open_tree:428 mount_setattr:442
   statmount:457 listmount:458`,
  // Other processes and the descriptors they hold.
  `ptrace:101 process_vm_readv:310 process_vm_writev:311 process_madvise:440
   process_mrelease:448 kcmp:312 pidfd_getfd:438`,
  // The kernel's insides: programs, modules, ports, logs, performance counters.
  `bpf:321 perf_event_open:298 userfaultfd:323 init_module:175 finit_module:313
   delete_module:176 kexec_load:246 kexec_file_load:320 iopl:172 ioperm:173 syslog:103
   lookup_dcookie:212`,
  // Keys, kept by the kernel outside every namespace of ours.
  `add_key:248 request_key:249 keyctl:250`,
  // Handles that reach a file past its path.
  `name_to_handle_at:303 open_by_handle_at:304`,
  // The whole machine: clocks, swap, quota, names, power.
  `settimeofday:164 clock_settime:227 clock_adjtime:305 adjtimex:159 swapon:167 swapoff:168
   quotactl:179 quotactl_fd:443 acct:163 reboot:169 sethostname:170 setdomainname:171
   vhangup:153`,
  // Where memory lives, and waking other processors.
  `mbind:237 set_mempolicy:238 get_mempolicy:239 migrate_pages:256 move_pages:279
   set_mempolicy_home_node:450`,
  // Quotas that are shared by all processes of the host user.
  `inotify_init:253 inotify_init1:294 inotify_add_watch:254 inotify_rm_watch:255
   fanotify_init:300 fanotify_mark:301`,
]);

/**
 * With these the sandbox's init gives a run its namespaces and mounts, and decides on setsid
 * (init/sessions.h). They are allowed only with init's secret as the sixth argument, which none of
 * them uses (seccomp.ts).
 */
export const INIT_ONLY = { mount: 165, unshare: 272, clone3: 435, ptrace: 101 };

/** The filter tells init of these, and their callers wait for what it decides. */
export const ASKED = { setsid: 112 };

/** They make memory that nobody need have mapped: only where a cgroup counts it (seccomp.ts). */
export const UNCOUNTED = { memfd_create: 319, shmget: 29 };

/** Decided by their arguments in seccomp.ts. */
export const CHECKED = {
  ioctl: 16,
  socket: 41,
  socketpair: 53,
  clone: 56,
  fcntl: 72,
  personality: 135,
  setpriority: 141,
  ioprio_set: 251,
  sched_setscheduler: 144,
  sched_setparam: 142,
  sched_setaffinity: 203,
  prlimit64: 302,
};

/** Reads `name:number` pairs. */
function parse(groups: readonly string[]): Readonly<Record<string, number>> {
  const pairs = groups.join(" ").split(/\s+/).filter((pair) => pair !== "");
  return Object.fromEntries(pairs.map((pair) => {
    const [name, number] = pair.split(":");
    return [name!, Number(number)];
  }));
}
