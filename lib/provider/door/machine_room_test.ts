import assert from "node:assert/strict";
import { hearLog } from "../../../worlds/heard_log.ts";
import { inFolder } from "../../../worlds/home.ts";
import { openStore } from "../ledger/store.ts";
import { watchMachine } from "./machine_room.ts";

Deno.test("the disk of the books and the machine's memory are watched until the end", async () => {
  await inFolder(async (dir) => {
    const store = await openStore(`${dir}/ledger.db`);
    await using stack = new AsyncDisposableStack();
    stack.defer(() => store.close());
    const state = { book: dir } as never;
    const watch = await watchMachine({ state, log: hearLog().log }, store, stack);
    const { diskFreeBytes, memoryAvailableBytes } = watch.figures();
    assert(diskFreeBytes > 0 && memoryAvailableBytes > 0);
    assert.equal(watch.refusal(), null);
  });
});
