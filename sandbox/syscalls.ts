/**
 * Which system calls of Linux a program may make: our own list, by purpose, each with its numbers
 * on x86-64 and on arm64: `name:x86-64/arm64`, or `name:number` for the newer ones, which have one
 * number everywhere. `-`: there is no such call, as arm64 never had those of old that newer ones
 * stand for. A call that is not listed fails with ENOSYS, as on an older kernel, so that libraries
 * use another one.
 * Left out on purpose: io_uring and memfd_secret, which go around other checks; clone3, whose flags
 * are behind a pointer that no filter can follow (libraries use clone then); io_setup, whose
 * contexts are counted for the whole machine together; sched_setattr, which would let a program
 * choose when it is scheduled; and vmsplice, which holds memory where nobody counts it.
 */
import type { Machine } from "./machine.ts";

/** Numbers by name, on one machine. */
export type Calls<Name extends string = string> = Readonly<Record<Name, number>>;

/** The lists as one machine numbers them, without the calls that it does not have. */
export interface Lists {
  allowed: Calls;
  refused: Calls;
  initOnly: Calls<keyof typeof INIT_ONLY>;
  asked: Calls;
  uncounted: Calls;
  checked: Calls<keyof typeof CHECKED>;
}

/** Allowed with any arguments. */
const ALLOWED = [
  // Bytes in and out of descriptors.
  `read:0/63 write:1/64 pread64:17/67 pwrite64:18/68 readv:19/65 writev:20/66 preadv:295/69
   pwritev:296/70 preadv2:327/286 pwritev2:328/287 lseek:8/62 sendfile:40/71 splice:275/76
   tee:276/77 copy_file_range:326/285 readahead:187/213 fadvise64:221/223 sync_file_range:277/84
   fsync:74/82 fdatasync:75/83 sync:162/81 syncfs:306/267 ftruncate:77/46 truncate:76/45
   fallocate:285/47 close:3/57 close_range:436 dup:32/23 dup2:33/- dup3:292/24 pipe:22/-
   eventfd:284/- eventfd2:290/19 cachestat:451`,
  // Files, folders and their attributes; the mounts decide what can be reached.
  `open:2/- openat:257/56 openat2:437 creat:85/- stat:4/- fstat:5/80 lstat:6/- newfstatat:262/79
   statx:332/291 access:21/- faccessat:269/48 faccessat2:439 getdents:78/- getdents64:217/61
   getcwd:79/17 chdir:80/49 fchdir:81/50 mkdir:83/- mkdirat:258/34 rmdir:84/- rename:82/-
   renameat:264/38 renameat2:316/276 link:86/- linkat:265/37 unlink:87/- unlinkat:263/35
   symlink:88/- symlinkat:266/36 readlink:89/- readlinkat:267/78 chmod:90/- fchmod:91/52
   fchmodat:268/53 fchmodat2:452 chown:92/- fchown:93/55 lchown:94/- fchownat:260/54 umask:95/166
   utime:132/- utimes:235/- utimensat:280/88 futimesat:261/- mknod:133/- mknodat:259/33
   statfs:137/43 fstatfs:138/44 flock:73/32 getxattr:191/8 lgetxattr:192/9 fgetxattr:193/10
   listxattr:194/11 llistxattr:195/12 flistxattr:196/13 setxattr:188/5 lsetxattr:189/6
   fsetxattr:190/7 removexattr:197/14 lremovexattr:198/15 fremovexattr:199/16`,
  // Waiting for descriptors and timers.
  `poll:7/- ppoll:271/73 select:23/- pselect6:270/72 epoll_create:213/- epoll_create1:291/20
   epoll_ctl:233/21 epoll_ctl_old:214/- epoll_wait:232/- epoll_wait_old:215/- epoll_pwait:281/22
   epoll_pwait2:441 timerfd_create:283/85 timerfd_settime:286/86 timerfd_gettime:287/87
   signalfd:282/- signalfd4:289/74`,
  // Memory; the cgroup and the rlimits decide how much.
  `mmap:9/222 munmap:11/215 mremap:25/216 mprotect:10/226 madvise:28/233 brk:12/214 msync:26/227
   mincore:27/232 mlock:149/228 mlock2:325/284 munlock:150/229 mlockall:151/230
   munlockall:152/231 membarrier:324/283 remap_file_pages:216/234 pkey_alloc:330/289
   pkey_free:331/290 pkey_mprotect:329/288 map_shadow_stack:453 mseal:462`,
  // Processes and threads of the run's own pid namespace.
  `fork:57/- vfork:58/- execve:59/221 execveat:322/281 exit:60/93 exit_group:231/94 wait4:61/260
   waitid:247/95 kill:62/129 tkill:200/130 tgkill:234/131 getpid:39/172 getppid:110/173
   gettid:186/178 getpgrp:111/- getpgid:121/155 setpgid:109/154 getsid:124/156
   set_tid_address:218/96 set_robust_list:273/99 get_robust_list:274/100 rseq:334/293
   arch_prctl:158/- prctl:157/167 futex:202/98 futex_waitv:449 futex_wake:454 futex_wait:455
   futex_requeue:456 pidfd_open:434 pidfd_send_signal:424 restart_syscall:219/128
   rt_sigaction:13/134 rt_sigprocmask:14/135 rt_sigreturn:15/139 rt_sigpending:127/136
   rt_sigtimedwait:128/137 rt_sigqueueinfo:129/138 rt_tgsigqueueinfo:297/240
   rt_sigsuspend:130/133 sigaltstack:131/132 pause:34/- alarm:37/- seccomp:317/277
   landlock_create_ruleset:444 landlock_add_rule:445 landlock_restrict_self:446`,
  // Identity; without capabilities nothing can be gained.
  `getuid:102/174 geteuid:107/175 getgid:104/176 getegid:108/177 getresuid:118/148
   getresgid:120/150 getgroups:115/158 setuid:105/146 setgid:106/144 setreuid:113/145
   setregid:114/143 setresuid:117/147 setresgid:119/149 setfsuid:122/151 setfsgid:123/152
   setgroups:116/159 capget:125/90 capset:126/91`,
  // Scheduling and accounting, downwards only.
  `sched_yield:24/124 sched_getaffinity:204/123 sched_getparam:143/121 sched_getscheduler:145/120
   sched_get_priority_max:146/125 sched_get_priority_min:147/126 sched_rr_get_interval:148/127
   sched_getattr:315/275 getpriority:140/141 ioprio_get:252/31 getrlimit:97/163 setrlimit:160/164
   getrusage:98/165 times:100/153 sysinfo:99/179 uname:63/160 getcpu:309/168`,
  // Time, as far as it is read or waited for.
  `time:201/- gettimeofday:96/169 clock_gettime:228/113 clock_getres:229/114
   clock_nanosleep:230/115 nanosleep:35/101 getitimer:36/102 setitimer:38/103
   timer_create:222/107 timer_settime:223/110 timer_gettime:224/108 timer_getoverrun:225/109
   timer_delete:226/111 getrandom:318/278`,
  // Sockets, once made; `socket` itself is checked below.
  `bind:49/200 connect:42/203 listen:50/201 accept:43/202 accept4:288/242 shutdown:48/210
   getsockname:51/204 getpeername:52/205 getsockopt:55/209 setsockopt:54/208 sendto:44/206
   recvfrom:45/207 sendmsg:46/211 recvmsg:47/212 sendmmsg:307/269 recvmmsg:299/243`,
  // System V and POSIX queues, in an ipc namespace of the run's own.
  `shmat:30/196 shmctl:31/195 shmdt:67/197 semget:64/190 semop:65/193 semctl:66/191
   semtimedop:220/192 msgget:68/186 msgsnd:69/189 msgrcv:70/188 msgctl:71/187 mq_open:240/180
   mq_unlink:241/181 mq_timedsend:242/182 mq_timedreceive:243/183 mq_notify:244/184
   mq_getsetattr:245/185`,
  // Numbers of 32-bit and abandoned calls, to which the kernel itself answers ENOSYS.
  `set_thread_area:205/- get_thread_area:211/- vserver:236/-`,
];

