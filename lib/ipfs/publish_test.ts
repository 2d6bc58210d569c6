import assert from "node:assert/strict";
import { base58btc } from "multiformats/bases/base58";
import { startGateway } from "../../worlds/ipfs/gateway.ts";
import { importFile } from "./dag.ts";
import { createFetcher } from "./gateway.ts";
import { publish } from "./publish.ts";

const BYTES = new Uint8Array(2_500_000).map((_, i) => i * 7 + (i >> 8));
const DAG = importFile(BYTES);

/** A Kubo that answers like this; notes what it was sent. */
function kuboThat(answer: () => Response) {
  const seen: Headers[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    seen.push(request.headers);
    await request.bytes();
    return answer();
  });
  const url = `http://127.0.0.1:${server.addr.port}`;
  return {
    url,
    seen,
    run: (token?: string) => publish(DAG, { kubo: { url, token } }),
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
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
  for (const answer of accepted) {
    await using kubo = kuboThat(() => new Response(answer));
    await kubo.run();
  }
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
    await using kubo = kuboThat(() => new Response(answer));
    await assert.rejects(kubo.run(), { code }, answer);
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
  ];
  const assertSaid = (publishing: Promise<void>, url: string) =>
    assert.rejects(publishing, (error: { code: string; hints: string[] }) => {
      assert.equal(error.code, "ipfs_unavailable");
      assert.ok(error.hints[0]!.includes(`curl -X POST ${url}/api/v0/version`), error.hints[0]);
      return true;
    });
  for (const answer of answers) {
    await using kubo = kuboThat(answer);
    await assertSaid(kubo.run(), kubo.url);
  }
  await assertSaid(publish(DAG, { kubo: { url: "http://127.0.0.1:1" } }), "http://127.0.0.1:1");
});

Deno.test("no redirect is followed, so the token stays with the node", async () => {
  await using elsewhere = kuboThat(() => new Response(line(DAG.root.toString())));
  await using kubo = kuboThat(() => Response.redirect(`${elsewhere.url}/`, 307));
  await assert.rejects(kubo.run("s3cret"), { code: "ipfs_unavailable" });
  assert.equal(kubo.seen[0]!.get("authorization"), "Bearer s3cret");
  assert.equal(elsewhere.seen.length, 0);
});
