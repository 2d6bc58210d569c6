/** Who asks what is not there is told which URL that is, and why, whatever command asks. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { generateIdentity, writeKeyFile } from "../lib/spec/keys.ts";
import { type Home, openHome } from "../worlds/home.ts";

const CID = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
const ACCOUNT = `0x${"1".repeat(64)}` as const;

/** What answers here is in no shape to: each path in a way of its own. */
function startOddServer() {
  const listen = { port: 0, hostname: "127.0.0.1", onListen() {} };
  const server = Deno.serve(listen, async (request) => {
    const text = await request.text();
    const [, what] = new URL(request.url).pathname.split("/");
    if (what === "page") return new Response("<!doctype html>");
    if (what === "empty") return new Response("");
    if (what === "denied") {
      const error = { code: -32_000, message: "unauthorized" };
      return Response.json({ jsonrpc: "2.0", id: 1, error }, { status: 401 });
    }
    if (what !== "chain") return new Response("<html>", { status: Number(what) });
    return Response.json({ jsonrpc: "2.0", id: JSON.parse(text).id, result: "0x5" });
  });
  const origin = `127.0.0.1:${server.addr.port}`;
  return { origin, url: `http://${origin}`, [Symbol.asyncDispose]: () => server.shutdown() };
}

function closedOrigin(): string {
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  listener.close();
  return `127.0.0.1:${(listener.addr as Deno.NetAddr).port}`;
}

const homeOfPayer = () => openHome({}, { "keys.json": ACCOUNT });

/** Its words, which have to name every one of these, and its code. */
async function failure(home: Home, args: string[], ...named: (string | RegExp)[]) {
  const { code, err } = await home.run(...args);
  for (const each of named) {
    assert.ok(typeof each === "string" ? err.includes(each) : each.test(err), `${args}: ${err}`);
  }
  assert.doesNotMatch(err, /unexpected failure|fetch failed|Unexpected token/);
  return code;
}

Deno.test("an RPC that is none is told by its URL and what is wrong with it", async () => {
  await using home = await homeOfPayer();
  await using odd = startOddServer();
  const closed = closedOrigin();
  const cases: [string, string, RegExp][] = [
    [`http://${closed}`, closed, /nothing listens there/],
    ["http://nowhere.invalid:8545", "nowhere.invalid:8545", /its name /],
    [`https://${odd.origin}`, odd.origin, /does not speak TLS/],
    [`${odd.url}/page`, odd.origin, /its answer is no JSON-RPC \(a web page\?\)/],
    [`${odd.url}/empty`, odd.origin, /its answer .* is no JSON-RPC/],
    [`${odd.url}/denied`, odd.origin, /another key \(HTTP 401\): unauthorized/],
    [`${odd.url}/403`, odd.origin, /another key \(HTTP 403\)/],
    [`${odd.url}/404`, odd.origin, /not at that path \(HTTP 404\)/],
    [`${odd.url}/429`, odd.origin, /enough requests for now \(HTTP 429\)/],
    [`${odd.url}/503`, odd.origin, /out of order \(HTTP 503\)/],
  ];
  for (const [rpc, origin, why] of cases) {
    assert.equal(await failure(home, ["balance", "--rpc", rpc], origin, why), 7, rpc);
  }
  const both = ["balance", "--rpc", `${odd.url}/429`, "--rpc", `http://${closed}`];
  const said = [`${odd.origin}: it has had enough`, `${closed}: nothing listens`];
  assert.equal(await failure(home, both, ...said), 7);
});

Deno.test("a URL without its scheme, or with another, is shown with one", async () => {
  await using home = await homeOfPayer();
  for (const text of ["localhost:8545", "ws://localhost:8545"]) {
    const args = ["balance", "--rpc", text];
    assert.equal(await failure(home, args, "as in --rpc http://localhost:8545"), 2);
  }
});

Deno.test("a chain that is not the one meant is told with who serves it", async () => {
  await using home = await homeOfPayer();
  await using odd = startOddServer();
  const args = ["balance", "--rpc", `${odd.url}/chain`];
  assert.equal(await failure(home, args, "chain 5", odd.url, "init --rpc URL"), 3);
});

Deno.test("every command that needs the chain says so alike", async () => {
  await using home = await homeOfPayer();
  const closed = closedOrigin();
  const commands = [
    ["deposit", "1"],
    ["allow", "a.eth", "--credits", "1"],
    ["allowance", "a.eth"],
    ["onboard", "a.eth", "--amount", "1"],
    ["revoke", "a.eth"],
    ["reclaim", "a.eth"],
    ["withdraw", "all"],
    ["resolve", "a.eth"],
    ["permit", "a.eth", "--credits", "1"],
    ["call", `a.eth/${CID}`],
    ["contracts", "deploy"],
    ["register", "a.eth"],
    ["refund", ACCOUNT.slice(0, 42), "1"],
    ["collect"],
    ["operator", "list"],
  ];
  for (const [name, ...args] of commands) {
    const line = [name!, "--rpc", `http://${closed}`, ...args];
    assert.equal(await failure(home, line, closed, "nothing listens there"), 7, name);
  }
});

Deno.test("each gateway's reason is told, and a provider's", async () => {
  await using home = await homeOfPayer();
  await using odd = startOddServer();
  const closed = closedOrigin();
  const keys = join(home.dir, "reader.json");
  await writeKeyFile(keys, { version: 1, identities: [await generateIdentity("x25519")] });
  const gateways = [`http://${closed}`, `${odd.url}/502`, "http://nowhere.invalid"];
  const inspect = ["inspect", CID, "--keys", keys, ...gateways.flatMap((g) => ["--gateway", g])];
  const said = [
    `${closed} cannot be reached: nothing listens there`,
    `${odd.origin} answers HTTP 502`,
    /nowhere\.invalid cannot be reached: its name /,
  ];
  assert.equal(await failure(home, inspect, ...said), 7);
  const { json } = await home.run(...inspect, "--json");
  assert.ok(json.hints.join().includes(`${closed} cannot be reached`));

  const provider = (url: string) => ["call", `${url}/${CID}`];
  const refused = `http://${closed}/ can't be reached: nothing listens there`;
  assert.equal(await failure(home, provider(`http://${closed}`), refused), 7);
  assert.equal(await failure(home, provider("http://nowhere.invalid"), /its name /), 7);
  assert.equal(await failure(home, provider(`${odd.url}/page`), "no Khachapuri provider"), 7);
  assert.equal(await failure(home, ["verify-receipt", `http://${closed}/r`], closed), 7);
});
