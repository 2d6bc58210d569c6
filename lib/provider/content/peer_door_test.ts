import assert from "node:assert/strict";
import type { Hex } from "viem";
import { type AskedRequest, requestOf, responseOf } from "../../../worlds/answers.ts";
import { manualClock } from "../../../worlds/clock.ts";
import { OWNER } from "../../../worlds/content/push_world.ts";
import { blocksOfCar, KeptBlocks } from "../../../worlds/ipfs/kept_blocks.ts";
import { type CID, formatCid } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import { type Dag, importFile } from "../../ipfs/dag.ts";
import { FETCH_FIELD } from "../../ipfs/peers.ts";
import { PEER_ANSWERS_MAX } from "../../limits_of_content.ts";
import type { Copy } from "./ingest.ts";
import { copyPath, PeerDoor, type PeerDoorParts } from "./peer_door.ts";
import { ANYBODY, ownerReader, READER_FIELD } from "./peer_blocks.ts";
import { PeerPass } from "./peer_pass.ts";

const KEY: Hex = `0x${"01".repeat(32)}`;
const PASS = new PeerPass(KEY);
const FILE = importFile(new Uint8Array(10_000).map((_, i) => i * 7), {
  chunkBytes: 1_000,
  widthMax: 4,
});
const BYTES_MAX = 64 * 1024;

interface DoorOptions {
  dag?: Dag | null;
  /** What of it anybody gets. */
  given?: Dag | null;
  isHome?: boolean;
  bring?: PeerDoorParts["bring"];
  takeCopy?: PeerDoorParts["ingest"]["takeCopy"];
}

/** A door behind which is what a test says, asked by n2 unless it says otherwise. */
function openDoor(
  { dag = FILE, given = null, isHome = true, bring = null, takeCopy }: DoorOptions = {},
) {
  const kept = new KeptBlocks(dag?.blocks);
  const clock = manualClock();
  const door = new PeerDoor({
    pass: PASS,
    blocks: kept,
    given: new KeptBlocks(given?.blocks),
    ofOwner: (owner) => owner === OWNER ? kept : null,
    isHomeOf: () => isHome,
    bring,
    ingest: { takeCopy: takeCopy ?? (() => Promise.resolve(true)) },
    clock,
  });
  const answer = (path: string, init: AskedRequest = {}, node = "n2") => {
    const change = init.method === "POST" ? path : undefined;
    const headers = { authorization: PASS.wordOf(node, change), ...init.headers };
    return door.handle(requestOf(`http://10.0.0.1:8403${path}`, { ...init, headers }));
  };
  const ask = async (...asked: Parameters<typeof answer>) => responseOf(await answer(...asked));
  const codeOf = async (...asked: Parameters<typeof answer>) => {
    const response = await ask(...asked);
    return [response.status, (await response.json()).error];
  };
  return { kept, clock, answer, ask, codeOf };
}

const carOf = (cid: CID) => `/ipfs/${formatCid(cid)}?format=car&dag-scope=entity`;
const TO_FETCH = { headers: { [FETCH_FIELD]: String(BYTES_MAX) } };
const IF_THERE = { headers: { "cache-control": "only-if-cached" } };

Deno.test("a peer that answers somebody gets what that one may have, and no more", async () => {
  const block = `/ipfs/${formatCid(FILE.root)}?format=raw`;
  const statusFor = async (door: ReturnType<typeof openDoor>, reader: string) =>
    (await door.ask(block, { headers: { [READER_FIELD]: reader } })).status;
  const door = openDoor();
  const mine = ownerReader(OWNER, formatCid(FILE.root));
  const others = ownerReader(`0x${"12".repeat(20)}`, formatCid(FILE.root));
  assert.equal((await door.ask(block)).status, 200, "the peer itself");
  assert.equal(await statusFor(door, ANYBODY), 404);
  assert.equal(await statusFor(door, others), 404);
  assert.equal(await statusFor(door, mine), 200);
  const open = openDoor({ given: FILE });
  for (const reader of [ANYBODY, others, mine]) assert.equal(await statusFor(open, reader), 200);
});

