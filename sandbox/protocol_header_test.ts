/**
 * protocol.ts and init/protocol.h say the same: every number, every name and the place of every
 * field. What protocol.ts encodes is read here by the header's structs, and the other way round.
 * Whatever stands on one side only, or in a form that is not read here, fails.
 */
import assert from "node:assert/strict";
import { CAUSES, CONTROLLER, FRAME, STEPS } from "./protocol.ts";
import { concat } from "./bytes.ts";
import { decodeEvent, EGRESS, EGRESS_FAILURES, encodePolicy } from "./egress.ts";
import * as protocol from "./protocol.ts";

interface Field {
  name: string;
  offset: number;
  bytes: number;
}

interface Struct {
  fields: readonly Field[];
  bytes: number;
}

interface Header {
  numbers: Record<string, number>;
  enums: Record<string, Record<string, number>>;
  structs: Record<string, Struct>;
}

/** The value of `3u`, `0xffu` or `(64u * 1024u)`. */
function evaluate(text: string): number {
  const factors = text.replace(/^\((.*)\)$/, "$1").split(" * ");
  return factors.map((factor) => {
    assert.match(factor, /^(?:\d+|0x[0-9a-f]+)u?$/, text);
    return Number(factor.replace(/u$/, ""));
  }).reduce((product, factor) => product * factor);
}

/** `NAME = 1,` line by line. */
function readEnum(body: string): Record<string, number> {
  const items = body.split(",").map((item) => item.trim()).filter((item) => item !== "");
  return Object.fromEntries(items.map((item) => {
    const [, name, value] = /^(\w+) = (\d+)$/.exec(item) ?? assert.fail(item);
    return [name!, Number(value)];
  }));
}

/** `uint32_t name;` line by line; no compiler puts padding between fields that are all aligned. */
function readStruct(body: string): Struct {
  const fields: Field[] = [];
  let offset = 0;
  for (const line of body.split(";").map((part) => part.trim()).filter((part) => part !== "")) {
    const [, bits, name] = /^uint(8|16|32|64)_t (\w+)$/.exec(line) ?? assert.fail(line);
    const bytes = Number(bits) / 8;
    assert.equal(offset % bytes, 0, `${name} would be padded`);
    fields.push({ name: name!, offset, bytes });
    offset += bytes;
  }
  const widest = Math.max(...fields.map(({ bytes }) => bytes));
  assert.equal(offset % widest, 0, "the end would be padded");
  return { fields, bytes: offset };
}

function readHeader(text: string): Header {
  const header: Header = { numbers: {}, enums: {}, structs: {} };
  const rest = text
    .replace(/\/\*.*?\*\//gs, "")
    .replace(/^#(?:ifndef|define) KHACHAPURI_PROTOCOL_H$|^#include <stdint\.h>$|^#endif$/gm, "")
    .replace(/^#define (\w+) (.+)$/gm, (_, name, value) => {
      header.numbers[name] = evaluate(value.trim());
      return "";
    })
    .replace(/^enum (\w+) \{([^}]*)\};$/gm, (_, name, body) => {
      header.enums[name] = readEnum(body);
      return "";
    })
    .replace(/^struct (\w+) \{([^}]*)\};$/gm, (_, name, body) => {
      header.structs[name] = readStruct(body);
      return "";
    });
  assert.equal(rest.trim(), "", "something in the header is not compared");
  return header;
}

const { numbers, enums, structs } = readHeader(
  await Deno.readTextFile(new URL("init/protocol.h", import.meta.url)),
);
const structOf = (name: string): Struct => structs[name] ?? assert.fail(name);

/** The values at the fields of `name`, as C reads them. */
function decode(name: string, bytes: Uint8Array, at = 0): Record<string, bigint> {
  const struct = structOf(name);
  const part = bytes.subarray(at, at + struct.bytes);
  assert.equal(part.length, struct.bytes, `${name} is cut off`);
  return Object.fromEntries(struct.fields.map((field) => {
    const little = part.subarray(field.offset, field.offset + field.bytes).toReversed();
    return [field.name, BigInt(`0x${little.toHex()}`)];
  }));
}

/** `values` at the fields of `name`, as C writes them. */
function encode(name: string, values: Record<string, bigint>): Uint8Array {
  const struct = structOf(name);
  assert.deepEqual(Object.keys(values), struct.fields.map((field) => field.name));
  const bytes = new Uint8Array(struct.bytes);
  for (const { name, offset, bytes: count } of struct.fields) {
    const hex = values[name]!.toString(16).padStart(2 * count, "0");
    bytes.set(Uint8Array.fromHex(hex).toReversed(), offset);
  }
  return bytes;
}

/** As the header spells it: `stdinEnd` is `STDIN_END`. */
const upper = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();

const prefixed = (prefix: string, members: readonly (readonly [string, number])[]) =>
  Object.fromEntries(members.map(([name, value]) => [`${prefix}_${upper(name)}`, value]));

const indexed = (names: readonly string[]) => names.map((name, index) => [name, index] as const);

