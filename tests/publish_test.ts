/** Publishing without a node of one's own: pushes, copies elsewhere, retries and rehearsals. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { randomBytes } from "../worlds/crowd_programs.ts";
import { BrokenWire } from "../worlds/broken_wire.ts";
import { fakeWorld } from "../worlds/terminal.ts";
import { runCli } from "../lib/cli/cli.ts";
import { startPinata } from "../worlds/ipfs/pinata.ts";
import { startPinningService } from "../worlds/ipfs/pinning_service.ts";
import { type Market, startMarket } from "../worlds/market.ts";
import { NAME, openOwnersHome } from "../worlds/owners_home.ts";

const hello = join(import.meta.dirname!, "../samples/hello");
const FLAGS = ["--provider", NAME, "--accept-terms"];
const JWT = "a.pinata.jwt";
const PIN_TOKEN = "pin-token";

/** A home without any IPFS node or gateway: nothing but a chain. */
async function openBareHome(market: Market) {
  const owner = await openOwnersHome(market);
  const path = join(owner.dir, "config.json");
  const { kubo: _kubo, gateways: _gateways, ...config } = JSON.parse(
    await Deno.readTextFile(path),
  );
  await Deno.writeTextFile(path, JSON.stringify(config));
  return owner;
}

async function runWith(env: Record<string, string>, dir: string, args: string[]) {
  const [command = "", ...rest] = args;
  const world = fakeWorld([command, "--home", dir, ...rest], { env });
  const code = await runCli(world);
  return { code, out: world.stdoutText(), err: world.stderrText() };
}

/** A program that no compression makes small. */
async function largeProgram(dir: string): Promise<string> {
  const program = join(dir, "large");
  await Deno.mkdir(program);
  await Deno.writeTextFile(join(program, "main"), "#!/bin/sh\nwc -c < data\n", { mode: 0o755 });
  await Deno.writeFile(join(program, "data"), randomBytes(3_000_000));
  return program;
}

Deno.test("a program is deployed and called with neither a node nor a gateway", async () => {
  // Nor is what it keeps shown to anybody: the owner asks for it as the owner.
  await using market = await startMarket({ settings: { ipfs: { public: false } } });
  await using owner = await openBareHome(market);
  const deployed = await owner.run(["deploy", hello, ...FLAGS, "--json"]);
  assert.equal(deployed.code, 0, deployed.err);
  const { cid, program, copies, providers } = deployed.json;
  assert.deepEqual(copies, [{ to: NAME, ok: true, error: null }]);
  assert.equal(providers[0].dryRun.ok, true);
  const lines = deployed.err.split("\n");
  assert.match(lines[0]!, new RegExp(`^program +${program.cid}`), "before any network");
  assert.ok(deployed.err.indexOf(cid) < deployed.err.indexOf("published"));
  const before = market.gateway.requests.length;
  const answer = await fetch(`${market.provider.url}/${cid}?Nino`);
  assert.equal(await answer.text(), "gamarjoba, Nino\n");
  assert.equal(market.gateway.requests.length, before, "its provider has it");
  const { json } = await owner.run(["deployments", "--json"]);
  assert.equal(json.deployments[0].isPublished, true);
});

Deno.test("what was pushed is read back off the provider's own gateway, and can be taken away from it", async () => {
  await using market = await startMarket();
  await using owner = await openBareHome(market);
  const deployed = await owner.run(["deploy", hello, ...FLAGS, "--json"]);
  assert.equal(deployed.code, 0, deployed.err);
  const { cid, program } = deployed.json;
  const served = (content: string) =>
    fetch(`${market.provider.url}/ipfs/${content}?format=car`, {
      headers: { accept: "application/vnd.ipld.car" },
    });
  const absent = async (content: string) => {
    const response = await fetch(`${market.gateway.url}/ipfs/${content}?format=raw`);
    await response.body?.cancel();
    return response.status === 404;
  };
  assert.deepEqual([await absent(cid), await absent(program.cid)], [true, true]);
  const dir = join(owner.dir, "taken");
  const taken = await owner.run(["publish", cid, "--out", dir]);
  assert.equal(taken.code, 0, taken.err);
  for (const content of [cid, program.cid]) {
    const car = await (await served(content)).bytes();
    assert.deepEqual(await Deno.readFile(join(dir, `${content}.car`)), car);
  }
  const moved = await owner.run(["publish", cid, "--kubo", market.gateway.kuboUrl]);
  assert.equal(moved.code, 0, moved.err);
  assert.deepEqual([await absent(cid), await absent(program.cid)], [false, false]);
});

