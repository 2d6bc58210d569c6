/** The developer's commands against a real chain, gateway and provider. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { writeKeyFile } from "../lib/spec/keys.ts";
import { termsHash } from "../lib/spec/terms.ts";
import { startMarket } from "../worlds/market.ts";
import { NAME, openOwnersHome } from "../worlds/owners_home.ts";

const samples = new URL("../samples/", import.meta.url).pathname;

Deno.test("deploy, call, list, inspect and stop, with nothing but commands and curl's URL", async () => {
  await using market = await startMarket();
  await using owner = await openOwnersHome(market);
  const hello = join(samples, "hello");
  const flags = ["--provider", NAME, "--accept-terms"];

  const mayCall = ["--egress", "api.test:443", "--egress", "*.api.test:443"];
  const limits = ["--timeout", "5", "--memory", "64"];
  const deployed = await owner.run(["deploy", hello, ...flags, ...mayCall, ...limits]);
  assert.equal(deployed.code, 0, deployed.err);
  const [cid, curl] = deployed.out.trim().split("\n");
  assert.equal(curl, `curl ${market.provider.url}/${cid}`);
  assert.doesNotMatch(deployed.err, /warning/);

  const answer = await fetch(`${market.provider.url}/${cid}?Nino`);
  assert.equal(await answer.text(), "gamarjoba, Nino\n");
  assert.equal(answer.status, 200);

  const logged = await owner.run(["logs", cid!, "--json"]);
  assert.equal(logged.code, 0, logged.err);
  const [run, ...others] = logged.rows;
  assert.deepEqual([run.cid, run.provider, run.method, run.path, run.exit], [
    cid,
    NAME,
    "GET",
    "/",
    0,
  ]);
  assert.deepEqual(others, []);

  const listed = await owner.run(["deployments", "--json"]);
  const [row] = listed.json.deployments;
  assert.deepEqual([row.cid, row.creditsSpent, row.stopped], [cid, "1", null]);
  assert.deepEqual([row.lastRun.status, row.lastRun.exit, row.cannotRun], [200, 0, null]);
  const details = await owner.run(["deployments", cid!]);
  assert.match(details.out, /1 credit spent, \d+ left with paolo/);
  const noted = await owner.run(["inspect", cid!, "--json"]);
  assert.equal(noted.json.cid, cid);
  assert.deepEqual(noted.json.signed, {
    interface: "curl",
    env: [],
    access: "public",
    egress: ["api.test:443", "*.api.test:443"],
    limits: { timeoutMs: 5_000, memoryMb: 64, concurrency: 8, ownerCreditsPerMinute: 600 },
  });
  assert.deepEqual(row.egress, noted.json.signed.egress);
  assert.match(details.out, /\n {2}interface curl\n {2}may call api\.test:443 and 1 more\n/);

  const stopped = await owner.run(["stop", cid!]);
  assert.equal(stopped.code, 0, stopped.err);
  const refused = await fetch(`${market.provider.url}/${cid}`);
  assert.equal(refused.status, 410);
  await refused.body?.cancel();
  const after = await owner.run(["deployments", "--json"]);
  assert.match(after.json.deployments[0].stopped, /^\d{4}-/);
});

Deno.test("the owner alone reads what a failed program wrote to stderr", async () => {
  await using market = await startMarket();
  await using owner = await openOwnersHome(market);
  const program = join(owner.dir, "failing");
  await Deno.mkdir(program);
  const code = "#!/bin/sh\nprintf 'no such table\\033[2J' >&2\nexit 3\n";
  await Deno.writeTextFile(join(program, "main"), code, { mode: 0o755 });
  const deployed = await owner.run(["deploy", program, "--provider", NAME, "--accept-terms"]);
  const cid = deployed.out.split("\n")[0]!;
  const early = await owner.run(["logs", cid]);
  assert.deepEqual([early.code, early.out], [0, "paolo.khachapuri: no runs yet\n"]);

  const answer = await fetch(`${market.provider.url}/${cid}`);
  assert.equal(answer.status, 502);
  assert.match(await answer.text(), /khachapuri logs CID/);
  const { out } = await owner.run(["logs", cid, "--provider", NAME]);
  const lines = out.split("\n");
  assert.equal(lines[0], "paolo.khachapuri:");
  assert.match(lines[1]!, /^\S+Z GET \/ 502, exit 3, \d+ ms, .*0 B in, 0 B out$/);
  const why = "  why: the program exited with 3 and printed nothing";
  assert.deepEqual(lines.slice(2), [why, "  no such table[2J", ""]);
  assert.equal((await owner.run(["logs", cid, "--provider", "else.eth"])).code, 4);

  const stranger = join(owner.dir, "stranger.json");
  await writeKeyFile(stranger, { version: 1, account: `0x${"11".repeat(32)}` });
  const refused = await owner.run(["logs", cid, "--keys", stranger]);
  assert.equal(refused.code, 4);
  assert.equal(refused.out, "");
});

Deno.test("a private program with secrets runs, and neither is public", async () => {
  await using market = await startMarket();
  await using owner = await openOwnersHome(market);
  const envFile = join(owner.dir, "env");
  await Deno.writeTextFile(envFile, "# a comment\nSIGNING_KEY=key=with=signs\n");
  const deployed = await owner.run([
    "deploy",
    join(samples, "secret"),
    "--json",
    "--private",
    "--env-file",
    envFile,
    "--provider",
    NAME,
    "--accept-terms",
  ]);
  assert.equal(deployed.code, 0, deployed.err);
  const { cid, program } = deployed.json;
  assert.equal(program.private, true);
  const answer = await fetch(`${market.provider.url}/${cid}`, { method: "POST", body: "message" });
  const digest = await crypto.subtle.digest(
    "SHA-256",
    new TextEncoder().encode("key=with=signs\nmessage"),
  );
  assert.equal(await answer.text(), `${new Uint8Array(digest).toHex()}\n`);
  for (const each of [cid, program.cid]) {
    const raw = await fetch(`${market.gateway.url}/ipfs/${each}?format=raw`);
    const published = new TextDecoder("latin1").decode(await raw.bytes());
    assert(!published.includes("SIGNING_KEY") && !published.includes("main"), each);
  }
  const inspected = await owner.run([
    "inspect",
    cid,
    "--json",
    "--keys",
    join(market.home, "keys.json"),
  ]);
  assert.equal(inspected.json.env.SIGNING_KEY, "(hidden)");
  assert.equal(inspected.json.program.key, "(hidden)");
  assert.equal(inspected.json.providers[0].permit.signature, "(hidden)");
});

Deno.test("terms are shown and asked for, and a no deploys nothing", async () => {
  await using market = await startMarket();
  await using owner = await openOwnersHome(market);
  const args = ["deploy", join(samples, "hello"), "--provider", NAME];
  const scripted = await owner.run(args);
  assert.equal(scripted.code, 2);
  assert.match(scripted.err, /--accept-terms/);
  const declined = await owner.run(args, ["n"]);
  assert.equal(declined.code, 5);
  assert.match(declined.err, /Be kind\. No refunds/);
  assert.deepEqual((await owner.run(["deployments", "--json"])).json, { deployments: [] });
  const agreed = await owner.run(args, ["y"]);
  assert.equal(agreed.code, 0, agreed.err);

  await owner.register({ terms: termsHash(new TextEncoder().encode("other")) });
  const changed = await owner.run([...args, "--accept-terms"]);
  assert.notEqual(changed.code, 0);
  assert.match(changed.err, /terms/);
});

Deno.test("the price cap holds, and an owner without credits is told what to run", async () => {
  await using market = await startMarket({ credits: 1n });
  await using owner = await openOwnersHome(market);
  const args = ["deploy", join(samples, "hello"), "--provider", NAME, "--accept-terms"];
  const capped = await owner.run([...args, "--max-price", "0.0009"]);
  assert.equal(capped.code, 5);
  assert.match(capped.err, /charges/);
  const first = await owner.run(args);
  const answer = await fetch(`${market.provider.url}/${first.out.split("\n")[0]}`);
  assert.equal(answer.status, 200);
  await answer.body?.cancel();
  const broke = await owner.run([...args, "--no-push"]);
  assert.equal(broke.code, 0);
  assert.match(broke.err, /warning: .*no credits/);
  assert.match(broke.err, /khachapuri allow paolo\.khachapuri/);
});

Deno.test("a deployment that could not be published is listed as such, for it can be stopped", async () => {
  await using market = await startMarket();
  await using owner = await openOwnersHome(market);
  const args = ["deploy", join(samples, "hello"), "--provider", NAME, "--accept-terms"];
  const failed = await owner.run([
    ...[...args, "--no-push"],
    ...["--kubo", `${market.gateway.url}/nowhere`],
  ]);
  assert.equal(failed.code, 7, failed.err);
  assert.equal((await owner.run(args)).code, 0);
  const { deployments } = (await owner.run(["deployments", "--json"])).json;
  assert.deepEqual(deployments.map((row: { isPublished: boolean }) => row.isPublished), [
    false,
    true,
  ]);
});

Deno.test("the log says why each run ended, and so does the answer where it can be told", async () => {
  await using market = await startMarket();
  await using owner = await openOwnersHome(market);
  const dir = join(owner.dir, "program");
  await Deno.mkdir(dir);
  const main = `#!/bin/sh
case $PATH_INFO in
/head) echo HTTP/x ;;
/leave) echo begun; exec sleep 30 ;;
/slow) exec sleep 30 ;;
/memory) exec tail /dev/zero ;;
/name) curl -sS https://api.example/ ;;
/cgi) printf 'Content-Type: text/html\\n\\nhi' ;;
esac
`;
  await Deno.writeTextFile(join(dir, "main"), main, { mode: 0o755 });
  const flags = ["--provider", NAME, "--accept-terms", "--timeout", "3", "--memory", "64"];
  const deployed = await owner.run(["deploy", dir, ...flags]);
  const cid = deployed.out.split("\n")[0]!;
  const url = `${market.provider.url}/${cid}`;
  const messages: Record<string, string> = {};
  for (const path of ["head", "slow", "memory", "name"]) {
    messages[path] = (await (await fetch(`${url}/${path}`)).json()).message;
  }
  assert.match(
    messages.name!,
    /printed nothing: it asked for the network, which it does not have$/,
  );
  assert.equal(await (await fetch(`${url}/cgi`)).text(), "Content-Type: text/html\n\nhi");
  const leaving = new AbortController();
  const left = await fetch(`${url}/leave`, { signal: leaving.signal });
  await left.body!.getReader().read();
  leaving.abort();
  let runs: { reason: string | null }[] = [];
  // The last of them ends when the provider has noticed that its caller is gone.
  while (runs.length < 6) {
    runs = (await owner.run(["logs", cid, "--json"])).rows;
  }
  const reasons = runs.map(({ reason }) => reason);
  const slow = `${messages.slow}; deploy with --credits N if it is to take N times as long`;
  assert.deepEqual(reasons.slice(0, 3), [messages.head, slow, messages.memory]);
  assert.match(
    reasons[3]!,
    /; it asked for api\.example, and its spec lists no host that it may call: /,
  );
  assert.match(reasons[4]!, /^it printed a CGI head/);
  assert.equal(reasons[5], "the caller left before the answer's end");
  assert.match((await owner.run(["logs", cid])).out, /\n {2}why: the caller left before/);
});

Deno.test("a program with npm's links and empty folders runs at a provider as it does at home", async () => {
  await using market = await startMarket();
  await using owner = await openOwnersHome(market);
  const dir = join(owner.dir, "program");
  const tool = '#!/bin/sh\n. "$(dirname "$(readlink -f "$0")")/../lib/said"\n';
  const files = {
    main: "#!/bin/sh\nls data/empty && exec node_modules/.bin/tool\n",
    "node_modules/tool/bin/cli": tool,
    "node_modules/tool/lib/said": "echo linked\n",
  };
  for (const [name, text] of Object.entries(files)) {
    await Deno.mkdir(join(dir, name, ".."), { recursive: true });
    await Deno.writeTextFile(join(dir, name), text, { mode: 0o755 });
  }
  await Deno.mkdir(join(dir, "data/empty"), { recursive: true });
  await Deno.mkdir(join(dir, "node_modules/.bin"));
  await Deno.symlink("../tool/bin/cli", join(dir, "node_modules/.bin/tool"));
  await Deno.symlink("nowhere", join(dir, "dangling"));
  assert.equal((await owner.run(["run", dir, "/"])).out, "linked\n");
  const flags = ["--provider", NAME, "--accept-terms"];
  const deployed = await owner.run(["deploy", dir, ...flags]);
  assert.equal(deployed.code, 0, deployed.err);
  const answer = await fetch(`${market.provider.url}/${deployed.out.split("\n")[0]}`);
  assert.equal(await answer.text(), "linked\n");

  await Deno.symlink("/etc/hostname", join(dir, "out"));
  const refused = await owner.run(["deploy", dir, ...flags]);
  assert.equal(refused.code, 3);
  assert.match(refused.err, /out -> \/etc\/hostname leads out of the program/);
});

Deno.test("hosts that the provider lets no program call stop a deploy, and calls once it changed its mind", async () => {
  await using market = await startMarket({ settings: { egress: { hosts: ["*.example.com:*"] } } });
  await using owner = await openOwnersHome(market);
  // Whatever it would publish there would fail, by another name.
  const deploy = (hosts: string[], kubo = "http://127.0.0.1:1") =>
    owner.run([
      ...["deploy", join(samples, "hello"), "--provider", NAME, "--accept-terms", "--kubo", kubo],
      ...hosts.flatMap((host) => ["--egress", host]),
    ]);
  const refused = await deploy(["api.example.com:8443", "api.example.org:443"]);
  assert.equal(refused.code, 3, refused.err);
  assert.match(refused.err, /paolo\.khachapuri lets no program call api\.example\.org:443 \(/);
  assert.match(refused.err, /it allows \*\.example\.com:\*/);
  for (const host of ["10.0.0.1:443", "mx.example.com:25", "api.example.com"]) {
    assert.equal((await deploy([host])).code, 2, host);
  }
  const listed = await owner.run(["deployments", "--json"]);
  assert.deepEqual(listed.json.deployments, []);
  const taken = await deploy(["API.example.com:8443"], market.gateway.kuboUrl);
  assert.equal(taken.code, 0, taken.err);

  const cid = taken.out.split("\n")[0]!;
  assert.equal(
    await (await fetch(`${market.provider.url}/${cid}?Nino`)).text(),
    "gamarjoba, Nino\n",
  );
  await market.restart({ listen: new URL(market.provider.url).host, egress: "none" });
  const answer = await fetch(`${market.provider.url}/${cid}`);
  assert.equal(answer.status, 422);
  await answer.body?.cancel();
  const { out } = await owner.run(["logs", cid]);
  assert.match(out, /^cannot run: programs here may not call api\.example\.com:8443$/m);
});

