/**
 * The seccomp filter that every program runs under, assembled here as classic BPF (seccomp(2),
 * filter.rst of the Linux documentation).
 *
 * The kernel compiles a filter each time it is installed. So that no run waits for that (`deno task
 * bench sandbox`, row "khachapuri, whole request"), it is installed once, in the sandbox's init,
 * and all that init starts inherits it. Init itself needs some calls that no program may make. The
 * filter allows them when an argument that the kernel does not read holds a secret: a random number
 * that init is told in its set-up and that no program can read in init's memory. A program that
 * guessed it would still lack the capabilities that these calls ask for; only a user namespace asks
 * for none, and those are refused by the filter in `unshare` and by bwrap everywhere.
 */
import { type Machine, ownMachine } from "./machine.ts";
import { type Lists, syscallsOf } from "./syscalls.ts";

const EPERM = 1;
const ENOSYS = 38;
const EPROTONOSUPPORT = 93;
const EAFNOSUPPORT = 97;

/** What the kernel does with a call: these, or failing with an errno. */
export const ALLOW = 0x7fff_0000;
export const ASK = 0x7fc0_0000; // SECCOMP_RET_USER_NOTIF
export const KILL_PROCESS = 0x8000_0000;
export const errno = (number: number) => 0x0005_0000 | number;

/** One instruction: struct sock_filter. */
export interface Instruction {
  code: number;
  jt: number;
  jf: number;
  k: number;
}

export const LOAD = 0x20; // BPF_LD | BPF_W | BPF_ABS
export const RETURN = 0x06; // BPF_RET | BPF_K
export const JUMP_EQUAL = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
export const JUMP_ABOVE = 0x25; // BPF_JMP | BPF_JGT | BPF_K
export const JUMP_ANY_BIT = 0x45; // BPF_JMP | BPF_JSET | BPF_K
export const XOR = 0xa4; // BPF_ALU | BPF_XOR | BPF_K
export const OR_INDEX = 0x4c; // BPF_ALU | BPF_OR | BPF_X
export const TO_INDEX = 0x07; // BPF_MISC | BPF_TAX

/** Offsets in struct seccomp_data; an argument's low half comes first on both machines. */
export const OFFSET_NUMBER = 0;
export const OFFSET_ARCH = 4;
export const offsetOfArgument = (index: number) => 16 + 8 * index;

/** How the kernel calls each (linux/audit.h): EM_X86_64, EM_AARCH64; 64 bits, little endian. */
export const AUDIT_ARCH: Record<Machine, number> = { x86_64: 0xc000_003e, aarch64: 0xc000_00b7 };

const load = (k: number): Instruction => ({ code: LOAD, jt: 0, jf: 0, k });
const compute = (code: number, k = 0): Instruction => ({ code, jt: 0, jf: 0, k });
const ret = (k: number): Instruction => ({ code: RETURN, jt: 0, jf: 0, k });
const jump = (code: number, k: number, jt: number, jf: number): Instruction => ({
  code,
  jt,
  jf,
  k,
});

/** `verdict` when the loaded value is one of `values`, else falls through. */
function when(values: readonly number[], verdict: number): Instruction[] {
  return values.flatMap((value) => [jump(JUMP_EQUAL, value, 0, 1), ret(verdict)]);
}

/** Namespace flags of clone: programs have no use for them and no right to them. */
const CLONE_NEW_FLAGS = 0x7e02_0000;
const CLONE_NEWUSER = 0x1000_0000;
const [AF_UNIX, AF_INET, AF_INET6, AF_NETLINK] = [1, 2, 10, 16];
const [TCP, UDP, NETLINK_ROUTE] = [6, 17, 0];
const [TIOCSTI, TIOCLINUX] = [0x5412, 0x541c];
const [PRIO_USER, IOPRIO_WHO_USER] = [2, 3];
/** The run's keeper, as the run sees it. */
const KEEPER = 1;
const [F_SETLEASE, F_NOTIFY, F_SETPIPE_SZ] = [1024, 1026, 1031];

