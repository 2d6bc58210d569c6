/** What is public of a deployment, from its folder to the provider that lists it, by commands. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { startMarket } from "../worlds/market.ts";
import { NAME, openOwnersHome } from "../worlds/owners_home.ts";

const ORIGIN = "https://app.example";
const ABOUT = { description: "Says hello.", output: { type: "text", example: "hello" } };

Deno.test("what a folder says in public is signed, shown, kept and listed until it is stopped", async (t) => {
  await using market = await startMarket();
  await using owner = await openOwnersHome(market);
  const dir = join(owner.dir, "pages");
  await Deno.mkdir(dir);
  await Deno.writeTextFile(join(dir, "main"), "#!/bin/sh\necho hello\n", { mode: 0o755 });
  const fileFlags = (flags: object) =>
    Deno.writeTextFile(join(dir, "khachapuri.json"), JSON.stringify(flags));
  const deploy = async (...args: string[]) => {
    const { out, err, code } = await owner.run([...args, dir, "--accept-terms"]);
    assert.equal(code, 0, err);
    return { cid: out.split("\n")[0]!, err };
  };
  const listed = async () => {
    const answer = await fetch(`${market.provider.url}/openapi.json`);
    return Object.keys((await answer.json()).paths);
  };
  const call = async (cid: string) => {
    const headers = { origin: ORIGIN };
    const answer = await fetch(`${market.provider.url}/${cid}`, { headers });
    assert.equal(await answer.text(), "hello\n");
    return answer.headers.get("access-control-allow-origin");
  };
  let first = "";

  await t.step("what is wrong with it is said before anything is signed", async () => {
    await fileFlags({ providers: [NAME], about: { ...ABOUT, tags: ["ü"] } });
    const refused = await owner.run(["deploy", dir, "--accept-terms"]);
    assert.equal(refused.code, 3, refused.err);
    assert.match(refused.err, /--about: tags\.0: not 1 to 32 printable ASCII characters/);
    const origin = await owner.run(["deploy", dir, "--accept-terms", "--cors", "app.example"]);
    assert.equal(origin.code, 3, origin.err);
  });

  await t.step("it is told and shown to its owner, and to its provider", async () => {
    await fileFlags({ providers: [NAME], about: ABOUT });
    const deployed = await deploy("deploy", "--cors", ORIGIN);
    first = deployed.cid;
    assert.match(deployed.err, /^public {6}POST: Says hello\.$/m);
    assert.match(deployed.err, /^read by {5}web pages of https:\/\/app\.example$/m);
    const { json } = await owner.run(["inspect", "pages", "--json"]);
    assert.deepEqual([json.signed.about, json.signed.cors], [ABOUT, { origins: [ORIGIN] }]);
    const keys = join(market.home, "keys.json");
    const spec = (await owner.run(["inspect", "pages", "--json", "--keys", keys])).json;
    assert.deepEqual([spec.about, spec.cors], [ABOUT, { origins: [ORIGIN] }]);
  });

  await t.step("it is listed once it was paid for, a rehearsal is not", async () => {
    assert.deepEqual(await listed(), []);
    assert.equal(await call(first), ORIGIN);
    assert.deepEqual(await listed(), [`/${first}`]);
  });

  await t.step(
    "what was said is said again when it is deployed again, and stopped with it",
    async () => {
      const { cid, err } = await deploy("redeploy", "--stop-old");
      assert.match(err, /--cors https:\/\/app\.example/);
      assert.deepEqual(await listed(), [], "the old one is stopped");
      assert.equal(await call(cid), ORIGIN);
      assert.deepEqual(await listed(), [`/${cid}`]);
      assert.equal((await owner.run(["stop", cid])).code, 0);
      assert.deepEqual(await listed(), []);
    },
  );
});
