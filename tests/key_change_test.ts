/** A provider's age keys change: by intent, and by loss. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { generateIdentity, readKeyFile, recipientOf, writeKeyFile } from "../lib/spec/keys.ts";
import { runIn } from "../worlds/home.ts";
import { startMarket } from "../worlds/market.ts";

const HELLO = { files: { main: "#!/bin/sh\necho hello\n" } };

Deno.test("deployments outlive a new identity, and not the loss of the key file", async (t) => {
  await using market = await startMarket();
  const keysPath = join(market.home, "keys.json");
  const cid = await market.deploy(HELLO);
  const bodyOf = async (called: string) => await (await market.call(called)).text();
  assert.equal(await bodyOf(cid), "hello\n");

  await t.step("a new one goes first, and the earlier one still opens what is there", async () => {
    const { json } = await runIn(market.home, ["init", "--new-identity", "--json"]);
    await market.restart();
    assert.equal(await bodyOf(cid), "hello\n");
    const { recipients } = await (await fetch(market.provider.url)).json();
    assert.deepEqual(recipients, [json.recipient, market.recipient]);
    const { json: { findings } } = await runIn(market.home, ["doctor", "--json"]);
    assert.equal(findings.find(({ part }: { part: string }) => part === "keys").state, "good");
  });

  await t.step(
    "a lost file is told with what to do, and others open nothing of before",
    async () => {
      const { account } = await readKeyFile(keysPath);
      await market.provider.stop();
      await Deno.remove(keysPath);
      const { code, out } = await runIn(market.home, ["doctor"]);
      assert.equal(code, 4);
      assert.match(out, /FAIL {2}keys: no key file[^]*backup[^]*init[^]*register --print[^]*421/);
      const identity = await generateIdentity("x25519");
      await writeKeyFile(keysPath, { version: 1, account: account!, identities: [identity] });
      await market.restart();
      const refused = await market.call(cid);
      assert.equal(refused.status, 421);
      assert.match(
        await refused.text(),
        /owner: if it is this one, its key has changed: deploy again/,
      );
      const { recipients } = await (await fetch(market.provider.url)).json();
      assert.deepEqual(recipients, [await recipientOf(identity)]);
    },
  );
});