/** By family, then by protocol, as the kernel loads a module such as sctp for one it lacks. */
function socketCheck(): Instruction[] {
  const internet = [
    load(offsetOfArgument(2)),
    ...when([0, TCP, UDP], ALLOW),
    ret(errno(EPROTONOSUPPORT)),
  ];
  const netlink = [
    load(offsetOfArgument(2)),
    ...when([NETLINK_ROUTE], ALLOW),
    ret(errno(EPROTONOSUPPORT)),
  ];
  return [
    load(offsetOfArgument(0)),
    ...when([AF_UNIX], ALLOW),
    jump(JUMP_EQUAL, AF_NETLINK, 0, netlink.length),
    ...netlink,
    jump(JUMP_EQUAL, AF_INET, 2, 0),
    jump(JUMP_EQUAL, AF_INET6, 1, 0),
    ret(errno(EAFNOSUPPORT)),
    ...internet,
  ];
}

/** @param before checks of the loaded request that come first */
function ioctlCheck(before: readonly Instruction[] = []): Instruction[] {
  return [
    load(offsetOfArgument(1)),
    ...before,
    ...when([TIOCSTI, TIOCLINUX], errno(EPERM)),
    ret(ALLOW),
  ];
}

/**
 * A socket tells of the network namespace that it was made in, which for one of ours is the
 * machine's: by ioctls on sockets, and by an option that binds it to an interface by its number
 * and another that reads its name. And it knows processes at its other end.
 */
const SOCKET_IOCTLS = [0x8900, 0x89ff] as const;
const SIOCATMARK = 0x8905;
const SOL_SOCKET = 1;
const [SO_BINDTODEVICE, SO_BINDTOIFINDEX, SO_PASSPIDFD, SO_PEERPIDFD] = [25, 62, 76, 77];

const IOCTL_CHECK = ioctlCheck([
  ...when([SIOCATMARK], ALLOW),
  jump(JUMP_ABOVE, SOCKET_IOCTLS[0] - 1, 0, 2),
  jump(JUMP_ABOVE, SOCKET_IOCTLS[1], 1, 0),
  ret(errno(EPERM)),
]);

/** All but these options of SOL_SOCKET. */
function optionCheck(refused: readonly number[]): Instruction[] {
  const options = when(refused, errno(EPERM));
  return [
    load(offsetOfArgument(1)),
    jump(JUMP_EQUAL, SOL_SOCKET, 0, options.length + 1),
    load(offsetOfArgument(2)),
    ...options,
    ret(ALLOW),
  ];
}

/** Not for the keeper, on which it depends that a run ends in time. */
function notTheKeeper(index: number): Instruction[] {
  return [load(offsetOfArgument(index)), ...when([KEEPER], errno(EPERM)), ret(ALLOW)];
}

/** Nor for all processes of the user, of which the keeper is one. */
function notTheUser(kind: number): Instruction[] {
  return [load(offsetOfArgument(0)), ...when([kind], errno(EPERM)), ...notTheKeeper(1)];
}

/** The kernel reads these arguments as 32 bits, so the low half is all there is to check. */
const CHECKS: Record<keyof Lists["checked"], Instruction[]> = {
  socket: socketCheck(),
  socketpair: [
    load(offsetOfArgument(0)),
    ...when([AF_UNIX], ALLOW),
    ret(errno(EAFNOSUPPORT)),
  ],
  clone: [
    load(offsetOfArgument(0)),
    jump(JUMP_ANY_BIT, CLONE_NEW_FLAGS, 0, 1),
    ret(errno(EPERM)),
    ret(ALLOW),
  ],
  ioctl: ioctlCheck(),
  fcntl: [
    load(offsetOfArgument(1)),
    ...when([F_SETLEASE, F_NOTIFY, F_SETPIPE_SZ], errno(EPERM)),
    ret(ALLOW),
  ],
  personality: [load(offsetOfArgument(0)), ...when([0, 0xffff_ffff], ALLOW), ret(errno(EPERM))],
  setpriority: notTheUser(PRIO_USER),
  ioprio_set: notTheUser(IOPRIO_WHO_USER),
  sched_setscheduler: notTheKeeper(0),
  sched_setparam: notTheKeeper(0),
  sched_setaffinity: notTheKeeper(0),
  prlimit64: notTheKeeper(0),
};