Deno.test("an owner that allowed nothing is told what to do before anything is signed", async () => {
  await using market = await startMarket({ credits: 1n });
  await using owner = await openBareHome(market);
  assert.equal((await owner.run(["deploy", hello, ...FLAGS])).code, 0);
  const [row] = (await owner.run(["deployments", "--json"])).json.deployments;
  const answer = await fetch(`${market.provider.url}/${row.cid}`);
  await answer.body?.cancel();
  const refused = await owner.run(["deploy", hello, ...FLAGS]);
  assert.equal(refused.code, 5, refused.err);
  assert.match(refused.err, /can't charge you yet \(no credits\) \(payment_required\)/);
  assert.match(refused.err, /khachapuri allow paolo\.khachapuri/);
  assert.match(refused.err, /--no-push/);
  assert.equal((await owner.run(["deployments", "--json"])).json.deployments.length, 1);
  const nowhere = await owner.run(["deploy", hello, ...FLAGS, "--no-push"]);
  assert.equal(nowhere.code, 2, nowhere.err);
});

Deno.test("a push whose connection breaks goes on from where it was", async () => {
  await using market = await startMarket();
  await using owner = await openBareHome(market);
  await using wire = new BrokenWire(Number(new URL(market.provider.url).port));
  wire.cutAfter("up", 2_500_000, 800_000);
  const webDomain = `http://127.0.0.1:${wire.port}`;
  await owner.register({ webDomain });
  const deployed = await owner.run(["deploy", await largeProgram(owner.dir), ...FLAGS]);
  assert.equal(deployed.code, 0, deployed.err);
  assert.equal(wire.cuts, 2);
  const cid = deployed.out.split("\n")[0]!;
  assert.equal(await (await fetch(`${webDomain}/${cid}`)).text(), "3000000\n");
});

Deno.test("copies go to several places, each is read back, and one that fails is told and retried", async () => {
  await using market = await startMarket();
  await using owner = await openOwnersHome(market);
  const { gateway } = market;
  await using pinata = startPinata({ jwt: JWT, gateway });
  await using pins = startPinningService({ token: PIN_TOKEN, gateway: gateway.url });
  const jwtFile = join(owner.dir, "pinata.jwt");
  await Deno.writeTextFile(jwtFile, `${JWT}\n`, { mode: 0o600 });
  const path = join(owner.dir, "config.json");
  const config = JSON.parse(await Deno.readTextFile(path));
  const publish = [{ kind: "pinata", url: pinata.url, jwtFile: "pinata.jwt" }];
  await Deno.writeTextFile(path, JSON.stringify({ ...config, publish }));

  const args = ["deploy", hello, ...FLAGS, "--pin", pins.url, "--json"];
  const wrong = await runWith({ KHACHAPURI_PIN_TOKEN: "wrong-token" }, owner.dir, args);
  assert.equal(wrong.code, 6, wrong.err);
  const { cid, program, copies } = JSON.parse(wrong.out);
  assert.deepEqual(copies.map(({ ok }: { ok: boolean }) => ok), [true, true, true, false]);
  assert.deepEqual(pinata.uploaded, [program.cid, cid]);
  assert.match(wrong.err, new RegExp(`khachapuri publish ${cid} --pin ${pins.url}`));
  assert.ok(!(wrong.out + wrong.err).match(/wrong-token|a\.pinata\.jwt/), "no token is shown");
  const answer = await fetch(`${market.provider.url}/${cid}?Nino`);
  assert.equal(await answer.text(), "gamarjoba, Nino\n");

  const again = ["publish", cid, "--pin", pins.url];
  const retried = await runWith({ KHACHAPURI_PIN_TOKEN: PIN_TOKEN }, owner.dir, again);
  assert.equal(retried.code, 0, retried.err);
  assert.deepEqual(pins.asked.map((pin) => pin.cid), [program.cid, cid]);
});

Deno.test("what was written to a folder is published from there, to a provider and to a node", async () => {
  await using market = await startMarket();
  await using owner = await openBareHome(market);
  const dir = join(owner.dir, "cars");
  const written = await owner.run(["deploy", hello, ...FLAGS, "--out", dir, "--json"]);
  assert.equal(written.code, 0, written.err);
  const { cid } = written.json;
  const unknown = await fetch(`${market.provider.url}/${cid}`);
  assert.equal(unknown.status, 404);
  await unknown.body?.cancel();
  const pushed = await owner.run(["publish", cid, "--from", dir, "--to", NAME, "--json"]);
  assert.equal(pushed.code, 0, pushed.err);
  assert.deepEqual(pushed.json.copies, [{ to: NAME, ok: true, error: null }]);
  const answer = await fetch(`${market.provider.url}/${cid}?Nino`);
  assert.equal(await answer.text(), "gamarjoba, Nino\n");
  const kubo = ["--kubo", market.gateway.kuboUrl, "--gateway", market.gateway.url];
  const copied = await owner.run(["publish", cid, "--from", dir, ...kubo]);
  assert.equal(copied.code, 0, copied.err);
  const back = join(owner.dir, "back");
  const fetched = await owner.run(["publish", cid, "--gateway", market.gateway.url, "--out", back]);
  assert.equal(fetched.code, 0, fetched.err);
  const files = [dir, back].map((each) => Deno.readFile(join(each, `${cid}.car`)));
  const [one, two] = await Promise.all(files);
  assert.deepEqual(one, two);
});

Deno.test("what got nowhere is kept, and the line to try again takes it from there", async () => {
  await using market = await startMarket();
  await using owner = await openBareHome(market);
  const kept = join(owner.dir, "unpublished");
  const keptNames = async () =>
    (await Array.fromAsync(Deno.readDir(kept))).map(({ name }) => name).sort();
  const noNode = ["--no-push", "--kubo", "http://127.0.0.1:1"];
  const nowhere = await owner.run(["deploy", hello, ...FLAGS, ...noNode]);
  assert.equal(nowhere.code, 7, nowhere.err);
  assert.match(nowhere.err, /to try again: khachapuri publish bafk/);
  const noFolder = await owner.run(["deploy", hello, ...FLAGS, "--out", "/proc/nope"]);
  assert.notEqual(noFolder.code, 0);
  const rows = (await owner.run(["deployments", "--json"])).json.deployments;
  const [first, second] = rows.map(({ cid }: { cid: string }) => cid);
  const { mode } = await Deno.stat(join(kept, `${first}.car`));
  assert.equal(mode! & 0o777, 0o600);
  assert.equal((await keptNames()).length, 3, "one program and two specs");

  const pushed = await owner.run(["publish", first, "--to", NAME]);
  assert.equal(pushed.code, 0, pushed.err);
  const answer = await fetch(`${market.provider.url}/${first}?Nino`);
  assert.equal(await answer.text(), "gamarjoba, Nino\n");
  assert.ok(!(await keptNames()).includes(`${first}.car`));
  assert.equal((await keptNames()).length, 2, "the other still needs its program");
  const node = ["--kubo", market.gateway.kuboUrl, "--gateway", market.gateway.url];
  assert.equal((await owner.run(["publish", second, ...node])).code, 0);
  assert.deepEqual(await keptNames(), []);
});

Deno.test("what is kept nowhere is said to need another deploy", async () => {
  await using market = await startMarket();
  await using owner = await openBareHome(market);
  const noNode = ["--no-push", "--kubo", "http://127.0.0.1:1"];
  assert.equal((await owner.run(["deploy", hello, ...FLAGS, ...noNode])).code, 7);
  const { json: { deployments: [{ cid }] } } = await owner.run(["deployments", "--json"]);
  await Deno.remove(join(owner.dir, "unpublished"), { recursive: true });
  const { code, err } = await owner.run(["publish", cid, "--to", NAME]);
  assert.equal(code, 4, err);
  assert.match(err, /never published, and its files are not kept here: .* deploy it again/);
});

Deno.test("--out writes CAR files and publishes nothing", async () => {
  await using market = await startMarket();
  await using owner = await openOwnersHome(market);
  const dir = join(owner.dir, "cars");
  const flags = ["--provider", NAME, "--accept-terms", "--out", dir];
  const told = await owner.run(["deploy", hello, ...flags]);
  assert.doesNotMatch(told.out, /curl/, "nobody could be called");
  assert.match(
    told.err,
    new RegExp(`not published yet: khachapuri publish bafk\\w+ --from ${dir}`),
  );
  assert.match(told.err, new RegExp(`--to ${NAME}\n[^]*once it is published: curl http`));
  await Deno.remove(dir, { recursive: true });
  const deployed = await owner.run(["deploy", hello, ...flags, "--json"]);
  assert.equal(deployed.code, 0, deployed.err);
  const names = (await Array.fromAsync(Deno.readDir(dir))).map(({ name }) => name).sort();
  const { cid, program } = deployed.json;
  assert.deepEqual(names, [`${cid}.car`, `${program.cid}.car`].sort());
  const missing = await fetch(`${market.gateway.url}/ipfs/${cid}?format=raw`);
  assert.equal(missing.status, 404);
  await missing.body?.cancel();
  assert.match((await owner.run(["deployments"])).out, /not published/);
});
