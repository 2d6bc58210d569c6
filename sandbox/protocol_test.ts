import assert from "node:assert/strict";
import fc from "fast-check";
import {
  CAUSES,
  CHUNK_BYTES_MAX,
  createDecoder,
  decodeExit,
  decodeU32,
  encodeCredit,
  encodeFrame,
  encodeSetup,
  encodeStart,
  EXIT_BYTES,
  FILTER_INSTRUCTIONS_MAX,
  FRAME,
  HEADER_BYTES,
  RLIMITS_MAX,
  type Setup,
  START_BYTES_MAX,
  STRINGS_MAX,
} from "./protocol.ts";

const unavailable = { code: "sandbox_unavailable" };
const invalid = { code: "invalid_input" };

Deno.test("frames survive being cut anywhere", () => {
  const frame = fc.record({
    type: fc.integer({ min: 0, max: 255 }),
    run: fc.integer({ min: 0, max: 65_535 }),
    payload: fc.uint8Array({ maxLength: 300 }),
  });
  fc.assert(fc.property(fc.array(frame), fc.array(fc.integer({ min: 1, max: 64 })), (all, cuts) => {
    const bytes = Uint8Array.from(
      all.flatMap(({ type, run, payload }) => [...encodeFrame(type, run, payload)]),
    );
    const decode = createDecoder();
    const seen = [];
    for (let at = 0, i = 0; at < bytes.length; i++) {
      const size = cuts[i] ?? 1000;
      seen.push(...decode(bytes.subarray(at, at + size)));
      at += size;
    }
    assert.deepEqual(
      seen.map(({ type, run, payload }) => ({ type, run, payload: [...payload] })),
      all.map(({ type, run, payload }) => ({ type, run, payload: [...payload] })),
    );
  }));
});

Deno.test("of a type that is a stream, what has come is a frame, and nothing is kept back", () => {
  const chunks = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 });
  const cuts = fc.array(fc.integer({ min: 1, max: 64 }));
  fc.assert(fc.property(chunks, cuts, (all, sizes) => {
    const exit = encodeFrame(FRAME.exit, 2, new Uint8Array(5));
    const frames = all.flatMap((chunk) => [...encodeFrame(FRAME.stdout, 1, chunk), ...exit]);
    const bytes = Uint8Array.from(frames);
    const decode = createDecoder(FRAME.stdout);
    const seen: number[] = [];
    let exits = 0;
    for (let at = 0, i = 0; at < bytes.length; i++) {
      const size = sizes[i] ?? 1000;
      for (const { type, run, payload } of decode(bytes.subarray(at, at + size))) {
        if (type === FRAME.stdout) seen.push(run, ...payload);
        else exits += payload.length;
      }
      at += size;
    }
    assert.deepEqual(seen.filter((byte) => byte !== 1), all.flatMap((c) => [...c]).filter(notOne));
    assert.equal(exits, 5 * all.length);
  }));
  const decode = createDecoder(FRAME.stdout);
  const frame = encodeFrame(FRAME.stdout, 3, Uint8Array.of(1, 2, 3));
  assert.deepEqual(decode(frame.subarray(0, HEADER_BYTES + 1)).map((f) => [...f.payload]), [[1]]);
  assert.deepEqual(decode(frame.subarray(HEADER_BYTES + 1)).map((f) => [...f.payload]), [[2, 3]]);
});

Deno.test("of a stream no empty piece is handed out, but what was sent empty", () => {
  const decode = createDecoder(FRAME.stdout);
  const frame = encodeFrame(FRAME.stdout, 3, Uint8Array.of(1, 2));
  assert.deepEqual(decode(frame.subarray(0, HEADER_BYTES)), []);
  assert.deepEqual(decode(frame.subarray(HEADER_BYTES)).map((f) => [...f.payload]), [[1, 2]]);
  assert.equal(decode(encodeFrame(FRAME.stdout, 3, new Uint8Array(0))).length, 1);
});

const notOne = (byte: number) => byte !== 1;

Deno.test("a decoder takes no oversized frame and no reserved bits, and never hangs", () => {
  const header = new Uint8Array(HEADER_BYTES);
  new DataView(header.buffer).setUint32(0, CHUNK_BYTES_MAX + 1, true);
  assert.throws(() => createDecoder()(header), unavailable);
  assert.throws(() => createDecoder()(Uint8Array.of(0, 0, 0, 0, 17, 1, 0, 0)), unavailable);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => {
    try {
      createDecoder()(bytes);
    } catch (error) {
      assert.equal((error as { code?: string }).code, "sandbox_unavailable");
    }
  }));
});