Deno.test("a server is deployed with how it is reached, and not where none are taken", async () => {
  await using market = await startMarket({ settings: { sandbox: { instances: 2 } } });
  await using owner = await openOwnersHome(market);
  const deploy = (...flags: string[]) =>
    owner.run(["deploy", join(samples, "hello"), "--provider", NAME, "--accept-terms", ...flags]);
  const http = ["--interface", "http"];
  for (const flags of [["--server-port", "3000"], [...http, "--env", "PORT=3000"]]) {
    assert.equal((await deploy(...flags)).code, 2, flags.join(" "));
  }
  const deployed = await deploy(...http, "--server-port", "3000");
  assert.equal(deployed.code, 0, deployed.err);
  assert.match(deployed.err, /^server {6}on 3000, 4 instances at most, 32 requests to each$/m);
  assert.match(deployed.err, /warning: paolo\.khachapuri runs 2 instances of all servers, not 4\n/);
  const { json } = await owner.run(["inspect", deployed.out.split("\n")[0]!, "--json"]);
  const server = { listen: "port", port: 3000, instances: 4, concurrency: 32 };
  assert.deepEqual([json.signed.interface, json.signed.server], ["http", server]);
  assert.equal(json.signed.limits.concurrency, 64, "as many as there is room for");

  const listen = new URL(market.provider.url).host;
  await market.restart({ listen, sandbox: { instances: 0 } });
  const refused = await deploy(...http, "--kubo", "http://127.0.0.1:1");
  assert.equal(refused.code, 3, refused.err);
  assert.match(refused.err, /paolo\.khachapuri takes no programs that are servers \(/);
  const listed = await owner.run(["deployments", "--json"]);
  assert.equal(listed.json.deployments.length, 1);
});
