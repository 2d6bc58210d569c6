/** What `deploy` refuses before anything is signed, and how what it could not know is listed. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { startMarket } from "../worlds/market.ts";
import { NAME, openOwnersHome } from "../worlds/owners_home.ts";

/** In front of a provider: one that does not say whether it has an interpreter. */
function startOlderProvider(url: string) {
  const options = { hostname: "127.0.0.1", port: 0, onListen() {} };
  const server = Deno.serve(
    options,
    ({ url: asked, method, headers, body }) =>
      fetch(`${url}${new URL(asked).pathname}`, { method, headers, body }),
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

Deno.test("what cannot run, or holds secrets, stops before anything is signed or published", async () => {
  await using market = await startMarket();
  await using owner = await openOwnersHome(market);
  const dir = join(owner.dir, "program");
  await Deno.mkdir(dir);
  const main = (text: string) => Deno.writeTextFile(join(dir, "main"), text, { mode: 0o755 });
  const args = ["deploy", dir, "--provider", NAME, "--accept-terms"];
  await main("#!/bin/sh\r\n");
  const broken = await owner.run(args);
  const rehearsed = await owner.run(["run", dir, "/"]);
  assert.deepEqual([broken.code, rehearsed.code], [3, 3]);
  assert.match(broken.err, /the first line of main ends in CR/);
  assert.ok(
    rehearsed.err.includes(broken.err.slice(broken.err.indexOf("khachapuri:")).split("\n")[0]!),
    rehearsed.err,
  );

  await main("#!/bin/sh\n");
  await Deno.writeTextFile(join(dir, ".env"), "KEY=1");
  const secret = await owner.run(args);
  assert.equal(secret.code, 3);
  assert.match(secret.err, /\.env \(environment variables\)/);
  assert.equal((await owner.run([...args, "--private"])).code, 3);
  assert.equal((await owner.run(["run", dir, "/"])).code, 0);
  assert.deepEqual((await owner.run(["deployments", "--json"])).json.deployments, []);
  const allowed = await owner.run([...args, "--allow-secret", ".env"]);
  assert.equal(allowed.code, 0, allowed.err);

  await Deno.remove(join(dir, ".env"));
  await main("#!/usr/bin/env -S sh7 -e\n");
  const lacking = await owner.run(args);
  assert.equal(lacking.code, 3);
  assert.match(lacking.err, /paolo\.khachapuri has no sh7, with which main is to be started/);
  assert.match(lacking.err, /begin it with #!\/usr\/bin\/env sh, which is there\n.*it has sh, /);
  assert.equal((await owner.run(["deployments", "--json"])).json.deployments.length, 1);
  const here = await owner.run(["run", dir, "/"]);
  assert.equal(here.code, 3);
  assert.match(here.err, /the interpreter of main, sh7, is not installed here[^]*there is sh/);

  for (const line of ["#!/usr/bin/nosuch", "#!/usr/bin/env nosuch3.99"]) {
    await main(`${line}\n`);
    const unknown = await owner.run(args);
    assert.equal(unknown.code, 3, unknown.err);
    assert.match(unknown.err, /paolo\.khachapuri has no (\/usr\/bin\/)?nosuch(3\.99)?, with which/);
  }
  assert.equal((await owner.run(["deployments", "--json"])).json.deployments.length, 1);

  await using older = startOlderProvider(market.provider.url);
  await owner.register({ webDomain: older.url });
  await main("#!/usr/bin/pyton3\n");
  const unsure = await owner.run(args);
  assert.equal(unsure.code, 3, unsure.err);
  assert.match(
    unsure.err,
    /warning: the interpreter of main, \/usr\/bin\/pyton3, is not installed/,
  );
  assert.match(unsure.err, /paolo\.khachapuri does not say whether it is there/);

  const cid = unsure.out.split("\n")[0]!;
  const refused = await fetch(`${market.provider.url}/${cid}`);
  assert.equal(refused.status, 422);
  const { message } = await refused.json();
  const listed = (await owner.run(["deployments", "--json"])).json.deployments.at(-1);
  assert.equal(listed.state, "cannot run");
  assert.match(listed.cannotRun, /the interpreter of main, \/usr\/bin\/pyton3, is not installed/);
  const { out } = await owner.run(["logs", cid]);
  assert.deepEqual(out.split("\n").slice(0, 2), ["paolo.khachapuri:", `cannot run: ${message}`]);
});
