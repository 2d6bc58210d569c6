import assert from "node:assert/strict";
import { freshDatabase, startFleetServer } from "../../../../worlds/fleet_database.ts";
import { writeSetting } from "../../fleet/settings.ts";
import { keepSharedFollowedBlock, readSharedFollowedBlock } from "./shared_followed_block.ts";

const SERVER = await startFleetServer();
const SUBJECT = { chainId: 5, escrow: `0x${"ee".repeat(20)}`, provider: `0x${"11".repeat(20)}` };
const BLOCK = { number: 12n, hash: `0x${"ab".repeat(32)}` } as const;

Deno.test({
  name: "how far one leader read is where the next goes on, of the same escrow and provider",
  ignore: SERVER === null,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const subject = SUBJECT as Parameters<typeof readSharedFollowedBlock>[1];
    const { database } = world;
    assert.equal(await readSharedFollowedBlock(database, subject), null);
    await keepSharedFollowedBlock(database, subject, { ...BLOCK, number: 11n });
    await keepSharedFollowedBlock(database, subject, BLOCK);
    assert.deepEqual(await readSharedFollowedBlock(await world.open(), subject), BLOCK);
    assert.equal(await readSharedFollowedBlock(database, { ...subject, chainId: 6 }), null);
    await writeSetting(database, "followed", "nonsense");
    assert.equal(await readSharedFollowedBlock(database, subject), null);
  },
});