Deno.test("a peer has what is here, as blocks and as CARs, and hears what is not", async () => {
  const { ask, codeOf } = openDoor();
  const car = await ask(carOf(FILE.root), IF_THERE);
  const { blocks } = await blocksOfCar(await car.bytes());
  assert.equal(blocks.length, FILE.blocks.length);
  const { cid, bytes } = FILE.blocks[1]!;
  const raw = await ask(`/ipfs/${formatCid(cid)}?format=raw`, IF_THERE);
  assert.deepEqual(await raw.bytes(), bytes);
  const absent = importFile(new Uint8Array(7)).root;
  assert.deepEqual(await codeOf(carOf(absent), IF_THERE), [412, "not_cached"]);
  assert.deepEqual(await codeOf("/ipfs/x?format=raw"), [400, "invalid_cid"]);
  assert.deepEqual(await codeOf("/metrics"), [404, "not_found"]);
});

Deno.test("nobody without the word is told anything, whatever the path", async () => {
  const { ask, kept } = openDoor();
  const other = new PeerPass(`0x${"02".repeat(32)}`);
  for (const authorization of ["", other.wordOf("n2"), PASS.wordOf("n2", "/kept/x?")]) {
    for (const path of [carOf(FILE.root), "/", "/ipfs/x"]) {
      const response = await ask(path, { headers: { authorization } });
      assert.deepEqual([response.status, (await response.json()).error], [403, "access_denied"]);
    }
  }
  assert.equal(kept.reads, 0);
});

Deno.test("the home has it fetched for a peer, as much as that one takes, and gives it then", async () => {
  const brought: [string, number][] = [];
  const bring = (cid: CID, maxBytes: number) => {
    brought.push([formatCid(cid), maxBytes]);
    FILE.blocks.forEach((block) => door.kept.put(block));
    return Promise.resolve();
  };
  const door = openDoor({ dag: null, bring });
  const car = await door.ask(carOf(FILE.root), TO_FETCH);
  assert.equal((await blocksOfCar(await car.bytes())).blocks.length, FILE.blocks.length);
  assert.deepEqual(brought, [[formatCid(FILE.root), BYTES_MAX]]);
});

Deno.test("a peer is told apart what nobody has and what this node could not have fetched", async () => {
  const failing =
    (code: "not_found" | "ipfs_unavailable" | "ipfs_mismatch" | "invalid_input") => () =>
      Promise.reject(new KhachapuriError(code, "no"));
  const bring = () => Promise.resolve();
  const table: [DoorOptions, number][] = [
    [{ bring: failing("not_found") }, 404],
    [{ bring: failing("ipfs_unavailable") }, 502],
    [{ bring: failing("ipfs_mismatch") }, 502],
    [{ bring: failing("invalid_input") }, 502],
    [{ bring: () => Promise.reject(new Error("disk")) }, 502],
    [{ bring: failing("not_found"), isHome: false }, 502],
    [{ bring: null }, 502],
    [{ bring }, 502],
  ];
  for (const [index, [options, status]] of table.entries()) {
    const { ask } = openDoor({ dag: null, ...options });
    assert.equal((await ask(carOf(FILE.root), TO_FETCH)).status, status, `row ${index}`);
  }
});

Deno.test("of what is refused a peer has what came of it, to see for itself", async () => {
  const bring = () => Promise.reject(new KhachapuriError("invalid_input", "too large"));
  const { root, blocks } = FILE;
  const { ask } = openDoor({ dag: { root, blocks: blocks.slice(0, 1) }, bring });
  const car = await ask(carOf(root), TO_FETCH);
  assert.equal((await blocksOfCar(await car.bytes())).blocks.length, 1);
});