/** Refused with EPERM, the answer programs expect from a lack of rights. */
const REFUSED = [
  // Remnants; most are ENOSYS by themselves, modify_ldt is the one that still does something.
  `modify_ldt:154/- _sysctl:156/- create_module:174/- get_kernel_syms:177/- query_module:178/-
   nfsservctl:180/42 getpmsg:181/- putpmsg:182/- afs_syscall:183/- tuxcall:184/- security:185/-`,
  // Other namespaces and mounts.
  `unshare:272/97 setns:308/268 mount:165/40 umount2:166/39 pivot_root:155/41 chroot:161/51
   fsopen:430 fsconfig:431 fsmount:432 fspick:433 move_mount:429 open_tree:428 mount_setattr:442
   statmount:457 listmount:458`,
  // Other processes and the descriptors they hold.
  `ptrace:101/117 process_vm_readv:310/270 process_vm_writev:311/271 process_madvise:440
   process_mrelease:448 kcmp:312/272 pidfd_getfd:438`,
  // The kernel's insides: programs, modules, ports, logs, performance counters.
  `bpf:321/280 perf_event_open:298/241 userfaultfd:323/282 init_module:175/105
   finit_module:313/273 delete_module:176/106 kexec_load:246/104 kexec_file_load:320/294
   iopl:172/- ioperm:173/- syslog:103/116 lookup_dcookie:212/18`,
  // Keys, kept by the kernel outside every namespace of ours.
  `add_key:248/217 request_key:249/218 keyctl:250/219`,
  // Handles that reach a file past its path.
  `name_to_handle_at:303/264 open_by_handle_at:304/265`,
  // The whole machine: clocks, swap, quota, names, power.
  `settimeofday:164/170 clock_settime:227/112 clock_adjtime:305/266 adjtimex:159/171
   swapon:167/224 swapoff:168/225 quotactl:179/60 quotactl_fd:443 acct:163/89 reboot:169/142
   sethostname:170/161 setdomainname:171/162 vhangup:153/58`,
  // Where memory lives, and waking other processors.
  `mbind:237/235 set_mempolicy:238/237 get_mempolicy:239/236 migrate_pages:256/238
   move_pages:279/239 set_mempolicy_home_node:450`,
  // Quotas that are shared by all processes of the host user.
  `inotify_init:253/- inotify_init1:294/26 inotify_add_watch:254/27 inotify_rm_watch:255/28
   fanotify_init:300/262 fanotify_mark:301/263`,
];

