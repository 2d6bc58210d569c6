/** Books that cannot be written any more, as on a disk that fails: the provider begins anew. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { readJournal } from "../lib/provider/ledger/store.ts";
import { ACCOUNTS } from "../worlds/chain/people.ts";
import { startChildProvider } from "../worlds/child_provider.ts";
import { openProviderHome } from "../worlds/provider_home.ts";

Deno.test("a provider whose books fail refuses calls, ends, and the next one goes on from what they say", async () => {
  await using home = await openProviderHome();
  home.chain.fake.allow(ACCOUNTS.owner.address, 1_000n, 1_000n);
  await home.write({ settlement: { mode: "batch", intervalSeconds: 360 } });
  const { cid } = await home.deploy("echo hello");
  const provider = await startChildProvider(home.dir);
  const url = `${await provider.url}/${cid}`;
  assert.equal(await (await fetch(url)).text(), "hello\n");

  // Whatever the disk says, what writes to it gets an error that does not pass.
  const path = join(home.dir, "state/book/ledger.db");
  const other = new DatabaseSync(path);
  other.exec("BEGIN EXCLUSIVE");
  const ended = provider.logged("stopped");
  let answered = 1;
  for (let isServing = true; isServing;) {
    const response = await fetch(url).catch(() => null);
    isServing = response?.status === 200;
    if (isServing) answered += 1;
    // Unless it has ended already.
    else if (response) {
      assert.deepEqual([response.status, response.headers.get("retry-after")], [503, "5"]);
    }
    await response?.body?.cancel();
  }
  await ended;
  other.exec("ROLLBACK");
  other.close();
  assert.equal(await provider.stop(), 7, "so systemd starts the next one");

  const next = await startChildProvider(home.dir);
  assert.equal(await (await fetch(`${await next.url}/${cid}`)).text(), "hello\n");
  assert.equal(await next.stop(), 0);
  const charges = readJournal(path, {}).filter(({ kind }) => kind === "charge");
  assert.equal(charges.length, answered + 1);
});
