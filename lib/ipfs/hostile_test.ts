/** The fetcher against gateways that lie, stall, flood and mislead, over real sockets. */
import assert from "node:assert/strict";
import { manualClock } from "../../worlds/clock.ts";
import { startGateway } from "../../worlds/ipfs/gateway.ts";
import * as hostile from "../../worlds/ipfs/hostile_gateway.ts";
import type { ErrorCode } from "../errors.ts";
import { GATEWAY_HEDGE_MS, GATEWAY_STALL_MS, IPFS_DEADLINE_MS } from "../limits.ts";
import { type Dag, importFile } from "./dag.ts";
import { createFetcher } from "./gateway.ts";

const { startHostileGateway, body, byFormat, honest, status } = hostile;

const CONTENT = new Uint8Array(300_000).map((_, i) => i * 17 + (i >> 8));
const FILE = importFile(CONTENT, { chunkBytes: 50_000, widthMax: 3 });
const SMALL = importFile(CONTENT.subarray(0, 1_000));
const MAX_BYTES = 1_000_000;

/** A fetcher whose time stands still, so that only what a gateway does decides. */
function fetcherOf(...gateways: { url: string }[]) {
  const clock = manualClock();
  const fetcher = createFetcher({ gateways: gateways.map(({ url }) => url), cache: null, clock });
  return { clock, read: (dag: Dag) => fetcher.readFile(dag.root, { maxBytes: MAX_BYTES }) };
}

/** What such a gateway, asked alone, makes of a file of several blocks and of one raw block. */
const CASES: [
  string,
  hostile.Behaviour,
  { file: ErrorCode | "read"; block: ErrorCode | "read" },
][] = [
  ["honest", honest, { file: "read", block: "read" }],
  ["lies", hostile.lie, { file: "ipfs_mismatch", block: "ipfs_mismatch" }],
  ["nothing", body(() => ""), { file: "ipfs_mismatch", block: "ipfs_mismatch" }],
  ["truncates", hostile.truncate, { file: "ipfs_mismatch", block: "ipfs_mismatch" }],
  [
    "truncates its CAR",
    byFormat(hostile.truncate, honest),
    { file: "read", block: "read" },
  ],
  ["breaks off in a block", hostile.reset, { file: "ipfs_unavailable", block: "ipfs_unavailable" }],
  ["breaks off in its CAR", byFormat(hostile.reset, honest), { file: "read", block: "read" }],
  [
    "sends unrelated blocks for ever",
    byFormat(hostile.unrelatedForever, honest),
    { file: "read", block: "read" },
  ],
  [
    "sends the root for ever",
    byFormat(hostile.repeatForever, honest),
    { file: "read", block: "read" },
  ],
  [
    "sends a block for ever",
    hostile.unrelatedForever,
    { file: "ipfs_unavailable", block: "ipfs_unavailable" },
  ],
  [
    "appends an error",
    byFormat(hostile.trailingError, honest),
    { file: "read", block: "read" },
  ],
  ["wants a captcha", hostile.captcha, { file: "ipfs_unavailable", block: "ipfs_unavailable" }],
  [
    "calls a CAR a web page",
    byFormat(body(({ honest }) => honest, "text/html"), honest),
    { file: "read", block: "read" },
  ],
  [
    "sends CAR version 2",
    byFormat(body(({ honest }) => honest, "application/vnd.ipld.car; version=2"), honest),
    { file: "read", block: "read" },
  ],
  [
    "sends a CARv2 pragma",
    byFormat(body(() => Uint8Array.from([10, 161, 103, ...utf8("version"), 2])), honest),
    { file: "read", block: "read" },
  ],
  [
    "claims a header of 1 GiB",
    byFormat(body(() => Uint8Array.of(0x80, 0x80, 0x80, 0x80, 4)), honest),
    { file: "read", block: "read" },
  ],
  ["does no CAR", byFormat(status("406 Not Acceptable"), honest), { file: "read", block: "read" }],
  ["404", status("404 Not Found"), { file: "not_found", block: "not_found" }],
  ["410", status("410 Gone"), { file: "not_found", block: "not_found" }],
  ["451", status("451 Unavailable"), { file: "not_found", block: "not_found" }],
  ["429", status("429 Too Many"), { file: "ipfs_unavailable", block: "ipfs_unavailable" }],
  ["500", status("500 Oops"), { file: "ipfs_unavailable", block: "ipfs_unavailable" }],
  ["504", status("504 Timeout"), { file: "ipfs_unavailable", block: "ipfs_unavailable" }],
  ["206", status("206 Partial"), { file: "ipfs_unavailable", block: "ipfs_unavailable" }],
  [
    "redirects in a circle",
    hostile.redirect(({ path }) => path),
    { file: "ipfs_unavailable", block: "ipfs_unavailable" },
  ],
  [
    "redirects to the metadata service",
    hostile.redirect("http://169.254.169.254/latest/meta-data/"),
    { file: "ipfs_unavailable", block: "ipfs_unavailable" },
  ],
  ["gzip bomb", hostile.gzipBomb, { file: "ipfs_unavailable", block: "ipfs_unavailable" }],
  [
    "promises more",
    hostile.wrongLength(1_000),
    { file: "read", block: "ipfs_unavailable" },
  ],
  ["promises less", hostile.wrongLength(-10), { file: "ipfs_mismatch", block: "ipfs_mismatch" }],
  ["a head of 4 MiB", hostile.longHead(4 << 20), {
    file: "ipfs_unavailable",
    block: "ipfs_unavailable",
  }],
];

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

