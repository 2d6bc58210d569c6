import assert from "node:assert/strict";
import { freshDatabase, startFleetServer } from "../../../worlds/fleet_database.ts";
import { readSetting, sharedSecret, writeSetting } from "./settings.ts";

const SERVER = await startFleetServer();
const ignore = SERVER === null;

Deno.test({
  name: "what one node sets all read, the last word counts",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const other = await world.open();
    assert.equal(await readSetting(other, "block"), undefined);
    await writeSetting(world.database, "block", { number: "7" });
    await writeSetting(world.database, "block", { number: "8" });
    assert.deepEqual(await readSetting(other, "block"), { number: "8" });
  },
});

Deno.test({
  name: "nodes that start at once have one secret, and it stays",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const others = await Promise.all([1, 2, 3, 4].map(() => world.open()));
    const secrets = await Promise.all(
      others.map((database, index) =>
        sharedSecret(database, "receipts", () => new Uint8Array(32).fill(index))
      ),
    );
    const [first] = secrets;
    for (const secret of secrets) assert.deepEqual(secret, first);
    const later = await sharedSecret(world.database, "receipts", () => {
      throw new Error("nobody makes another");
    });
    assert.deepEqual(later, first);
    await assert.rejects(
      sharedSecret(world.database, "another", () => Promise.reject(new Error("unreadable"))),
      /unreadable/,
    );
  },
});
