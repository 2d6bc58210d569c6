/** Whom a node asks for a file, in which order and for how long; its time stands still. */
import assert from "node:assert/strict";
import { manualClock } from "../../worlds/clock.ts";
import { aWhile } from "../../worlds/turns.ts";
import { type Block, cidOf, RAW } from "../cid.ts";
import { HOME_HEDGE_MS, PEER_HEDGE_MS, PEER_SILENT_MS } from "../limits_of_peers.ts";
import { createFetcher } from "./gateway.ts";
import { FETCH_FIELD, Peers } from "./peers.ts";
import { homesOf } from "./rendezvous.ts";

const BYTES = new TextEncoder().encode("what is wanted");
const FILE: Block = { cid: cidOf(RAW, BYTES), bytes: BYTES };
const AUTHORIZATION = "Bearer me.word";

/** What somebody answers: a status, or nothing at all. */
type Said = number | "silence" | "lie";
/** Of each: what it says to who asks for what is there, and to who asks for more. */
type Script = Record<string, [here: Said, fetch: Said]>;

/** Nodes by their place in the order of FILE's homes: "home", "next" and "last". */
function nodesOf(places: readonly string[]) {
  const names = Array.from({ length: places.length }, (_, index) => `n${index}`);
  const order = homesOf(FILE.cid, names.map((name) => ({ name, url: "" })));
  return order.map(({ name }, index) => ({ name, url: `http://${places[index]}` }));
}

/** @param me which of "home", "next" and "last" this node is */
function setUp(script: Script, me = "last") {
  const clock = manualClock();
  const nodes = nodesOf(["home", "next", "last"]);
  const { name: node } = nodes.find(({ url }) => url === `http://${me}`)!;
  const asked: string[] = [];
  const fields = new Map<string, Record<string, string>>();
  const fetch =
    ((url: URL, { headers, signal }: { headers: Record<string, string>; signal: AbortSignal }) => {
      const isFetch = headers[FETCH_FIELD] !== undefined;
      const who = isFetch ? `${url.host} to fetch` : url.host;
      asked.push(who);
      fields.set(who, headers);
      return answer(script[url.host]![isFetch ? 1 : 0], signal);
    }) as unknown as typeof globalThis.fetch;
  const now = () => clock.now();
  const peers = new Peers({ node, nodes: () => nodes, authorization: AUTHORIZATION, now });
  const sources: string[] = [];
  const notes = { read: (source: string) => void sources.push(source), asked: () => {} };
  const gateways = script.gateway ? ["http://gateway"] : [];
  const fetcher = createFetcher({ gateways, peers, cache: null, fetch, clock, notes });
  const read = () => fetcher.readFile(FILE.cid, { maxBytes: 100 });
  /** Lets time go by, and what is asked before and then be answered. */
  const pass = async (ms: number) => {
    await aWhile();
    clock.advance(ms);
    await aWhile();
  };
  return { asked, fields, sources, read, pass, clock };
}

function answer(said: Said, signal: AbortSignal): Promise<Response> {
  if (said === "silence") {
    return new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
    });
  }
  const headers = { "content-type": "application/vnd.ipld.raw" };
  if (said === "lie") return Promise.resolve(new Response("something else", { headers }));
  return Promise.resolve(
    new Response(said === 200 ? BYTES.slice() : null, { status: said, headers }),
  );
}

Deno.test("peers are asked for what they have, the home first, and then the home to fetch it", async () => {
  const { asked, fields, sources, read } = setUp({
    home: [412, 200],
    next: [412, 412],
    gateway: [200, 200],
  });
  assert.deepEqual(await read(), BYTES);
  assert.deepEqual(asked, ["home", "next", "home to fetch"]);
  assert.deepEqual(sources, ["peers"]);
  for (const who of asked) assert.equal(fields.get(who)!.authorization, AUTHORIZATION);
  assert.equal(fields.get("home")!["cache-control"], "only-if-cached");
  assert.equal(fields.get("home to fetch")![FETCH_FIELD], "100");
  assert.equal(fields.get("home to fetch")!["cache-control"], undefined);
});

