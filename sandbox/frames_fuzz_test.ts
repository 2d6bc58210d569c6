/** What init does with frames that no provider of ours sends: it leaves, at once and wholly. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { hostArguments } from "./launch.ts";
import { helperPath, spawnHelper } from "./native.ts";
import {
  CHUNK_BYTES_MAX,
  encodeBare,
  encodeCredit,
  encodeExtend,
  encodeFrame,
  encodeSetup,
  encodeStart,
  FRAME,
  HEADER_BYTES,
  PROTOCOL_VERSION,
  RUNS_MAX,
  START_BYTES_MAX,
} from "./protocol.ts";
import type { SandboxHost } from "./sandbox.ts";
import { sessionSetup } from "./setup.ts";

const runUid = Deno.uid() === 0 ? 1_810_000_000 : null;
const host: SandboxHost = { launcher: "bwrap", runUid };
const policy = {
  programDir: "/usr/bin",
  limits: { timeoutMs: 3_000, memoryMb: 64, stdoutBytes: 1e6, stderrBytes: 1e4 },
};
const SETUP = encodeSetup(sessionSetup(policy, 0));
const HELPER = await helperPath(host);
const CASES = Number(Deno.env.get("KHACHAPURI_FUZZ") ?? 60);

const SIGSYS = 31;

interface Ending {
  code: number;
  said: string;
}

/** Sends `parts` and closes; resolves when the supervisor has nothing left to reap. */
async function talk(parts: readonly Uint8Array[]): Promise<Ending> {
  const child = spawnHelper(HELPER, hostArguments(host, policy, runUid));
  const said = new Response(child.stderr).text();
  const heard = child.stdout.pipeTo(new WritableStream());
  const writer = child.stdin.getWriter();
  for (const part of parts) await writer.write(part).catch(() => {});
  await writer.close().catch(() => {});
  const overdue = setTimeout(() => assert.fail("the sandbox outlives its provider"), 20_000);
  const { code } = await child.status;
  clearTimeout(overdue);
  await heard;
  return { code, said: await said };
}

function header(length: number, type: number, zero: number, run: number): Uint8Array {
  const bytes = encodeFrame(type, run, new Uint8Array(0));
  new DataView(bytes.buffer).setUint32(0, length, true);
  bytes[5] = zero;
  return bytes;
}

function startPayload(argc: number, envc: number, flags: number, ...rest: number[]): Uint8Array {
  return Uint8Array.of(argc, 0, 0, 0, envc, 0, 0, 0, flags, 0, 0, 0, ...rest);
}

/** A set-up that is right in all but its version. */
function setupOfVersion(version: number): Uint8Array {
  const frame = SETUP.slice();
  new DataView(frame.buffer).setUint32(HEADER_BYTES, version, true);
  return frame;
}

const START = encodeStart(0, ["./sleep", "60"], [], true);

const REFUSED: Record<string, Uint8Array[]> = {
  "a run before the setup": [START],
  "a second setup": [SETUP, SETUP],
  "a setup of another version": [setupOfVersion(PROTOCOL_VERSION + 1)],
  "a setup that is cut off": [encodeFrame(FRAME.setup, 0, new Uint8Array(44).fill(9))],
  "an empty setup": [encodeBare(FRAME.setup, 0)],
  "an unknown type": [SETUP, encodeBare(99, 0)],
  "a reserved byte that is set": [SETUP, header(0, FRAME.kill, 1, 0)],
  "a run number too high": [SETUP, encodeBare(FRAME.kill, RUNS_MAX)],
  "a start that is too long": [SETUP, header(START_BYTES_MAX + 1, FRAME.start, 0, 0)],
  "a chunk that is too long": [SETUP, header(CHUNK_BYTES_MAX + 1, FRAME.stdin, 0, 0)],
  "a length of 4 GiB": [SETUP, header(0xffff_ffff, FRAME.start, 0, 0)],
  "a start without argv": [SETUP, encodeFrame(FRAME.start, 0, new Uint8Array(12))],
  "a start that lies about its strings": [
    SETUP,
    encodeFrame(FRAME.start, 0, startPayload(2, 0, 0, 65, 0)),
  ],
  "a string without its end": [
    SETUP,
    encodeFrame(FRAME.start, 0, startPayload(1, 0, 0, 65)),
  ],
  "bytes after the last string": [
    SETUP,
    encodeFrame(FRAME.start, 0, startPayload(1, 0, 0, 65, 0, 66)),
  ],
  "flags that nobody knows": [
    SETUP,
    encodeFrame(FRAME.start, 0, startPayload(1, 0, 4, 65, 0)),
  ],
  "counts that overflow": [
    SETUP,
    encodeFrame(FRAME.start, 0, new Uint8Array(16).fill(0xff)),
  ],
  "a busy run started again": [SETUP, START, START],
  "more stdin than the window": [
    SETUP,
    START,
    // A pipe takes some of it, too, and is made wider by no more than this.
    ...Array.from({ length: 12 }, () => encodeFrame(FRAME.stdin, 0, new Uint8Array(60_000))),
  ],
  "stdin after its end": [
    SETUP,
    START,
    encodeBare(FRAME.stdinEnd, 0),
    encodeFrame(FRAME.stdin, 0, new Uint8Array(1)),
  ],
  "more credit than was used": [SETUP, START, encodeCredit(0, 0xffff_ffff)],
  "a credit of the wrong size": [SETUP, START, encodeFrame(FRAME.credit, 0, new Uint8Array(3))],
  "an extension of the wrong size": [
    SETUP,
    START,
    encodeFrame(FRAME.extend, 0, new Uint8Array(8)),
  ],
};

for (const [what, parts] of Object.entries(REFUSED)) {
  Deno.test(`init leaves on ${what}`, async () => {
    const { code, said } = await talk(parts);
    assert.match(said, /khachapuri-init: .*: Protocol error/);
    assert.equal(code, 124);
  });
}

Deno.test("init leaves in peace when the provider is gone, in the middle of a frame or a run", async () => {
  const whole = Uint8Array.from([...SETUP, ...START]);
  for (const length of [0, 1, 7, 8, SETUP.length - 1, SETUP.length + 5, whole.length]) {
    assert.deepEqual(await talk([whole.subarray(0, length)]), { code: 0, said: "" });
  }
});

Deno.test("frames for runs that are not there are ignored: they may cross an end", async () => {
  const late = [
    encodeFrame(FRAME.stdin, 5, new Uint8Array(10)),
    encodeBare(FRAME.stdinEnd, 5),
    encodeCredit(5, 1000),
    encodeExtend(5, 0xffff_ffff),
    encodeBare(FRAME.kill, 5),
  ];
  assert.deepEqual(await talk([SETUP, ...late]), { code: 0, said: "" });
});

Deno.test("whatever bytes come, nothing survives and nothing crashes", async () => {
  const valid = Uint8Array.from([...SETUP, ...encodeStart(0, ["./true"], ["A=1"], false)]);
  const noise = fc.uint8Array({ maxLength: 200 });
  const flips = fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(flips, noise, fc.nat(valid.length), async (changes, tail, cut) => {
      const bytes = valid.slice();
      for (const [at, value] of changes) bytes[at] = value;
      const { code, said } = await talk([bytes.subarray(0, cut), tail]);
      // Init puts itself under the filter that it is sent: another one may well end it.
      const isOtherFilter = SETUP.some((byte, at) => bytes[at] !== byte);
      const expected = isOtherFilter ? [0, 124, 128 + SIGSYS] : [0, 124];
      assert(expected.includes(code), `exit ${code}: ${said}`);
    }),
    { numRuns: CASES },
  );
});
