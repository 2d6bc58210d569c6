import assert from "node:assert/strict";
import fc from "fast-check";
import {
  ALLOW,
  allowList,
  ASK,
  AUDIT_ARCH,
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
import { type Machine, MACHINES } from "./machine.ts";
import { syscallsOf } from "./syscalls.ts";

const SECRET = 0xfeed_f00d_0123_4567n;
const [EPERM, EINVAL, ENOSYS, EPROTONOSUPPORT, EAFNOSUPPORT] = [1, 22, 38, 93, 97].map(errno);

/** i386 and 32-bit ARM (linux/audit.h): what a processor of each also runs. */
const FOREIGN: Record<Machine, number> = { x86_64: 0x4000_0003, aarch64: 0x4000_0028 };

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

/** The lists and the filter of one machine. */
function worldOf(machine: Machine) {
  const arch = AUDIT_ARCH[machine];
  const filter = allowList({ secret: SECRET, countsMemory: true }, machine);
  const call = (number: number, args: readonly bigint[] = [], foreign = arch) =>
    seccompData(number, args, foreign);
  return {
    machine,
    ...syscallsOf(machine),
    filter,
    call,
    /** What becomes of a call. */
    verdict: (number: number, ...args: bigint[]) => simulate(filter, call(number, args)),
  };
}

type World = ReturnType<typeof worldOf>;

/** The same must be true of every machine. */
function testEach(name: string, test: (world: World) => void | Promise<void>) {
  for (const machine of MACHINES) {
    Deno.test(`${machine}: ${name}`, () => test(worldOf(machine)));
  }
}

/** struct seccomp_data */
function seccompData(number: number, args: readonly bigint[], arch: number): DataView {
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, number, true);
  data.setUint32(4, arch, true);
  args.forEach((value, index) => data.setBigUint64(16 + 8 * index, value, true));
  return data;
}

testEach(
  "every call without a check gets its list's verdict, whatever its arguments",
  ({ verdict, uncounted, ...lists }) => {
    const allowed = new Set(Object.values({ ...lists.allowed, ...uncounted }));
    const [asked, refused, checked] = [lists.asked, lists.refused, lists.checked]
      .map((list) => new Set(Object.values(list))) as [Set<number>, Set<number>, Set<number>];
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
  },
);

testEach(
  "without the secret every call is judged as by the plain list",
  ({ filter, call, machine }) => {
    const plain = allowList({ secret: null, countsMemory: true }, machine);
    const high = 0xdead_beefn << 32n;
    const telling = [
      0n,
      1n,
      2n,
      6n,
      10n,
      12n,
      16n,
      17n,
      132n,
      1024n,
      1026n,
      1031n,
      0x5412n,
      0x541cn,
    ];
    const values = [...telling, 0x40000n, 0x0200_0000n, 0x1000_0000n, 0xffff_ffffn, 0x5412n | high];
    for (const arch of [AUDIT_ARCH[machine], FOREIGN[machine]]) {
      for (const base of [0, 0x4000_0000, 0xffff_fc00]) {
        for (let number = base; number < base + 1024; number++) {
          for (const [index, value] of values.entries()) {
            const other = values[(index * 7 + number) % values.length]!;
            for (const args of [[value, value, value], [value, other, 0n], [other, value, other]]) {
              const data = call(number, [...args, other, value, other], arch);
              assert.equal(simulate(filter, data), simulate(plain, data), `${number} ${args}`);
            }
          }
        }
      }
    }
  },
);

testEach(
  "the secret lets through init's own calls and changes nothing else",
  ({ initOnly, verdict }) => {
    const shown = [0n, 0n, 0n, 0n, 0n, SECRET];
    for (let number = 0; number < 1024; number++) {
      const own = Object.values<number>(initOnly).includes(number);
      const [with_, without] = [verdict(number, ...shown), verdict(number)];
      if (own) assert.deepEqual([with_, without === ALLOW], [ALLOW, false]);
      else assert.equal(with_, without);
    }
  },
);

testEach(
  "init widens pipes by the secret, which lets fcntl do nothing else",
  ({ checked, verdict }) => {
    const shown = (command: bigint) => verdict(checked.fcntl, 0n, command, 0n, 0n, 0n, SECRET);
    assert.equal(shown(1031n), ALLOW);
    for (const command of [1024n, 1026n]) assert.equal(shown(command), EPERM);
    assert.equal(verdict(checked.fcntl, 0n, 1031n, 0n, 0n, 0n, SECRET ^ 1n), EPERM);
  },
);

