import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import type { SignedForm } from "../../chain/outbox/store.ts";
import { openOutboxStore, readOutbox } from "./outbox_store.ts";

const TO = "0x00000000000000000000000000000000000000aa";

const FORM: SignedForm = {
  raw: "0x01",
  nonce: 7,
  to: TO,
  data: "0xabcd",
  gas: 21_000n,
  maxFeePerGas: 2n ** 70n,
  maxPriorityFeePerGas: 1n,
  rank: "relay",
  costMax: 2n ** 71n,
  signedAt: 1_700_000_000_000,
};

async function withPath(work: (path: string) => Promise<void> | void): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await work(join(dir, "operator.db"));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("what was remembered is there after a restart, until it is forgotten", async () => {
  await withPath(async (path) => {
    const first = openOutboxStore(path);
    const raised = { ...FORM, raw: "0x02", maxFeePerGas: 2n ** 71n } as const;
    const more = { nonce: 8, rank: "settlement", costMax: null } as const;
    const other = { ...FORM, raw: "0x03", ...more } as const;
    for (const form of [FORM, other, raised]) await first.remember(form);
    first.close();
    const second = openOutboxStore(path);
    assert.deepEqual(await second.load(), [FORM, raised, other]);
    await second.forget(7);
    assert.deepEqual(await second.load(), [other]);
    second.close();
  });
});

Deno.test("an outbox of an earlier version is read as it is, and written on", async () => {
  await withPath(async (path) => {
    const old = new DatabaseSync(path);
    old.exec(`
      CREATE TABLE outbox (
        raw TEXT PRIMARY KEY,
        nonce INTEGER NOT NULL,
        recipient TEXT NOT NULL,
        data TEXT NOT NULL,
        gas TEXT NOT NULL,
        maxFeePerGas TEXT NOT NULL,
        maxPriorityFeePerGas TEXT NOT NULL
      ) STRICT;
      INSERT INTO outbox VALUES ('0x01', 7, '${TO}', '0xabcd', '21000', '${2n ** 70n}', '1');
      PRAGMA user_version = 1;
    `);
    old.close();
    const before = { ...FORM, rank: "settlement", costMax: null, signedAt: null } as const;
    const later = { ...FORM, raw: "0x02", nonce: 8 } as const;
    assert.deepEqual(readOutbox(path), [before]);
    // Twice: what was added is there already.
    for (const held of [[before], [before, later]]) {
      const store = openOutboxStore(path);
      assert.deepEqual(await store.load(), held);
      if (held.length === 1) await store.remember(later);
      store.close();
    }
  });
});

Deno.test("a form that cannot be put on the disk is not in the store", async () => {
  await withPath(async (path) => {
    const store = openOutboxStore(path);
    // Its log cannot be opened to be synced.
    await Deno.remove(`${path}-wal`);
    await assert.rejects(store.remember(FORM));
    assert.deepEqual(await store.load(), []);
    await assert.rejects(store.remember({ ...FORM, to: null }), TypeError);
    store.close();
  });
});
