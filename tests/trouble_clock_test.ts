/** A clock that jumps while a provider serves, and between two of its lives. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { deploymentLane } from "../lib/permit.ts";
import { startProvider } from "../lib/provider/door/serve.ts";
import { readJournal } from "../lib/provider/ledger/store.ts";
import { ACCOUNTS } from "../worlds/chain/people.ts";
import { hearLog } from "../worlds/heard_log.ts";
import { openProviderHome } from "../worlds/provider_home.ts";

const OWNER = ACCOUNTS.owner.address;
const HOUR_MS = 3_600_000;
const YEAR_MS = 365 * 24 * HOUR_MS;
const JUMPS: Readonly<Record<string, number>> = {
  "an hour forwards": HOUR_MS,
  "an hour backwards": -HOUR_MS,
  "a year forwards": YEAR_MS,
  "ten years backwards": -10 * YEAR_MS,
};

async function open() {
  const stack = new AsyncDisposableStack();
  const home = stack.use(await openProviderHome());
  home.chain.fake.allow(OWNER, 1_000n, 1_000n);
  const clock = { offsetMs: 0 };
  const now = () => Date.now() + clock.offsetMs;
  const settlement = { mode: "batch", intervalSeconds: 360 };
  return {
    home,
    clock,
    start: () => startProvider(home.config({ settlement }), { log: hearLog().log, now }),
    charges: () =>
      readJournal(join(home.dir, "state/book/ledger.db"), {}).filter(({ kind }) =>
        kind === "charge"
      ).length,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

for (const [what, jumpMs] of Object.entries(JUMPS)) {
  Deno.test(`a clock that jumps ${what} while serving: calls are answered, counted once and settled`, async () => {
    await using world = await open();
    const { home, clock } = world;
    const { cid, spec } = await home.deploy("echo hello");
    const provider = await world.start();
    const call = async () => {
      const response = await fetch(`${provider.url}/${cid}`);
      return [response.status, await response.text()];
    };
    assert.deepEqual(await call(), [200, "hello\n"]);
    clock.offsetMs = jumpMs;
    for (let n = 0; n < 3; n++) assert.deepEqual(await call(), [200, "hello\n"]);
    clock.offsetMs = 0;
    assert.deepEqual(await call(), [200, "hello\n"]);
    await provider.stop();
    assert.equal(world.charges(), 5);
    assert.equal(home.chain.fake.consumed(OWNER, deploymentLane(spec.id)), 5n);
  });

  Deno.test(`a clock that jumps ${what} between two starts: the books go on where they stood`, async () => {
    await using world = await open();
    const { home, clock } = world;
    const { cid, spec } = await home.deploy("echo hello");
    for (const offsetMs of [0, jumpMs, 0]) {
      clock.offsetMs = offsetMs;
      const provider = await world.start();
      assert.equal(await (await fetch(`${provider.url}/${cid}`)).text(), "hello\n");
      await provider.stop();
    }
    assert.equal(world.charges(), 3);
    assert.equal(home.chain.fake.consumed(OWNER, deploymentLane(spec.id)), 3n);
  });
}