Deno.test("every number of the protocol stands on both sides and is the same", () => {
  const ours = Object.entries(protocol).filter(([, value]) => typeof value === "number");
  const sizes = {
    HEADER_BYTES: structOf("frame_header").bytes,
    EXIT_BYTES: structOf("exit_payload").bytes,
  };
  assert.deepEqual(Object.fromEntries(ours), { ...numbers, ...sizes });
});

Deno.test("frames, causes, steps and controllers have the same names and numbers", () => {
  assert.deepEqual(enums, {
    frame_type: prefixed("FRAME", Object.entries(FRAME)),
    cause: prefixed("CAUSE", indexed(CAUSES)),
    start_step: prefixed("STEP", indexed(STEPS)),
    controller: prefixed("CONTROLLER", Object.entries(CONTROLLER)),
    egress_kind: prefixed("EGRESS", Object.entries(EGRESS)),
    egress_failure: prefixed("FAILURE", indexed(EGRESS_FAILURES)),
  });
  const tables: unknown[] = [FRAME, CAUSES, STEPS, CONTROLLER];
  const others = Object.entries(protocol).filter(([, value]) =>
    typeof value === "object" && !tables.includes(value)
  );
  assert.deepEqual(others, [], "a table that is not compared");
});

Deno.test("every struct of the header is compared below", () => {
  const names = ["order", "setup", "start", "ready", "credit", "extend", "waited", "usage", "exit"];
  const compared = names.map((name) => `${name}_payload`);
  const others = ["frame_header", "limit", "egress_payload", "egress_event"];
  assert.deepEqual(Object.keys(structs).sort(), [...others, ...compared].sort());
});

Deno.test("a frame's header has the same layout", () => {
  const payload = new Uint8Array(0x0102).fill(7);
  const frame = protocol.encodeFrame(0xa1, 0xb2c3, payload);
  const header = { length: 0x0102n, type: 0xa1n, zero: 0n, run: 0xb2c3n };
  assert.deepEqual(decode("frame_header", frame), header);
  assert.deepEqual(frame.subarray(structOf("frame_header").bytes), payload);
  const back = protocol.createDecoder()(Uint8Array.from([
    ...encode("frame_header", header),
    ...payload,
  ]));
  assert.deepEqual(back, [{ type: 0xa1, run: 0xb2c3, payload }]);
});

const payloadOf = (frame: Uint8Array) => frame.subarray(structOf("frame_header").bytes);

Deno.test("SETUP has the same layout", () => {
  const filter = new Uint8Array(3 * 8).map((_, index) => index + 1);
  const payload = payloadOf(protocol.encodeSetup({
    timeoutMs: 0x0101_0102,
    tmpBytes: 0x0201_0202,
    stderrBytes: 0x0301_0302,
    stdoutBytes: 0x04_0102_0304,
    memoryBytes: 0x05_0102_0304,
    secret: 0x0601_0203_0405_0607n,
    rlimits: [[0x0701, 0x07_0102_0304], [0x0801, 0x08_0102_0304]],
    listeners: 0x0901_0203,
    listen: 0x0a01_0203,
    filter,
    program: "folder",
  }));
  assert.deepEqual(decode("setup_payload", payload), {
    version: BigInt(protocol.PROTOCOL_VERSION),
    timeout_ms: 0x0101_0102n,
    tmp_bytes: 0x0201_0202n,
    stderr_bytes: 0x0301_0302n,
    stdout_bytes: 0x04_0102_0304n,
    memory_bytes: 0x05_0102_0304n,
    secret: 0x0601_0203_0405_0607n,
    rlimits: 2n,
    instructions: 3n,
    listeners: 0x0901_0203n,
    listen: 0x0a01_0203n,
    program: 6n,
    zero: 0n,
  });
  const [fixed, each] = [structOf("setup_payload").bytes, structOf("limit").bytes];
  const limits = [0, 1].map((index) => decode("limit", payload, fixed + index * each));
  assert.deepEqual(limits, [
    { resource: 0x0701n, zero: 0n, value: 0x07_0102_0304n },
    { resource: 0x0801n, zero: 0n, value: 0x08_0102_0304n },
  ]);
  const behind = fixed + 2 * each;
  assert.deepEqual(payload.subarray(behind, behind + filter.length), filter);
  assert.equal(new TextDecoder().decode(payload.subarray(behind + filter.length)), "folder");
});

Deno.test("ORDER has the same layout", () => {
  const order = protocol.encodeOrder(0x05_0102_0304, 0x06_0102_0304);
  assert.deepEqual(decode("order_payload", order), {
    memory_bytes: 0x05_0102_0304n,
    policy_bytes: 0x06_0102_0304n,
  });
  assert.equal(order.length, structOf("order_payload").bytes);
});