/**
 * With these the sandbox's init gives a run its namespaces and mounts, and decides on setsid
 * (init/sessions.h). They are allowed only with init's secret as the sixth argument, which none of
 * them uses (seccomp.ts).
 */
const INIT_ONLY = {
  mount: "165/40",
  umount2: "166/39",
  unshare: "272/97",
  clone3: "435",
  ptrace: "101/117",
};

/** The filter tells init of these, and their callers wait for what it decides. */
const ASKED = ["setsid:112/157"];

/** They make memory that nobody need have mapped: only where a cgroup counts it (seccomp.ts). */
const UNCOUNTED = ["memfd_create:319/279 shmget:29/194"];

/** Decided by their arguments in seccomp.ts. */
const CHECKED = {
  ioctl: "16/29",
  socket: "41/198",
  socketpair: "53/199",
  clone: "56/220",
  fcntl: "72/25",
  pipe2: "293/59",
  personality: "135/92",
  setpriority: "141/140",
  ioprio_set: "251/30",
  sched_setscheduler: "144/119",
  sched_setparam: "142/118",
  sched_setaffinity: "203/122",
  prlimit64: "302/261",
};

const read = new Map<Machine, Lists>();

/** The lists for this machine. */
export function syscallsOf(machine: Machine): Lists {
  const known = read.get(machine);
  if (known) return known;
  const lists: Lists = {
    allowed: parse(ALLOWED, machine),
    refused: parse(REFUSED, machine),
    initOnly: pick(INIT_ONLY, machine),
    asked: parse(ASKED, machine),
    uncounted: parse(UNCOUNTED, machine),
    checked: pick(CHECKED, machine),
  };
  read.set(machine, lists);
  return lists;
}

/** null where there is no such call. */
function numberOn(machine: Machine, numbers: string): number | null {
  const [x86, arm = x86] = numbers.split("/");
  const own = machine === "x86_64" ? x86 : arm;
  return own === "-" ? null : Number(own);
}

/** Of calls that every machine has. */
function pick<Name extends string>(table: Record<Name, string>, machine: Machine): Calls<Name> {
  const pairs = Object.entries<string>(table).map((
    [name, text],
  ) => [name, numberOn(machine, text)]);
  return Object.fromEntries(pairs) as Calls<Name>;
}

/** Reads `name:numbers` pairs. */
function parse(groups: readonly string[], machine: Machine): Calls {
  const calls: Record<string, number> = {};
  for (const pair of groups.join(" ").split(/\s+/)) {
    const [name, numbers] = pair.split(":") as [string, string];
    const number = numberOn(machine, numbers);
    if (number !== null) calls[name] = number;
  }
  return calls;
}