testEach(
  "the secret makes no user namespace by unshare, and is compared without a branch",
  ({ initOnly, filter, call, verdict }) => {
    const shown = (flags: bigint) => verdict(initOnly.unshare, flags, 0n, 0n, 0n, 0n, SECRET);
    assert.equal(shown(0x0200_0000n), ALLOW); // CLONE_NEWCGROUP
    for (const flags of [0x1000_0000n, 0x7e02_0000n]) assert.equal(shown(flags), EPERM);
    const half = SECRET & 0xffff_ffffn;
    const path = (guess: bigint) => {
      const at: string[] = [];
      const seen = new Proxy(filter, {
        get(target, key) {
          at.push(String(key));
          return Reflect.get(target, key);
        },
      });
      simulate(seen, call(initOnly.mount, [0n, 0n, 0n, 0n, 0n, guess]));
      return at.join();
    };
    assert.equal(path(half), path(~half & 0xffff_ffffn));
    assert.equal(path(SECRET ^ half), path(half));
  },
);

testEach(
  "nothing but the whole secret in its place is the secret",
  ({ initOnly, verdict }) => {
    for (const [name, number] of Object.entries(initOnly)) {
      const refused = verdict(number);
      const half = [
        SECRET & 0xffff_ffffn,
        SECRET & ~0xffff_ffffn,
        SECRET ^ 1n,
        SECRET ^ (1n << 63n),
      ];
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
  },
);

testEach("foreign architectures are killed and x32 does not exist", (world) => {
  const { machine, filter, call } = world;
  // Its own of 32 bits first: programs can change over to that.
  const others = MACHINES.filter((each) => each !== machine).map((each) => AUDIT_ARCH[each]);
  for (const foreign of [FOREIGN[machine], ...others, 0, 0xffff_ffff]) {
    for (let number = 0; number < 500; number++) {
      assert.equal(simulate(filter, call(number, [], foreign)), KILL_PROCESS);
    }
  }
  for (let number = 0; number < 500; number++) {
    assert.equal(simulate(filter, call(0x4000_0000 | number)), ENOSYS);
  }
  assert.equal(simulate(filter, call(0xffff_ffff)), ENOSYS);
});

testEach("sockets: local, internet and route queries only", ({ checked, verdict }) => {
  const { socket, socketpair } = checked;
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

testEach("the upper half of an argument hides nothing (CVE-2019-10063)", ({ checked, verdict }) => {
  const high = 0xdead_beefn << 32n;
  assert.equal(verdict(checked.ioctl, 0n, 0x5412n), EPERM);
  assert.equal(verdict(checked.ioctl, 0n, 0x5412n | high), EPERM);
  assert.equal(verdict(checked.ioctl, 0n, 0x541cn | (1n << 32n)), EPERM);
  assert.equal(verdict(checked.ioctl, 0n, 0x541bn), ALLOW); // FIONREAD
  assert.equal(verdict(checked.socket, 38n | high, 3n, 0n), EAFNOSUPPORT);
  assert.equal(verdict(checked.socket, 1n | high, 1n, 0n), ALLOW);
});

testEach("threads and forks are allowed, new namespaces are not", ({ checked, verdict }) => {
  const PTHREAD = 0x3d_0f00n;
  assert.equal(verdict(checked.clone, PTHREAD), ALLOW);
  assert.equal(verdict(checked.clone, 17n), ALLOW); // SIGCHLD: fork
  for (const flag of [17, 25, 26, 27, 28, 29, 30]) {
    assert.equal(verdict(checked.clone, 17n | (1n << BigInt(flag))), EPERM, `bit ${flag}`);
  }
});

testEach("no pipe is one of packets", ({ machine, checked, verdict }) => {
  const [packets, folder] = machine === "x86_64" ? [0x4000n, 0x1_0000n] : [0x1_0000n, 0x4000n];
  const setFlags = (flags: bigint) => verdict(checked.fcntl, 1n, 4n, flags);
  for (const flags of [0n, 0x800n, 0x800n | folder, 0x401n]) assert.equal(setFlags(flags), ALLOW);
  for (const flags of [packets, packets | 0x801n]) assert.equal(setFlags(flags), EINVAL);
  for (const flags of [0n, 0x800n, 0x8_0000n, 0x8_0800n]) {
    assert.equal(verdict(checked.pipe2, 0n, flags), ALLOW);
  }
  for (const flags of [packets, packets | 0x8_0000n, 0x80n, 1n]) {
    assert.equal(verdict(checked.pipe2, 0n, flags), EINVAL);
  }
  assert.equal(verdict(checked.fcntl, 1n, 3n, packets), ALLOW);
});

testEach("pipes keep their size and personalities stay plain", ({ checked, verdict }) => {
  assert.equal(verdict(checked.fcntl, 0n, 1031n), EPERM);
  assert.equal(verdict(checked.fcntl, 0n, 1032n), ALLOW);
  assert.equal(verdict(checked.personality, 0xffff_ffffn), ALLOW);
  assert.equal(verdict(checked.personality, 0x40000n), EPERM); // ADDR_NO_RANDOMIZE
});

testEach(
  "a run's keeper keeps its priority, processors and limits; everybody else's may be changed",
  ({ checked, verdict }) => {
    const { setpriority, ioprio_set, prlimit64, ...scheduling } = checked;
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
  },
);

testEach(
  "memory that nobody need have mapped can be made only where a cgroup counts it",
  ({ machine, uncounted, call, verdict }) => {
    const stricter = allowList({ secret: SECRET, countsMemory: false }, machine);
    for (const number of Object.values(uncounted)) {
      assert.equal(verdict(number), ALLOW);
      assert.equal(simulate(stricter, call(number)), ENOSYS);
    }
  },
);

testEach(
  "a socket of ours is asked nothing about the machine by who is passed it, and by no other",
  ({ machine, allowed, checked, call, verdict }) => {
    const options = { secret: SECRET, countsMemory: true, holdsOurSocket: true };
    const holder = allowList(options, machine);
    const held = (number: number, ...args: bigint[]) => simulate(holder, call(number, args));
    const high = 0xdead_beefn << 32n;
    const { ioctl } = checked;
    const { getsockopt, setsockopt } = allowed as Record<string, number>;
    for (let request = 0x8900n; request <= 0x89ffn; request++) {
      const want = request === 0x8905n ? ALLOW : EPERM; // SIOCATMARK
      assert.equal(held(ioctl, 3n, request), want, `${request}`);
      assert.equal(held(ioctl, 3n, request | high), want, `${request}`);
      assert.equal(verdict(ioctl, 3n, request), ALLOW);
    }
    for (const request of [0x88ffn, 0x8a00n, 0x541bn]) {
      assert.equal(held(ioctl, 3n, request), ALLOW);
    }
    assert.equal(held(ioctl, 3n, 0x5412n), EPERM);
    const [TCP, SOCKET] = [6n, 1n];
    // SO_BINDTODEVICE, SO_BINDTOIFINDEX, SO_PASSPIDFD, SO_PEERPIDFD
    const refusals = [[getsockopt!, [25n, 77n]], [setsockopt!, [25n, 62n, 76n]]] as const;
    for (const [number, refused] of refusals) {
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
  },
);

testEach("no call takes the kernel through more than a few instructions", ({ filter, call }) => {
  for (let number = 0; number < 600; number++) {
    let steps = 0;
    const counted = new Proxy(filter, {
      get(target, key) {
        if (typeof key === "string" && /^\d+$/.test(key)) steps++;
        return Reflect.get(target, key);
      },
    });
    simulate(counted, call(number));
    assert(steps <= 36, `call ${number}: ${steps}`);
  }
});

testEach(
  "the filter is small, its jumps stay inside, and it encodes to 8 bytes each",
  ({ filter }) => {
    assert(filter.length < 230, String(filter.length));
    filter.forEach(({ code, jt, jf }, at) => {
      assert(jt >= 0 && jt < 256 && jf >= 0 && jf < 256);
      assert(at + 1 + Math.max(jt, jf) < filter.length || code === RETURN);
    });
    assert.equal(filter.at(-1)!.code, RETURN);
    const bytes = encodeProgram(filter);
    assert.equal(bytes.length, filter.length * 8);
    assert.deepEqual([...bytes.subarray(0, 8)], [0x20, 0, 0, 0, 4, 0, 0, 0]);
  },
);
