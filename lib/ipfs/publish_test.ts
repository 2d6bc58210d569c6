import assert from "node:assert/strict";
import { base58btc } from "multiformats/bases/base58";
import { startGateway } from "../../worlds/ipfs/gateway.ts";
import { importFile } from "./dag.ts";
import { createFetcher } from "./gateway.ts";
import { publish } from "./publish.ts";

const BYTES = new Uint8Array(2_500_000).map((_, i) => i * 7 + (i >> 8));
const DAG = importFile(BYTES);

/** A Kubo that answers like this; notes what it was sent. */
function kuboThat(answer: () => Response | Promise<Response>) {
  const seen: { url: string; init: RequestInit }[] = [];
  const fetch = ((url: URL, init: RequestInit) => {
    seen.push({ url: url.href, init });
    return Promise.resolve().then(answer);
  }) as typeof globalThis.fetch;
  const run = (token?: string) =>
    publish(DAG, { kubo: { url: "http://127.0.0.1:5001", token }, fetch });
  return { run, seen };
}

const line = (cid: string, PinErrorMsg = "") =>
  `${JSON.stringify({ Root: { Cid: { "/": cid }, PinErrorMsg } })}\n`;

Deno.test("a published file is on the node, pinned, and comes back through its gateway", async () => {
  await using gateway = await startGateway();
  await publish(DAG, { kubo: { url: `${gateway.kuboUrl}/` } });
  assert.equal(gateway.requests[0]!.path, "/api/v0/dag/import");
  assert.equal(gateway.requests[0]!.search, "?pin-roots=true");
  const fetcher = createFetcher({ gateways: [gateway.url], cache: null });
  assert.deepEqual(await fetcher.readFile(DAG.root, { maxBytes: BYTES.length }), BYTES);
});

Deno.test("the token goes along, and a node that wants another one is an access error", async () => {
  await using gateway = await startGateway({ token: "s3cret" });
  const kubo = { url: gateway.kuboUrl };
  await publish(DAG, { kubo: { ...kubo, token: "s3cret" } });
  for (const token of [undefined, "other"]) {
    await assert.rejects(publish(DAG, { kubo: { ...kubo, token } }), { code: "access_denied" });
  }
});

Deno.test("a node's answer is taken only when it names our root, in whatever base", async () => {
  const root = DAG.root.toString();
  const accepted = [
    line(root),
    line(base58btc.encode(DAG.root.bytes)),
    `${line(root)}\n{"Stats":{}}`,
  ];
  for (const answer of accepted) await kuboThat(() => new Response(answer)).run();
  const other = importFile(new Uint8Array(3)).root.toString();
  const refused: [string, string][] = [
    [line(other), "ipfs_mismatch"],
    [line(root) + line(other), "ipfs_mismatch"],
    [line("not a cid"), "ipfs_mismatch"],
    [line(root, "pin: disk full"), "ipfs_unavailable"],
    ["", "ipfs_unavailable"],
    ["{}", "ipfs_unavailable"],
    ["<html>", "ipfs_unavailable"],
    ['{"Root":{"Cid":"x"}}', "ipfs_unavailable"],
  ];
  for (const [answer, code] of refused) {
    await assert.rejects(kuboThat(() => new Response(answer)).run(), { code }, answer);
  }
});

Deno.test("a node that fails, is away or never stops talking is unavailable, with what to check", async () => {
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(10_000).fill(32)),
  });
  const answers: (() => Response)[] = [
    () => new Response("merkledag: not found", { status: 500 }),
    () => new Response("404 page not found", { status: 404 }),
    () => new Response(endless),
    () => {
      throw new TypeError("connection refused");
    },
  ];
  for (const answer of answers) {
    await assert.rejects(kuboThat(answer).run(), (error: { code: string; hints: string[] }) => {
      assert.equal(error.code, "ipfs_unavailable");
      assert.match(error.hints[0]!, /curl -X POST http:\/\/127\.0\.0\.1:5001\/api\/v0\/version/);
      return true;
    });
  }
});

Deno.test("no redirect is followed, so the token stays with the node", async () => {
  const { run, seen } = kuboThat(() => new Response(line(DAG.root.toString())));
  await run("s3cret");
  assert.equal(seen[0]!.init.redirect, "error");
  assert.deepEqual(seen[0]!.init.headers, { authorization: "Bearer s3cret" });
});
