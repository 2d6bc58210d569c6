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
const EINVAL = 22;
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
const [F_SETFL, F_SETLEASE, F_NOTIFY, F_SETPIPE_SZ] = [4, 1024, 1026, 1031];
const [O_NONBLOCK, O_CLOEXEC] = [0x800, 0x8_0000];
const O_DIRECT: Record<Machine, number> = { x86_64: 0x4000, aarch64: 0x1_0000 };

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
const CHECKS: Record<Exclude<keyof Lists["checked"], "fcntl">, Instruction[]> = {
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
  pipe2: [
    load(offsetOfArgument(1)),
    jump(JUMP_ANY_BIT, ~(O_NONBLOCK | O_CLOEXEC) >>> 0, 0, 1),
    ret(errno(EINVAL)),
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

/**
 * By the command; init may widen the pipes of its programs (init/pipes.h). Nobody makes packets of
 * what is written to a pipe, here or by pipe2: a reader that has less room drops the rest of one,
 * and init moves what programs print on as it is (init/output.h).
 */
function fcntlCheck(machine: Machine, secret: bigint | null): Instruction[] {
  const refused = errno(EPERM);
  // Its last two are the verdicts: allowed, refused.
  const end = secret === null ? [ret(ALLOW), ret(refused)] : secretCheck(secret, refused);
  const refusal = 8 + end.length - 1;
  const to = (at: number, from: number) => at - from - 1;
  return [
    load(offsetOfArgument(1)),
    jump(JUMP_EQUAL, F_SETLEASE, to(refusal, 1), 0),
    jump(JUMP_EQUAL, F_NOTIFY, to(refusal, 2), 0),
    jump(JUMP_EQUAL, F_SETPIPE_SZ, to(secret === null ? refusal : 8, 3), 0),
    jump(JUMP_EQUAL, F_SETFL, 0, to(refusal - 1, 4)),
    load(offsetOfArgument(2)),
    jump(JUMP_ANY_BIT, O_DIRECT[machine], 0, to(refusal - 1, 6)),
    ret(errno(EINVAL)),
    ...end,
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
function verdictsOf(options: FilterOptions, machine: Machine): Map<number, Instruction[]> {
  const lists = syscallsOf(machine);
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
  const checks = { ...CHECKS, fcntl: fcntlCheck(machine, secret) };
  for (const [name, number] of Object.entries(checked)) {
    verdicts.set(number, checks[name as keyof typeof checks]);
  }
  if (options.holdsOurSocket) {
    verdicts.set(checked.ioctl, IOCTL_CHECK);
    verdicts.set(allowed.getsockopt!, optionCheck([SO_BINDTODEVICE, SO_PEERPIDFD]));
    verdicts.set(
      allowed.setsockopt!,
      optionCheck([SO_BINDTODEVICE, SO_BINDTOIFINDEX, SO_PASSPIDFD]),
    );
  }
  const bySecret = new Map<number, Instruction[]>();
  for (const number of secret === null ? [] : Object.values(initOnly)) {
    const [{ k: otherwise }] = (verdicts.get(number) ?? UNKNOWN) as [Instruction];
    const check = bySecret.getOrInsertComputed(otherwise, () => secretCheck(secret!, otherwise));
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
    if (before && isSame(before.body, body)) before.last = number;
    else result.push({ last: number, body });
  }
  return result;
}

/**
 * A step of the search: an instruction, or a comparison with `last`, either side of which skips so
 * many steps or goes to code at the end.
 */
type Step = Instruction | { last: number; above: Target; within: Target };
type Target = { skip: number } | { end: Instruction[] };

/** A binary search for the stretch that a call's number lies in. */
function search(all: readonly Stretch[], ends: readonly Instruction[][]): Step[] {
  if (all.length === 1) return all[0]!.body;
  const middle = all.length >> 1;
  const lower = branch(all.slice(0, middle), ends);
  const upper = branch(all.slice(middle), ends);
  const node = {
    last: all[middle - 1]!.last,
    within: lower.end === null ? { skip: 0 } : { end: lower.end },
    above: upper.end === null ? { skip: lower.code.length } : { end: upper.end },
  };
  return [node, ...lower.code, ...upper.code];
}

/** One side of a comparison; a stretch whose code is at the end needs none here. */
function branch(
  all: readonly Stretch[],
  ends: readonly Instruction[][],
): { end: Instruction[] | null; code: Step[] } {
  const end = all.length === 1 ? ends.find((one) => isSame(one, all[0]!.body)) : undefined;
  return end ? { end, code: [] } : { end: null, code: search(all, ends) };
}

function isSame(one: readonly Instruction[], other: readonly Instruction[]): boolean {
  return one === other || one.length === 1 && other.length === 1 && one[0]!.k === other[0]!.k;
}

/** What is at the end: each plain verdict, and what several stretches have in common. */
function endsOf(all: readonly Stretch[]): Instruction[][] {
  const bodies = all.map(({ body }) => body);
  const isShared = (body: Instruction[]) => bodies.indexOf(body) !== bodies.lastIndexOf(body);
  const ends: Instruction[][] = [];
  for (const body of bodies) {
    if (body.length > 1 && !isShared(body)) continue;
    if (!ends.some((end) => isSame(end, body))) ends.push(body);
  }
  return ends;
}

/** Appends what is at the end, and turns targets into the distances of BPF jumps. */
function link(steps: readonly Step[], ends: readonly Instruction[][]): Instruction[] {
  const at = (end: Instruction[]) =>
    ends.slice(0, ends.indexOf(end)).reduce((sum, { length }) => sum + length, steps.length);
  return [
    ...steps.map((step, index): Instruction => {
      if ("code" in step) return step;
      const distance = (to: Target) => "skip" in to ? to.skip : at(to.end) - index - 1;
      return jump(JUMP_ABOVE, step.last, distance(step.above), distance(step.within));
    }),
    ...ends.flat(),
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
  const all = [...stretches(verdictsOf(options, machine)), beyond];
  const ends = endsOf(all);
  return link([
    load(OFFSET_ARCH),
    jump(JUMP_EQUAL, AUDIT_ARCH[machine], 1, 0),
    ret(KILL_PROCESS),
    load(OFFSET_NUMBER),
    // x32 numbers lie above 0x4000_0000 and so beyond every stretch that has a verdict of its own.
    ...search(all, ends),
  ], ends);
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
