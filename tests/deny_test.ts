/** The abuse desk over HTTP, a real chain and the command line. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { runCli } from "../lib/cli/cli.ts";
import { COMMANDS } from "../lib/cli/table.ts";
import { type Market, startMarket } from "../worlds/market.ts";
import { fakeWorld } from "../worlds/terminal.ts";

const BATCH = { mode: "batch", intervalSeconds: 360, pollMs: 50 };
const HELLO = { files: { main: "#!/bin/sh\necho hello\n" } };
/** Says that it runs, and would go on for long. */
const LONG = { files: { main: "#!/bin/sh\necho begun\nsleep 30\necho done\n" } };

/** `khachapuri deny …` on the provider's machine. */
async function deny(market: Market, ...args: string[]) {
  await Deno.writeTextFile(join(market.home, "config.json"), await configText(market));
  const world = fakeWorld(["deny", "--home", market.home, "--json", ...args], { env: {} });
  const code = await runCli(world, COMMANDS);
  const text = world.stdoutText();
  return { code, told: text === "" ? null : JSON.parse(text), stderr: world.stderrText() };
}

/** What the command needs of it. */
function configText({ accounts, home }: Market): Promise<string> {
  return Promise.resolve(JSON.stringify({
    provider: {
      name: "paolo.eth",
      address: accounts.provider.address,
      webDomain: "http://127.0.0.1",
      price: "1000",
      terms: ["terms.txt"],
      stateDir: join(home, "state"),
      keyFile: join(home, "keys.json"),
    },
  }));
}

async function refusal(response: Promise<Response>): Promise<[number, string, unknown]> {
  const answer = await response;
  const { error, denied } = await answer.json();
  return [answer.status, error, denied];
}

const kindsOf = (market: Market, payer: string) =>
  market.entries({ payer: payer as `0x${string}` }).map(({ kind }) => kind);

Deno.test("a denied owner is refused before payment, what runs is ended for nothing, and what is due settles", async () => {
  await using market = await startMarket({ settings: { settlement: BATCH } });
  const { owner, payer } = market.accounts;
  const [short, long] = [await market.deploy(HELLO), await market.deploy(LONG)];
  assert.equal(await (await market.call(short)).text(), "hello\n");
  const due = BigInt(
    (await (await fetch(`${market.provider.url}/metrics`)).text())
      .match(/^khachapuri_unsettled_usdc_base_units (\d+)$/m)![1]!,
  );
  assert.ok(due > 0n);
  const running = await market.call(long, { headers: await market.pay(payer) });
  const reader = running.body!.pipeThrough(new TextDecoderStream()).getReader();
  assert.equal((await reader.read()).value, "begun\n");
  const { code, told } = await deny(market, "owner", owner.address, "--reason", "phishing");
  assert.equal(code, 0);
  assert.partialDeepStrictEqual(told, { id: 1, state: "in force", what: owner.address });
  // Ended, and cut off rather than whole.
  await assert.rejects(async () => {
    while (!(await reader.read()).done);
  });
  const expected = [403, "denied", "owner"];
  assert.deepEqual(await refusal(market.call(short)), expected);
  assert.deepEqual(
    await refusal(market.call(short, { headers: await market.pay(payer) })),
    expected,
  );
  const ended = market.entries({ payer: payer.address });
  const release = ended.find(({ kind }) => kind === "release") as { reason?: string } | undefined;
  assert.equal(release?.reason, "denied", JSON.stringify(ended.map(({ kind }) => kind)));
  assert.ok(!kindsOf(market, payer.address).includes("charge"));
  await market.restart({ settlement: BATCH });
  assert.ok(kindsOf(market, owner.address).includes("settle"), "what it owed is settled");
  assert.deepEqual(await refusal(market.call(short)), expected, "it outlives a restart");
  assert.equal((await deny(market, "lift", "1")).code, 0);
  assert.equal(await (await market.call(short)).text(), "hello\n");
});

Deno.test("a denied payer pays for nothing and leaves all the same; a stopped provider's book is edited", async () => {
  await using market = await startMarket({ settings: { settlement: BATCH } });
  const { payer } = market.accounts;
  const cid = await market.deploy(HELLO);
  await market.provider.stop();
  const { code, told } = await deny(market, "payer", payer.address, "--reason", "stolen card");
  assert.deepEqual([code, told.kind], [0, "payer"]);
  await market.restart();
  const paid = { headers: await market.pay(payer) };
  assert.deepEqual(await refusal(market.call(cid, paid)), [403, "denied", "payer"]);
  assert.deepEqual(kindsOf(market, payer.address), []);
  assert.equal(await (await market.call(cid)).text(), "hello\n", "owners' calls go on");
  assert.equal((await fetch(`${market.provider.url}/relay`)).status, 200);
  const metrics = await (await fetch(`${market.provider.url}/metrics`)).text();
  assert.match(metrics, /^khachapuri_denied_requests_total\{kind="payer"\} 1$/m);
  assert.match(metrics, /^khachapuri_denials\{kind="payer"\} 1$/m);
});

Deno.test("a denied deployment is refused alone, and the desk says what is wrong with a command", async () => {
  await using market = await startMarket({ settings: { settlement: BATCH } });
  const [one, other] = [await market.deploy(HELLO), await market.deploy(HELLO)];
  const until = ["--until", "90d", "--note", "report 17"];
  const url = `${market.provider.url}/${one}`;
  assert.equal((await deny(market, "deployment", url, "--reason", "malware", ...until)).code, 0);
  assert.deepEqual(await refusal(market.call(one)), [403, "denied", "deployment"]);
  assert.equal((await market.call(other)).status, 200);
  const { told } = await deny(market, "list");
  assert.deepEqual(
    told.denials.map(({ what, note }: { what: string; note: string }) => [what, note]),
    [
      [one, "report 17"],
    ],
  );
  const faults: [string[], number][] = [
    [["owner"], 2],
    [["owner", "0x12", "--reason", "x"], 3],
    [["network", "127.0.0.1", "--reason", "x"], 3],
    [["network", "198.51.100.0/24"], 2],
    [["network", "198.51.100.0/24", "--reason", "x", "--until", "2001-01-01"], 2],
    [["lift", "99"], 4],
    [["lift"], 2],
    [["country", "x"], 2],
  ];
  for (const [args, exit] of faults) {
    assert.equal((await deny(market, ...args)).code, exit, args.join(" "));
  }
});