export interface FilterOptions {
  /** 64 bits with which init's own calls are allowed; null: they never are. */
  secret: bigint | null;
  /** Whether a cgroup counts memory, also that which nobody has mapped. */
  countsMemory: boolean;
  /** Whether programs hold a socket that was made outside, of the machine's own network. */
  holdsOurSocket?: boolean;
}

/** Consecutive call numbers, up to and including `last`, that share a verdict. */
interface Stretch {
  last: number;
  body: Instruction[];
}

/**
 * Allows a call whose sixth argument, which none of init's calls uses, is the secret. Both halves
 * are compared in one step: after a branch between them a program could tell by the time that a
 * call takes whether it has guessed one half.
 */
function secretCheck(secret: bigint, otherwise: number): Instruction[] {
  const [low, high] = [Number(secret & 0xffff_ffffn), Number(secret >> 32n)];
  return [
    load(offsetOfArgument(5)),
    compute(XOR, low),
    compute(TO_INDEX),
    load(offsetOfArgument(5) + 4),
    compute(XOR, high),
    compute(OR_INDEX),
    jump(JUMP_EQUAL, 0, 0, 1),
    ret(ALLOW),
    ret(otherwise),
  ];
}

/** What CHECKS has of fcntl, but that init may widen the pipes of its programs (init/pipes.h). */
function fcntlCheck(secret: bigint): Instruction[] {
  const bySecret = secretCheck(secret, errno(EPERM));
  const toLast = bySecret.length - 1;
  return [
    load(offsetOfArgument(1)),
    jump(JUMP_EQUAL, F_SETLEASE, toLast + 2, 0),
    jump(JUMP_EQUAL, F_NOTIFY, toLast + 1, 0),
    jump(JUMP_EQUAL, F_SETPIPE_SZ, 0, toLast - 1),
    ...bySecret,
  ];
}

/** Refuses a user namespace whatever the secret: init makes none. */
const NO_USER_NAMESPACE = [
  load(offsetOfArgument(0)),
  jump(JUMP_ANY_BIT, CLONE_NEWUSER, 0, 1),
  ret(errno(EPERM)),
];

const UNKNOWN = [ret(errno(ENOSYS))];

/** What becomes of each call that is listed, by its number. */
function verdictsOf(options: FilterOptions, lists: Lists): Map<number, Instruction[]> {
  const { secret, countsMemory } = options;
  const { allowed, checked, initOnly } = lists;
  const verdicts = new Map<number, Instruction[]>();
  const give = (calls: Readonly<Record<string, number>>, verdict: number) => {
    for (const number of Object.values(calls)) verdicts.set(number, [ret(verdict)]);
  };
  give(allowed, ALLOW);
  if (countsMemory) give(lists.uncounted, ALLOW);
  give(lists.asked, ASK);
  give(lists.refused, errno(EPERM));
  for (const [name, number] of Object.entries(checked)) {
    verdicts.set(number, CHECKS[name as keyof typeof CHECKS]);
  }
  if (options.holdsOurSocket) {
    verdicts.set(checked.ioctl, IOCTL_CHECK);
    verdicts.set(allowed.getsockopt!, optionCheck([SO_BINDTODEVICE, SO_PEERPIDFD]));
    verdicts.set(
      allowed.setsockopt!,
      optionCheck([SO_BINDTODEVICE, SO_BINDTOIFINDEX, SO_PASSPIDFD]),
    );
  }
  if (secret !== null) verdicts.set(checked.fcntl, fcntlCheck(secret));
  const checks = new Map<number, Instruction[]>();
  for (const number of secret === null ? [] : Object.values(initOnly)) {
    const [{ k: otherwise }] = (verdicts.get(number) ?? UNKNOWN) as [Instruction];
    const check = checks.getOrInsertComputed(otherwise, () => secretCheck(secret!, otherwise));
    verdicts.set(number, number === initOnly.unshare ? [...NO_USER_NAMESPACE, ...check] : check);
  }
  return verdicts;
}

