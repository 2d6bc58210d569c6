import assert from "node:assert/strict";
import fc from "fast-check";
import {
  ALLOW,
  allowList,
  ASK,
  AUDIT_ARCH_X86_64,
  encodeProgram,
  errno,
  type Instruction,
  JUMP_ABOVE,
  JUMP_ANY_BIT,
  JUMP_EQUAL,
  KILL_PROCESS,
  LOAD,
  OR_INDEX,
  RETURN,
  TO_INDEX,
  XOR,
} from "./seccomp.ts";
import { ALLOWED, ASKED, CHECKED, INIT_ONLY, REFUSED, UNCOUNTED } from "./syscalls.ts";

const SECRET = 0xfeed_f00d_0123_4567n;
const FILTER = allowList({ secret: SECRET, countsMemory: true });
const [EPERM, ENOSYS, EPROTONOSUPPORT, EAFNOSUPPORT] = [1, 38, 93, 97].map(errno);

/** What the kernel's interpreter would return (Linux, kernel/seccomp.c, classic BPF). */
function simulate(program: readonly Instruction[], data: DataView): number {
  let [accumulator, index] = [0, 0];
  for (let at = 0;;) {
    const { code, jt, jf, k } = program[at++] ?? assert.fail("fell off the end");
    if (code === LOAD) accumulator = data.getUint32(k, true);
    else if (code === RETURN) return k;
    else if (code === JUMP_EQUAL) at += accumulator === k ? jt : jf;
    else if (code === JUMP_ABOVE) at += accumulator > k ? jt : jf;
    else if (code === JUMP_ANY_BIT) at += (accumulator & k) !== 0 ? jt : jf;
    else if (code === XOR) accumulator = (accumulator ^ k) >>> 0;
    else if (code === OR_INDEX) accumulator = (accumulator | index) >>> 0;
    else if (code === TO_INDEX) index = accumulator;
    else assert.fail(`unknown instruction ${code}`);
  }
}

/** struct seccomp_data */
function call(number: number, args: readonly bigint[] = [], arch = AUDIT_ARCH_X86_64): DataView {
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, number, true);
  data.setUint32(4, arch, true);
  args.forEach((value, index) => data.setBigUint64(16 + 8 * index, value, true));
  return data;
}

const verdict = (number: number, ...args: bigint[]) => simulate(FILTER, call(number, args));

Deno.test("the system call numbers are those of the kernel's own header", async () => {
  const header = await Deno.readTextFile("/usr/include/x86_64-linux-gnu/asm/unistd_64.h");
  const numbers = new Map<string, number>();
  for (const [, name, number] of header.matchAll(/^#define __NR_(\w+)\s+(\d+)$/gm)) {
    numbers.set(name!, Number(number));
  }
  assert(numbers.size > 300);
  const newest = Math.max(...numbers.values());
  const lists = { ...ALLOWED, ...REFUSED, ...CHECKED, ...INIT_ONLY, ...ASKED, ...UNCOUNTED };
  for (const [name, number] of Object.entries(lists)) {
    if (number <= newest) assert.equal(numbers.get(name), number, name);
  }
});

Deno.test("no call stands in two lists", () => {
  const all = [ALLOWED, REFUSED, CHECKED, ASKED, UNCOUNTED].flatMap((list) => Object.values(list));
  assert.equal(new Set(all).size, all.length);
});

Deno.test("every call without a check gets its list's verdict, whatever its arguments", () => {
  const allowed = new Set(Object.values({ ...ALLOWED, ...UNCOUNTED }));
  const asked = new Set<number>(Object.values(ASKED));
  const refused = new Set(Object.values(REFUSED));
  const checked = new Set<number>(Object.values(CHECKED));
  const argument = fc.bigInt(0n, (1n << 64n) - 1n);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 700 }), argument, argument, argument, (nr, a, b, c) => {
      fc.pre(!checked.has(nr));
      const listed = allowed.has(nr) ? ALLOW : asked.has(nr) ? ASK : null;
      const want = listed ?? (refused.has(nr) ? EPERM : ENOSYS);
      assert.equal(verdict(nr, a, b, c), want);
    }),
    { numRuns: 20_000 },
  );
});