Deno.test("nothing is fetched for who does not ask for it, nor more than a program has", async () => {
  const bring = () => Promise.reject(new Error("it was asked for"));
  const { codeOf, ask } = openDoor({ dag: null, bring });
  assert.deepEqual(await codeOf(carOf(FILE.root), IF_THERE), [412, "not_cached"]);
  assert.deepEqual(await codeOf(carOf(FILE.root)), [404, "not_found"]);
  for (const bytes of ["-1", "many", "1e12", ""]) {
    const { status } = await ask(carOf(FILE.root), { headers: { [FETCH_FIELD]: bytes } });
    assert.equal(status, 502, bytes);
  }
});

Deno.test("each peer has so many answers and fetches at a time, and others theirs", async () => {
  const never = new Promise<void>(() => {});
  const fetching = openDoor({ dag: null, bring: () => never });
  for (let count = 0; count < PEER_ANSWERS_MAX; count++) {
    void fetching.answer(carOf(FILE.root), TO_FETCH);
  }
  assert.deepEqual(await fetching.codeOf(carOf(FILE.root), TO_FETCH), [429, "rate_limited"]);
  assert.equal((await fetching.ask(carOf(FILE.root), IF_THERE, "n3")).status, 412);

  const sending = openDoor();
  const answers = [];
  for (let count = 0; count < PEER_ANSWERS_MAX; count++) {
    answers.push(await sending.answer(carOf(FILE.root)));
  }
  assert.deepEqual(await sending.codeOf(carOf(FILE.root)), [429, "rate_limited"]);
  await responseOf(answers[0]!).bytes();
  assert.equal((await sending.ask(carOf(FILE.root))).status, 200);
});

Deno.test("a copy that is offered is taken for its owner, and for no longer than it was kept", async () => {
  const taken: [Copy, boolean][] = [];
  let isHere = false;
  const { ask, clock } = openDoor({
    takeCopy: (copy, body) => {
      taken.push([copy, body !== null]);
      return Promise.resolve(isHere || body !== null);
    },
  });
  const copy = { root: formatCid(FILE.root), owner: OWNER, bytes: 11_000, at: clock.now() - 5 };
  const path = copyPath(copy);
  const empty = { body: new Uint8Array(), headers: { "content-length": "0" } };
  for (const offered of [{}, empty]) {
    assert.equal((await ask(path, { method: "POST", ...offered })).status, 412);
  }
  assert.equal((await ask(path, { method: "POST", body: new Uint8Array(11_000) })).status, 204);
  isHere = true;
  assert.equal((await ask(path, { method: "POST" })).status, 204);
  assert.deepEqual(taken, [[copy, false], [copy, false], [copy, true], [copy, false]]);
  const late = copyPath({ ...copy, at: clock.now() + 1_000_000 });
  await ask(late, { method: "POST" });
  assert.equal(taken.at(-1)![0].at, clock.now());
});

Deno.test("an offer wants a word of its own, and says what it is of", async () => {
  const { codeOf, clock } = openDoor();
  const copy = { root: formatCid(FILE.root), owner: OWNER, bytes: 11_000, at: clock.now() };
  const path = copyPath(copy);
  for (const word of [PASS.wordOf("n2"), PASS.wordOf("n2", copyPath({ ...copy, at: 1 }))]) {
    const headers = { authorization: word };
    assert.deepEqual(await codeOf(path, { method: "POST", headers }), [403, "access_denied"]);
  }
  const malformed = [
    path.replace(OWNER, "0x12"),
    path.replace("bytes=11000", "bytes=0"),
    path.replace("bytes=11000", "bytes=x"),
    path.replace(/&at=.*/, ""),
    path.replace(copy.root, "bafy"),
  ];
  for (const wrong of malformed) {
    assert.equal((await codeOf(wrong, { method: "POST" }))[0], 400, wrong);
  }
});