Deno.test("the home itself asks the others, has none of them fetch, and then gateways", async () => {
  const { asked, fields, sources, read } = setUp({
    next: [412, 200],
    last: [412, 200],
    gateway: [200, 200],
  }, "home");
  assert.deepEqual(await read(), BYTES);
  assert.deepEqual(asked, ["next", "last", "gateway"]);
  assert.deepEqual(sources, ["gateways"]);
  const { authorization, "cache-control": caching } = fields.get("gateway")!;
  assert.deepEqual([authorization, caching], [undefined, undefined]);
});

Deno.test("a peer that has not begun after a moment is not waited for alone", async () => {
  const { asked, sources, read, pass } = setUp({ home: ["silence", 200], next: [200, 200] });
  const reading = read();
  await pass(PEER_HEDGE_MS - 1);
  assert.deepEqual(asked, ["home"]);
  await pass(1);
  assert.deepEqual(await reading, BYTES);
  assert.deepEqual([asked, sources], [["home", "next"], ["peers"]]);
});

Deno.test("a home that does not answer is not asked to fetch either: gateways are", async () => {
  const { asked, sources, read, pass, clock } = setUp({
    home: ["silence", 200],
    next: [412, 200],
    gateway: [200, 200],
  });
  const reading = read();
  await pass(PEER_HEDGE_MS);
  await pass(PEER_SILENT_MS - PEER_HEDGE_MS - 1);
  assert.deepEqual(asked, ["home", "next"]);
  await pass(1);
  assert.deepEqual(await reading, BYTES);
  assert.deepEqual([asked, sources], [["home", "next", "gateway"], ["gateways"]]);
  assert.equal(clock.pending(), 0);
});

Deno.test("a home that fetches has its time; then a gateway is asked beside it", async () => {
  const { asked, read, pass } = setUp({
    home: [412, "silence"],
    next: [412, 200],
    gateway: [200, 200],
  });
  const reading = read();
  await pass(HOME_HEDGE_MS - 1);
  assert.deepEqual(asked, ["home", "next", "home to fetch"]);
  await pass(1);
  assert.deepEqual(await reading, BYTES);
  assert.equal(asked.at(-1), "gateway");
});

Deno.test("what the home says of content counts, what it says of itself does not", async () => {
  const table: [fetch: Said, gateway: Said, code: string | null, asksGateway: boolean][] = [
    [404, 200, "not_found", false],
    [502, 200, null, true],
    [403, 200, null, true],
    [502, 404, "not_found", true],
    [502, 500, "ipfs_unavailable", true],
    ["lie", 200, null, true],
    [429, 200, null, true],
  ];
  for (const [fetch, gateway, code, asksGateway] of table) {
    const { asked, read } = setUp({
      home: [412, fetch],
      next: [412, 200],
      gateway: [gateway, gateway],
    });
    const what = `${fetch}, ${gateway}`;
    if (code) await assert.rejects(read(), { code }, what);
    else assert.deepEqual(await read(), BYTES, what);
    assert.equal(asked.includes("gateway"), asksGateway, what);
  }
});

Deno.test("a peer that lied is asked no more, one that asks for patience is left alone so long", async () => {
  const script: Script = { home: ["lie", 200], next: [429, 200], gateway: [200, 200] };
  const { asked, read, pass } = setUp(script);
  await read();
  await read();
  assert.deepEqual(asked, ["home", "next", "gateway", "gateway"]);
  script.next = [200, 200];
  await pass(10_000);
  await read();
  assert.deepEqual(asked.slice(4), ["next"]);
});

Deno.test("without gateways the home's are asked all the same, and nobody's word is an outage's", async () => {
  const { asked, read } = setUp({ home: [412, 200], next: [412, 200] });
  assert.deepEqual(await read(), BYTES);
  assert.equal(asked.at(-1), "home to fetch");
  const none = setUp({ home: [412, 502], next: [412, 200] });
  await assert.rejects(none.read(), { code: "ipfs_unavailable" });
});

Deno.test("a node that is told of nobody asks gateways, and so does one that is alone", () => {
  for (const nodes of [[], [{ name: "me", url: "http://me" }]]) {
    const peers = new Peers({ node: "me", nodes: () => nodes, authorization: "", now: Date.now });
    assert.deepEqual(peers.orderFor(FILE.cid), { peers: [], home: null });
    assert.equal(peers.isHomeOf(FILE.cid), nodes.length > 0);
  }
});
