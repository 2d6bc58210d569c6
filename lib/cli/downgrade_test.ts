import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { openProviderHome } from "../../worlds/provider_home.ts";
import { ID, sale } from "../../worlds/ledger.ts";
import { fakeWorld } from "../../worlds/terminal.ts";
import { makeFolders } from "../files.ts";
import { LOCK_FILE, lockState } from "../provider/door/lock.ts";
import { openStore } from "../provider/ledger/store.ts";
import { runCli } from "./cli.ts";
import { COMMANDS } from "./table.ts";

Deno.test("downgrade has the release before read the ledger, unless a provider uses it", async () => {
  await using home = await openProviderHome();
  await home.write();
  const book = join(home.dir, "state", "book");
  await makeFolders(book, 0o700);
  const path = join(book, "ledger.db");
  const run = async () => {
    const world = fakeWorld(["downgrade", "--home", home.dir, "--json"], { env: {} });
    const code = await runCli(world, COMMANDS);
    return { code, said: JSON.parse(world.stdoutText()) };
  };
  assert.equal((await run()).said.error, "not_found");
  const store = await openStore(path);
  await store.write([{ kind: "open", ...ID, charged: 0n }, ...sale(1)], "disk");
  await store.checkpoint();
  await store.close();
  const version = () => {
    using database = new DatabaseSync(path);
    return database.prepare("PRAGMA user_version").get()!.user_version;
  };
  assert.equal(version(), 3);
  const lock = await lockState(join(book, LOCK_FILE));
  assert.equal((await run()).said.error, "access_denied");
  assert.equal(version(), 3);
  lock.release();
  assert.deepEqual(await run(), { code: 0, said: { path, version: 2, written: 0 } });
  assert.equal(version(), 2);
});