Deno.test("START carries argv and env as NUL-terminated strings", () => {
  const frame = encodeStart(3, ["./main", "é"], ["A=1"], true);
  const view = new DataView(frame.buffer);
  assert.equal(view.getUint32(0, true), frame.length - HEADER_BYTES);
  assert.deepEqual([view.getUint8(4), view.getUint16(6, true)], [FRAME.start, 3]);
  assert.deepEqual([8, 12, 16].map((at) => view.getUint32(at, true)), [2, 1, 1]);
  assert.equal(new TextDecoder().decode(frame.subarray(20)), "./main\0é\0A=1\0");
});

Deno.test("START carries octets as they are, beside text", () => {
  const octets = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));
  const frame = encodeStart(0, ["./main", octets("\xe9")], ["A=1", octets("B=\xff"), "C=2"], false);
  const view = new DataView(frame.buffer);
  assert.deepEqual([8, 12].map((at) => view.getUint32(at, true)), [2, 3]);
  assert.deepEqual(frame.subarray(20), octets("./main\0\xe9\0A=1\0B=\xff\0C=2\0"));
  assert.throws(() => encodeStart(0, [octets("a\0")], [], false), invalid);
  const most = new Uint8Array(START_BYTES_MAX - 12 - 1).fill(1);
  assert.equal(encodeStart(0, [most], [], false).length, HEADER_BYTES + START_BYTES_MAX);
  assert.throws(() => encodeStart(0, [most, ""], [], false), invalid);
  assert.throws(() => encodeStart(0, ["", most], [], false), invalid);
  assert.throws(
    () => encodeStart(0, [Uint8Array.of(1), "x".repeat(START_BYTES_MAX)], [], false),
    invalid,
  );
});

Deno.test("what cannot be passed is refused before it is sent", () => {
  assert.throws(() => encodeStart(0, ["a\0b"], [], false), invalid);
  assert.throws(() => encodeStart(0, ["a"], ["X=\0"], false), invalid);
  assert.throws(() => encodeStart(0, ["x".repeat(START_BYTES_MAX)], [], false), invalid);
  assert.throws(() => encodeStart(0, ["a"], Array(STRINGS_MAX + 1).fill("A=1"), true), invalid);
});

const SETUP: Setup = {
  listeners: 0,
  listen: 0,
  timeoutMs: 1,
  tmpBytes: 2,
  stdoutBytes: 4,
  stderrBytes: 5,
  memoryBytes: 6,
  rlimits: [[7, 256]],
  secret: 0x1234_5678_9abc_def0n,
  filter: new Uint8Array(16).fill(9),
};

Deno.test("a set-up that init would refuse for its size is not sent", () => {
  const rlimits = Array.from({ length: RLIMITS_MAX + 1 }, () => [7, 256] as const);
  assert.throws(() => encodeSetup({ ...SETUP, rlimits }), unavailable);
  const filter = new Uint8Array((FILTER_INSTRUCTIONS_MAX + 1) * 8);
  assert.throws(() => encodeSetup({ ...SETUP, filter }), unavailable);
});

Deno.test("SETUP has the layout that init reads", () => {
  const frame = encodeSetup(SETUP);
  const words = new Uint32Array(frame.buffer.slice(HEADER_BYTES, HEADER_BYTES + 64 + 16));
  assert.deepEqual([...words.subarray(0, 8)], [7, 1, 2, 5, 4, 0, 6, 0]);
  assert.deepEqual([...words.subarray(8, 16)], [0x9abc_def0, 0x1234_5678, 1, 2, 0, 0, 0, 0]);
  assert.deepEqual([...words.subarray(16)], [7, 0, 256, 0]);
  assert.deepEqual([...frame.subarray(HEADER_BYTES + 64 + 16)], Array(16).fill(9));
});

Deno.test("EXIT reads back and refuses what it does not know", () => {
  const payload = new Uint8Array(EXIT_BYTES);
  const view = new DataView(payload.buffer);
  [7 << 8, 0, CAUSES.indexOf("memory"), 0, 8080].forEach((n, i) => view.setUint32(i * 4, n, true));
  [1500n, 4096n, 1n, 2n, 3n].forEach((n, i) => view.setBigUint64(24 + i * 8, n, true));
  const exit = decodeExit(payload);
  assert.deepEqual([exit.status, exit.cause, exit.cpuMs], [7 << 8, "memory", 1.5]);
  assert.equal(exit.listeningPort, 8080);
  assert.deepEqual([exit.peakBytes, exit.stdinBytes, exit.stderrBytes], [4096, 1, 3]);
  assert.throws(() => decodeExit(payload.subarray(1)), unavailable);
  view.setUint32(8, 99, true);
  assert.throws(() => decodeExit(payload), unavailable);
  assert.throws(() => decodeU32(new Uint8Array(3)), unavailable);
  assert.equal(decodeU32(encodeCredit(0, 77).subarray(HEADER_BYTES)), 77);
});