for (const [name, behaviour, expected] of CASES) {
  Deno.test(`a gateway that does this alone: ${name}`, async () => {
    for (const [dag, outcome] of [[FILE, expected.file], [SMALL, expected.block]] as const) {
      await using gateway = startHostileGateway(dag, behaviour);
      const { read, clock } = fetcherOf(gateway);
      if (outcome === "read") {
        assert.deepEqual(await read(dag), dag === FILE ? CONTENT : CONTENT.subarray(0, 1_000));
      } else await assert.rejects(read(dag), { code: outcome });
      assert.equal(clock.pending(), 0);
    }
  });

  Deno.test(`an honest gateway makes up for one that does this: ${name}`, async () => {
    await using gateway = startHostileGateway(FILE, behaviour);
    await using good = await startGateway();
    await good.put(FILE.blocks);
    const { read } = fetcherOf(gateway, good);
    assert.deepEqual(await read(FILE), CONTENT);
  });
}

Deno.test("a gateway that never answers gets a competitor after the hedge time", async () => {
  await using silent = startHostileGateway(FILE, hostile.silence);
  await using good = await startGateway();
  await good.put(FILE.blocks);
  const { read, clock } = fetcherOf(silent, good);
  const reading = read(FILE);
  await silent.asked;
  clock.advance(GATEWAY_HEDGE_MS);
  assert.deepEqual(await reading, CONTENT);
  assert.equal(silent.requests.length, 1);
});

Deno.test("a gateway that stops in the middle is left for the next one", async () => {
  await using stalling = startHostileGateway(FILE, hostile.stall);
  await using good = await startGateway();
  await good.put(FILE.blocks);
  const { read, clock } = fetcherOf(stalling, good);
  const reading = read(FILE);
  await stalling.asked;
  clock.advance(GATEWAY_HEDGE_MS);
  clock.advance(2 * GATEWAY_STALL_MS);
  assert.deepEqual(await reading, CONTENT);
});

Deno.test("a gateway that drips is given up", async () => {
  await using dripping = startHostileGateway(FILE, hostile.drip(1));
  const { read, clock } = fetcherOf(dripping);
  const reading = read(FILE);
  const failed = assert.rejects(reading, { code: "ipfs_unavailable" });
  let done = false;
  failed.finally(() => done = true);
  await dripping.asked;
  for (; !done; await new Promise((resolve) => setTimeout(resolve, 1))) {
    clock.advance(GATEWAY_STALL_MS);
  }
  await failed;
});

Deno.test("a single gateway that never answers ends at the overall deadline", async () => {
  await using silent = startHostileGateway(FILE, hostile.silence);
  const { read, clock } = fetcherOf(silent);
  const reading = read(FILE);
  await silent.asked;
  clock.advance(IPFS_DEADLINE_MS);
  await assert.rejects(reading, { code: "ipfs_unavailable", message: /within 60 s/ });
  assert.equal(clock.pending(), 0);
});

Deno.test("a gateway that lied once is never asked again, not even for other content", async () => {
  await using liar = startHostileGateway(SMALL, hostile.lie);
  await using good = await startGateway();
  await good.put([...FILE.blocks, ...SMALL.blocks]);
  const { read, clock } = fetcherOf(liar, good);
  await read(SMALL);
  clock.advance(24 * 3_600_000);
  await read(FILE);
  assert.equal(liar.requests.length, 1);

  await using onlyLiar = startHostileGateway(SMALL, hostile.lie);
  const alone = fetcherOf(onlyLiar);
  await assert.rejects(alone.read(SMALL), { code: "ipfs_mismatch" });
  await assert.rejects(alone.read(SMALL), { code: "ipfs_mismatch" });
  assert.equal(onlyLiar.requests.length, 1);
});

Deno.test("a gateway that asks for patience is left alone that long, and no longer", async () => {
  const table: [Record<string, string>, number][] = [
    [{ "retry-after": "7" }, 7],
    [{}, 10],
    [{ "retry-after": "999999999" }, 60],
  ];
  for (const [headers, seconds] of table) {
    await using busy = startHostileGateway(
      SMALL,
      (exchange) => (exchange.turn === 0 ? status("429 Too Many", headers) : honest)(exchange),
    );
    const { read, clock } = fetcherOf(busy);
    await assert.rejects(read(SMALL), { code: "ipfs_unavailable" });
    clock.advance(seconds * 1_000 - 1);
    await assert.rejects(read(SMALL), { code: "ipfs_unavailable", retryAfterSeconds: 1 });
    assert.equal(busy.requests.length, 1);
    clock.advance(1);
    assert.equal((await read(SMALL)).length, 1_000);
  }
});

Deno.test("what a broken CAR brought is kept: only the missing blocks are asked for singly", async () => {
  await using gateway = startHostileGateway(FILE, byFormat(hostile.truncate, honest));
  assert.deepEqual(await fetcherOf(gateway).read(FILE), CONTENT);
  const raw = gateway.requests.filter((path) => path.includes("format=raw"));
  assert.ok(raw.length > 0 && raw.length < FILE.blocks.length, `${raw.length} blocks`);
});