Deno.test("without the secret every call is judged as by the plain list", () => {
  const plain = allowList({ secret: null, countsMemory: true });
  const high = 0xdead_beefn << 32n;
  const telling = [0n, 1n, 2n, 6n, 10n, 12n, 16n, 17n, 132n, 1024n, 1026n, 1031n, 0x5412n, 0x541cn];
  const values = [...telling, 0x40000n, 0x0200_0000n, 0x1000_0000n, 0xffff_ffffn, 0x5412n | high];
  for (const arch of [AUDIT_ARCH_X86_64, 0x4000_0003]) {
    for (const base of [0, 0x4000_0000, 0xffff_fc00]) {
      for (let number = base; number < base + 1024; number++) {
        for (const [index, value] of values.entries()) {
          const other = values[(index * 7 + number) % values.length]!;
          for (const args of [[value, value, value], [value, other, 0n], [other, value, other]]) {
            const data = call(number, [...args, other, value, other], arch);
            assert.equal(simulate(FILTER, data), simulate(plain, data), `${number} ${args}`);
          }
        }
      }
    }
  }
});

Deno.test("the secret lets through init's own calls and changes nothing else", () => {
  const shown = [0n, 0n, 0n, 0n, 0n, SECRET];
  for (let number = 0; number < 1024; number++) {
    const own = Object.values<number>(INIT_ONLY).includes(number);
    const [with_, without] = [verdict(number, ...shown), verdict(number)];
    if (own) assert.deepEqual([with_, without === ALLOW], [ALLOW, false]);
    else assert.equal(with_, without);
  }
});

Deno.test("the secret makes no user namespace by unshare, and is compared without a branch", () => {
  const shown = (flags: bigint) => verdict(INIT_ONLY.unshare, flags, 0n, 0n, 0n, 0n, SECRET);
  assert.equal(shown(0x0200_0000n), ALLOW); // CLONE_NEWCGROUP
  for (const flags of [0x1000_0000n, 0x7e02_0000n]) assert.equal(shown(flags), EPERM);
  const half = SECRET & 0xffff_ffffn;
  const path = (guess: bigint) => {
    const at: string[] = [];
    const seen = new Proxy(FILTER, {
      get(target, key) {
        at.push(String(key));
        return Reflect.get(target, key);
      },
    });
    simulate(seen, call(INIT_ONLY.mount, [0n, 0n, 0n, 0n, 0n, guess]));
    return at.join();
  };
  assert.equal(path(half), path(~half & 0xffff_ffffn));
  assert.equal(path(SECRET ^ half), path(half));
});

Deno.test("nothing but the whole secret in its place is the secret", () => {
  for (const [name, number] of Object.entries(INIT_ONLY)) {
    const refused = verdict(number);
    const half = [SECRET & 0xffff_ffffn, SECRET & ~0xffff_ffffn, SECRET ^ 1n, SECRET ^ (1n << 63n)];
    const swapped = (SECRET >> 32n) | ((SECRET & 0xffff_ffffn) << 32n);
    for (const guess of [...half, swapped, 0n, 2n ** 64n - 1n]) {
      assert.equal(verdict(number, 0n, 0n, 0n, 0n, 0n, guess), refused, `${name} ${guess}`);
    }
    for (let place = 0; place < 5; place++) {
      const args = Array.from({ length: 6 }, (_, index) => index === place ? SECRET : 0n);
      assert.equal(verdict(number, ...args), refused, `${name} at ${place}`);
    }
    fc.assert(fc.property(fc.bigInt(0n, 2n ** 64n - 1n), (guess) => {
      fc.pre(guess !== SECRET);
      assert.equal(verdict(number, 0n, 0n, 0n, 0n, 0n, guess), refused);
    }));
  }
});

Deno.test("a foreign architecture is killed and x32 does not exist", () => {
  const I386 = 0x4000_0003;
  for (let number = 0; number < 500; number++) {
    assert.equal(simulate(FILTER, call(number, [], I386)), KILL_PROCESS);
    assert.equal(simulate(FILTER, call(0x4000_0000 | number)), ENOSYS);
  }
  assert.equal(simulate(FILTER, call(0xffff_ffff)), ENOSYS);
});