function stretches(verdicts: ReadonlyMap<number, Instruction[]>): Stretch[] {
  const result: Stretch[] = [];
  const highest = Math.max(...verdicts.keys());
  for (let number = 0; number <= highest; number++) {
    const body = verdicts.get(number) ?? UNKNOWN;
    const before = result.at(-1);
    const same = before && (before.body === body ||
      before.body.length === 1 && body.length === 1 && before.body[0]!.k === body[0]!.k);
    if (same) before.last = number;
    else result.push({ last: number, body });
  }
  return result;
}

/**
 * A step of the search: an instruction, or a comparison with `last`, either side of which skips so
 * many steps or goes to the return that gives a verdict.
 */
type Step = Instruction | { last: number; above: Target; within: Target };
type Target = { skip: number } | { verdict: number };

/** A binary search for the stretch that a call's number lies in. */
function search(all: readonly Stretch[]): Step[] {
  if (all.length === 1) return all[0]!.body;
  const middle = all.length >> 1;
  const lower = branch(all.slice(0, middle));
  const upper = branch(all.slice(middle));
  const node = {
    last: all[middle - 1]!.last,
    within: lower.verdict === null ? { skip: 0 } : { verdict: lower.verdict },
    above: upper.verdict === null ? { skip: lower.code.length } : { verdict: upper.verdict },
  };
  return [node, ...lower.code, ...upper.code];
}

/** One side of a comparison; a stretch that is only a verdict needs no code. */
function branch(all: readonly Stretch[]): { verdict: number | null; code: Step[] } {
  const plain = all.length === 1 && all[0]!.body.length === 1;
  return plain ? { verdict: all[0]!.body[0]!.k, code: [] } : { verdict: null, code: search(all) };
}

/** Appends one return for each verdict, and turns targets into the distances of BPF jumps. */
function link(steps: readonly Step[]): Instruction[] {
  const verdicts = [ALLOW, ASK, errno(EPERM), errno(ENOSYS)];
  return [
    ...steps.map((step, index): Instruction => {
      if ("code" in step) return step;
      const distance = (to: Target) =>
        "skip" in to ? to.skip : steps.length + verdicts.indexOf(to.verdict) - index - 1;
      return jump(JUMP_ABOVE, step.last, distance(step.above), distance(step.within));
    }),
    ...verdicts.map(ret),
  ];
}

/**
 * The allow-list: foreign architectures (i386, 32-bit ARM) kill the process, x32 and everything
 * unknown is ENOSYS. The numbers are cut into consecutive stretches with one verdict each, found by
 * binary search.
 */
export function allowList(
  options: FilterOptions,
  machine: Machine = ownMachine(),
): Instruction[] {
  const beyond: Stretch = { last: 0xffff_ffff, body: UNKNOWN };
  return link([
    load(OFFSET_ARCH),
    jump(JUMP_EQUAL, AUDIT_ARCH[machine], 1, 0),
    ret(KILL_PROCESS),
    load(OFFSET_NUMBER),
    // x32 numbers lie above 0x4000_0000 and so beyond every stretch that has a verdict of its own.
    ...search([...stretches(verdictsOf(options, syscallsOf(machine))), beyond]),
  ]);
}

/** A filter as the kernel reads it: 8 bytes an instruction, little endian. */
export function encodeProgram(program: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(program.length * 8);
  const view = new DataView(bytes.buffer);
  program.forEach(({ code, jt, jf, k }, index) => {
    view.setUint16(index * 8, code, true);
    view.setUint8(index * 8 + 2, jt);
    view.setUint8(index * 8 + 3, jf);
    view.setUint32(index * 8 + 4, k, true);
  });
  return bytes;
}
