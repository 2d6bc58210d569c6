import assert from "node:assert/strict";
import { join } from "node:path";
import type { Address } from "viem";
import { makeFolder } from "../../../worlds/home.ts";
import { openLastRelays } from "./last_relays.ts";

const ANNA: Address = `0x${"aa".repeat(20)}`;
const BERT: Address = `0x${"bb".repeat(20)}`;
const KEEP_MS = 60_000;

Deno.test("what was relayed for a payer is known across restarts, until it is out of its time", async () => {
  await using folder = await makeFolder();
  const path = join(folder.dir, "relays.db");
  let now = 1_700_000_000_000;
  const open = () => openLastRelays(path, KEEP_MS, () => now);
  const first = open();
  await first.note(ANNA, "deposit", KEEP_MS);
  assert.equal(await first.at(ANNA, "deposit"), now);
  assert.equal(await first.at(ANNA, "Revoke"), undefined, "each kind");
  assert.equal(await first.at(BERT, "deposit"), undefined, "each payer");
  first.close();
  const noted = now;
  now += KEEP_MS - 1;
  const second = open();
  assert.equal(await second.at(ANNA, "deposit"), noted);
  now += 1;
  assert.equal(await second.at(ANNA, "deposit"), undefined);
  await second.note(ANNA, "deposit", KEEP_MS);
  assert.equal(await second.at(ANNA, "deposit"), now, "the last one counts");
  second.close();
});

Deno.test("what was not sent after all is not remembered", async () => {
  await using folder = await makeFolder();
  const last = openLastRelays(join(folder.dir, "relays.db"), KEEP_MS, () => 1_000_000);
  await last.note(ANNA, "deposit", KEEP_MS);
  await last.note(BERT, "deposit", KEEP_MS);
  last.takeBack(ANNA, "deposit");
  assert.equal(await last.at(ANNA, "deposit"), undefined);
  assert.equal(await last.at(BERT, "deposit"), 1_000_000);
  last.close();
});