Deno.test("START has the same layout", () => {
  for (const set of [0, 1, 2, 3]) {
    const bits = [set & protocol.START_HAS_STDIN, set & protocol.START_IN_ITS_FOLDER].map(Boolean);
    const [hasStdin, isInItsFolder] = bits as [boolean, boolean];
    const frame = protocol.encodeStart(0, ["a", "b", "c"], ["D=1"], hasStdin, isInItsFolder);
    const payload = payloadOf(frame);
    const flags = BigInt(set);
    assert.deepEqual(decode("start_payload", payload), { argc: 3n, envc: 1n, flags });
    const strings = payload.subarray(structOf("start_payload").bytes);
    assert.equal(new TextDecoder().decode(strings), "a\0b\0c\0D=1\0");
  }
});

Deno.test("READY, WAITED and the credits have the same layout", () => {
  const credit = payloadOf(protocol.encodeCredit(0, 0x0102_0304));
  assert.deepEqual(decode("credit_payload", credit), { bytes: 0x0102_0304n });
  assert.equal(credit.length, structOf("credit_payload").bytes);
  const one = [["ready", "controllers"], ["credit", "bytes"], ["waited", "ms"]];
  for (const [name, field] of one) {
    const payload = encode(`${name}_payload`, { [field!]: 0x0102_0304n });
    assert.equal(protocol.decodeU32(payload), 0x0102_0304);
  }
});

Deno.test("EXTEND has the same layout", () => {
  const payload = payloadOf(protocol.encodeExtend(0, 0x0102_0304));
  assert.deepEqual(decode("extend_payload", payload), { ms: 0x0102_0304n });
  assert.equal(payload.length, structOf("extend_payload").bytes);
});

Deno.test("USAGE has the same layout", () => {
  const payload = encode("usage_payload", {
    cpu_us: 0x01_0203_0405n,
    memory_bytes: 0x02_0203_0405n,
    processes: 0x0301_0203n,
    zero: 0n,
  });
  assert.deepEqual(protocol.decodeUsage(payload), {
    cpuMs: 0x01_0203_0405 / 1000,
    memoryBytes: 0x02_0203_0405,
    processes: 0x0301_0203,
  });
});

Deno.test("EXIT has the same layout", () => {
  const payload = encode("exit_payload", {
    status: 0x0101_0102n,
    start_errno: 0x0201_0202n,
    cause: 2n,
    start_step: 3n,
    listening_port: 0x0301_0302n,
    zero: 0n,
    cpu_us: 0x01_0203_0405n,
    peak_bytes: 0x02_0203_0405n,
    stdin_bytes: 0x03_0203_0405n,
    stdout_bytes: 0x04_0203_0405n,
    stderr_bytes: 0x05_0203_0405n,
  });
  assert.deepEqual(protocol.decodeExit(payload), {
    status: 0x0101_0102,
    startErrno: 0x0201_0202,
    cause: CAUSES[2],
    startStep: STEPS[3],
    listeningPort: 0x0301_0302,
    cpuMs: 0x01_0203_0405 / 1000,
    peakBytes: 0x02_0203_0405,
    stdinBytes: 0x03_0203_0405,
    stdoutBytes: 0x04_0203_0405,
    stderrBytes: 0x05_0203_0405,
  });
});

Deno.test("the policy of a way out has the same layout", () => {
  const payload = encodePolicy({
    hosts: ["a.test:1", "*.b.test:2"],
    overrides: { "a.test:1": "[::1]:3" },
    connections: 0x0101_0102,
    connectionsPerSecond: 0x0201_0202,
    connectMs: 0x0301_0302,
    idleMs: 0x0401_0402,
    bytesPerSecond: 0x05_0102_0304,
  });
  assert.deepEqual(decode("egress_payload", payload), {
    rules: 2n,
    overrides: 1n,
    connections: 0x0101_0102n,
    connections_per_second: 0x0201_0202n,
    connect_ms: 0x0301_0302n,
    idle_ms: 0x0401_0402n,
    bytes_per_second: 0x05_0102_0304n,
  });
  const strings = payload.subarray(structOf("egress_payload").bytes);
  assert.equal(new TextDecoder().decode(strings), "a.test:1\0*.b.test:2\0a.test:1\0[::1]:3\0");
});

Deno.test("EGRESS has the same layout", () => {
  const event = (fields: Record<string, bigint>) => {
    const names = structOf("egress_event").fields.map(({ name }) => name);
    const values = Object.fromEntries(names.map((name) => [name, fields[name] ?? 0n]));
    const fixed = encode("egress_event", values);
    return decodeEvent(concat([fixed, new TextEncoder().encode("a.test")]));
  };
  assert.deepEqual(event({ kind: 1n }), { kind: "asked", host: "a.test" });
  const failure = EGRESS_FAILURES[2];
  const failed = { kind: "failed", host: "a.test", port: 0x0102, failure };
  assert.deepEqual(event({ kind: 2n, failure: 2n, port: 0x0102n }), failed);
  const used = { connections: 0x01_02n, sent_bytes: 0x01_0203_0405n, received_bytes: 0x2n };
  assert.deepEqual(event({ kind: 3n, ...used }), {
    kind: "used",
    connections: 0x0102,
    sentBytes: 0x01_0203_0405,
    receivedBytes: 2,
  });
});