Deno.test("what is one number for the whole machine is not there", () => {
  assert.equal(verdict(206), ENOSYS); // io_setup: fs.aio-max-nr
});

Deno.test("sockets: local, internet and route queries only", () => {
  const { socket, socketpair } = CHECKED;
  const [TCP, UDP, SCTP, ICMP] = [6n, 17n, 132n, 1n];
  assert.equal(verdict(socket, 1n, 1n, 0n), ALLOW);
  for (const family of [2n, 10n]) {
    for (const protocol of [0n, TCP, UDP]) {
      assert.equal(verdict(socket, family, 1n, protocol), ALLOW);
    }
    for (const protocol of [SCTP, ICMP, 262n, 255n]) {
      assert.equal(verdict(socket, family, 5n, protocol), EPROTONOSUPPORT);
    }
  }
  assert.equal(verdict(socket, 16n, 3n, 0n), ALLOW);
  assert.equal(verdict(socket, 16n, 3n, 12n), EPROTONOSUPPORT); // NETLINK_NETFILTER
  const AF = { alg: 38n, vsock: 40n, packet: 17n, xdp: 44n, tipc: 30n, can: 29n, key: 15n };
  for (const family of Object.values(AF)) {
    assert.equal(verdict(socket, family, 3n, 0n), EAFNOSUPPORT);
  }
  assert.equal(verdict(socketpair, 1n, 1n, 0n), ALLOW);
  assert.equal(verdict(socketpair, 2n, 1n, 0n), EAFNOSUPPORT);
});

Deno.test("the upper half of an argument hides nothing (CVE-2019-10063)", () => {
  const high = 0xdead_beefn << 32n;
  assert.equal(verdict(CHECKED.ioctl, 0n, 0x5412n), EPERM);
  assert.equal(verdict(CHECKED.ioctl, 0n, 0x5412n | high), EPERM);
  assert.equal(verdict(CHECKED.ioctl, 0n, 0x541cn | (1n << 32n)), EPERM);
  assert.equal(verdict(CHECKED.ioctl, 0n, 0x541bn), ALLOW); // FIONREAD
  assert.equal(verdict(CHECKED.socket, 38n | high, 3n, 0n), EAFNOSUPPORT);
  assert.equal(verdict(CHECKED.socket, 1n | high, 1n, 0n), ALLOW);
});

Deno.test("threads and forks are allowed, new namespaces are not", () => {
  const PTHREAD = 0x3d_0f00n;
  assert.equal(verdict(CHECKED.clone, PTHREAD), ALLOW);
  assert.equal(verdict(CHECKED.clone, 17n), ALLOW); // SIGCHLD: fork
  for (const flag of [17, 25, 26, 27, 28, 29, 30]) {
    assert.equal(verdict(CHECKED.clone, 17n | (1n << BigInt(flag))), EPERM, `bit ${flag}`);
  }
  assert.equal(verdict(435), ENOSYS); // clone3: libraries fall back to clone
});

Deno.test("pipes keep their size and personalities stay plain", () => {
  assert.equal(verdict(CHECKED.fcntl, 0n, 1031n), EPERM);
  assert.equal(verdict(CHECKED.fcntl, 0n, 1032n), ALLOW);
  assert.equal(verdict(CHECKED.personality, 0xffff_ffffn), ALLOW);
  assert.equal(verdict(CHECKED.personality, 0x40000n), EPERM); // ADDR_NO_RANDOMIZE
});

