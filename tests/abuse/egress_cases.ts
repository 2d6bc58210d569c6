/**
 * What programs that can call out may try. Each is told where a listed host is to be found, and
 * `outside` is given the same without a sandbox: there it must get what it is after.
 */
import assert from "node:assert/strict";
import type { EgressPolicy } from "../../sandbox/egress.ts";
import type { EgressRecord } from "../../sandbox/egress_tally.ts";
import { between, has, number, refused } from "./expect.ts";
import type { Facts } from "./program.ts";

/** Where things are, as a program is told. */
export interface Places {
  /** "HOST PORT" of a server that sends back what it gets. */
  listed: string;
  /** "HOST PORT" of one that answers nobody. */
  dead: string;
  /** On which the machine listens, at all of its addresses. */
  port: number;
  /** An address of the machine's own. */
  own: string;
}

export interface EgressCase {
  what: string;
  attack: string;
  policy?: Partial<EgressPolicy>;
  /** Of a run. */
  memoryMb?: number;
  /** What it uses up is counted for each user, of whom the provider would be one. */
  asRoot?: true;
  argument(places: Places): string;
  /** Throws when the sandbox let something through. */
  check(facts: Facts, record: EgressRecord): void;
  /** Throws when it gets nowhere without a sandbox either; absent where `check` sees that. */
  outside?(facts: Facts): void;
}

const RATE = 1_000_000;
const SILENCE_MS = 500;
/** At once, in the cases that are about it. */
const FEW = 8;
const MANY = 10_000;

export const EGRESS_CASES: EgressCase[] = [
  {
    what: "reach the machine's network by any way but a listed host",
    attack: "ways",
    argument: ({ port, own }) => `${port} ${own}`,
    check(facts) {
      refused(facts, "seen-listeners", "seen-sockets");
      has(facts, { "seen-listeners": 0, "seen-sockets": 0 });
    },
    outside(facts) {
      has(facts, {
        loopback: "ok",
        "own-address": "ok",
        packet: "ok",
        raw: "ok",
        "sock-diag": "ok",
      });
      has(facts, { "/proc/self/ns/net": "ok" });
      between(facts, "seen-listeners", 1, 1e6);
      between(facts, "seen-sockets", 1, 1e6);
    },
  },
  {
    what: "reach metadata, private and public addresses, the machine's loopback and sockets",
    attack: "escape",
    argument: ({ port }) => String(port),
    check(facts) {
      refused(facts, "interfaces");
      // The loopback, and the name of its second address.
      has(facts, { interfaces: 2 });
    },
    outside: (facts) => has(facts, { "host-loopback": "ok" }),
  },
  {
    what: "find the socket to the relay among the descriptors, or in pid 1",
    attack: "inherited",
    argument: () => "",
    check: (facts) => has(facts, { "extra-fds": 0, "fds-of-1": "EACCES", "mem-of-1": "EACCES" }),
    outside: (facts) => between(facts, "extra-fds", 1, 10),
  },
  {
    what: "aim a connected socket anew",
    attack: "aim-again",
    argument: ({ port, listed }) => `${port} ${listed}`,
    check: (facts) => has(facts, { listed: "ok", unconnect: "ok", aim: "ECONNREFUSED" }),
    outside: (facts) => has(facts, { listed: "ok", unconnect: "ok", aim: "ok" }),
  },
  {
    what: "connect ten thousand times",
    attack: "connects",
    argument: ({ listed }) => `${MANY} ${listed}`,
    check(facts, record) {
      has(facts, { done: MANY });
      assert.deepEqual([record.connections, record.sentBytes], [MANY, MANY]);
    },
    outside: (facts) => has(facts, { done: MANY }),
  },
  {
    what: "connect faster than allowed",
    attack: "connects",
    policy: { connectionsPerSecond: 50 },
    argument: ({ listed }) => `150 ${listed}`,
    // A hundred at once, the rest in a second.
    check(facts) {
      has(facts, { done: 150 });
      between(facts, "ms", 900, 3_000);
    },
    outside: (facts) => between(facts, "ms", 0, 800),
  },
  {
    what: "hold more connections than allowed",
    attack: "hoard",
    policy: { connections: FEW },
    argument: ({ listed }) => `4 ${listed}`,
    // The kernel takes what waits at a door, too, but nothing of it leaves.
    check(facts, record) {
      has(facts, { later: "ok" });
      assert(record.connections <= number(facts, "held") + 1);
    },
    outside(facts) {
      has(facts, { later: "ok" });
      between(facts, "held", 8 * FEW, 800);
    },
  },
  {
    what: "leave connections half open",
    attack: "half-open",
    policy: { connections: FEW, connectMs: 300 },
    argument: ({ dead, listed }) => `10 ${dead},${listed}`,
    check(facts, record) {
      has(facts, { begun: 10, refused: 10, later: "ok" });
      assert.equal(record.connections, 1);
      assert.equal(record.unreached.length, 1);
    },
    outside: (facts) => has(facts, { begun: 0, later: "ok" }),
  },
  {
    what: "flood the resolver",
    attack: "questions",
    argument: ({ listed }) => listed,
    check(facts, record) {
      has(facts, { sent: 1, later: "ok" });
      assert(record.unreached.length <= 64);
    },
    outside: (facts) => has(facts, { later: "ok" }),
  },
  {
    what: "have the relay find no room in the kernel for what it watches",
    attack: "watches",
    asRoot: true,
    memoryMb: 4_096,
    argument: ({ listed }) => listed,
    check: (facts) => has(facts, { full: "ENOSPC", later: "ok" }),
  },
  {
    what: "have the relay find no room in the kernel for what it sends",
    attack: "on-the-way",
    asRoot: true,
    policy: { hosts: ["api.test:80", "*.wild.test:80"] },
    argument: ({ listed }) => `a.wild.test b.wild.test ${listed}`,
    // Init has more room than a program, so that this name may have got its listener.
    check: (facts) => has(facts, { full: "ETOOMANYREFS", "asked-later": 0, later: "ok" }),
  },
  {
    what: "keep a connection and say nothing",
    attack: "silence",
    policy: { idleMs: SILENCE_MS },
    argument: ({ listed }) => listed,
    check(facts) {
      has(facts, { spoke: "ok", ended: "cut" });
      between(facts, "ms", SILENCE_MS - 50, SILENCE_MS + 1_000);
    },
    outside: (facts) => has(facts, { spoke: "ok", ended: "never" }),
  },
  {
    what: "send more than allowed",
    attack: "volume",
    policy: { bytesPerSecond: RATE },
    argument: ({ listed }) => `${3 * RATE} ${listed}`,
    check(facts) {
      has(facts, { back: 1 });
      between(facts, "ms", 1_800, 5_000);
    },
    outside(facts) {
      has(facts, { back: 1 });
      between(facts, "ms", 0, 1_500);
    },
  },
];