Deno.test("a run's keeper keeps its priority, processors and limits; everybody else's may be changed", () => {
  const { setpriority, ioprio_set, prlimit64, ...scheduling } = CHECKED;
  const { sched_setscheduler, sched_setparam, sched_setaffinity } = scheduling;
  const high = 0xdead_beefn << 32n;
  for (const call of [prlimit64, sched_setscheduler, sched_setparam, sched_setaffinity]) {
    for (const keeper of [1n, 1n | high]) assert.equal(verdict(call, keeper, 9n), EPERM);
    for (const other of [0n, 2n, 0xffff_ffffn]) assert.equal(verdict(call, other, 9n), ALLOW);
  }
  for (const [call, user] of [[setpriority, 2n], [ioprio_set, 3n]] as const) {
    for (const kind of [0n, 1n]) {
      assert.equal(verdict(call, kind, 1n), EPERM);
      assert.equal(verdict(call, kind, 0n), ALLOW);
    }
    for (const who of [0n, 1n, 65_534n]) assert.equal(verdict(call, user, who), EPERM);
  }
  assert.equal(verdict(314), ENOSYS); // sched_setattr
});

Deno.test("memory that nobody need have mapped can be made only where a cgroup counts it", () => {
  const uncounted = allowList({ secret: SECRET, countsMemory: false });
  for (const number of Object.values(UNCOUNTED)) {
    assert.equal(verdict(number), ALLOW);
    assert.equal(simulate(uncounted, call(number)), ENOSYS);
  }
});

Deno.test("a socket of ours is asked nothing about the machine by who is passed it, and by no other", () => {
  const holder = allowList({ secret: SECRET, countsMemory: true, holdsOurSocket: true });
  const held = (number: number, ...args: bigint[]) => simulate(holder, call(number, args));
  const high = 0xdead_beefn << 32n;
  const { ioctl } = CHECKED;
  const { getsockopt, setsockopt } = ALLOWED as Record<string, number>;
  for (let request = 0x8900n; request <= 0x89ffn; request++) {
    const want = request === 0x8905n ? ALLOW : EPERM; // SIOCATMARK
    assert.equal(held(ioctl, 3n, request), want, `${request}`);
    assert.equal(held(ioctl, 3n, request | high), want, `${request}`);
    assert.equal(verdict(ioctl, 3n, request), ALLOW);
  }
  for (const request of [0x88ffn, 0x8a00n, 0x541bn]) assert.equal(held(ioctl, 3n, request), ALLOW);
  assert.equal(held(ioctl, 3n, 0x5412n), EPERM);
  const [TCP, SOCKET] = [6n, 1n];
  // SO_BINDTODEVICE, SO_BINDTOIFINDEX, SO_PASSPIDFD, SO_PEERPIDFD
  for (
    const [number, refused] of [[getsockopt!, [25n, 77n]], [setsockopt!, [25n, 62n, 76n]]] as const
  ) {
    for (let option = 0n; option < 100n; option++) {
      const want = (refused as readonly bigint[]).includes(option) ? EPERM : ALLOW;
      assert.equal(held(number, 3n, SOCKET | high, option | high), want, `${option}`);
      assert.equal(held(number, 3n, TCP, option), ALLOW);
      assert.equal(verdict(number, 3n, SOCKET, option), ALLOW);
    }
  }
  for (let number = 0; number < 600; number++) {
    if (![ioctl, getsockopt, setsockopt].includes(number)) {
      assert.equal(held(number), verdict(number), `${number}`);
    }
  }
});

Deno.test("no call takes the kernel through more than a few instructions", () => {
  for (let number = 0; number < 600; number++) {
    let steps = 0;
    const counted = new Proxy(FILTER, {
      get(target, key) {
        if (typeof key === "string" && /^\d+$/.test(key)) steps++;
        return Reflect.get(target, key);
      },
    });
    simulate(counted, call(number));
    assert(steps <= 36, `call ${number}: ${steps}`);
  }
});

Deno.test("the filter is small, its jumps stay inside, and it encodes to 8 bytes each", () => {
  assert(FILTER.length < 230, String(FILTER.length));
  FILTER.forEach(({ code, jt, jf }, at) => {
    assert(jt >= 0 && jt < 256 && jf >= 0 && jf < 256);
    assert(at + 1 + Math.max(jt, jf) < FILTER.length || code === RETURN);
  });
  assert.equal(FILTER.at(-1)!.code, RETURN);
  const bytes = encodeProgram(FILTER);
  assert.equal(bytes.length, FILTER.length * 8);
  assert.deepEqual([...bytes.subarray(0, 8)], [0x20, 0, 0, 0, 4, 0, 0, 0]);
});
