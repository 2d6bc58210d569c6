/** `operator outbox` and `operator reset` on a real chain, for what an operator has left out. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { connect } from "../lib/chain/client.ts";
import { silentLog } from "../lib/log.ts";
import { lockState } from "../lib/provider/door/lock.ts";
import { openOperator } from "../lib/provider/settlement/operator.ts";
import { openOutboxStore } from "../lib/provider/settlement/outbox_store.ts";
import { writeKeyFile } from "../lib/spec/keys.ts";
import { startAnvil } from "../worlds/chain/anvil.ts";
import { mine, setBalance, setMining } from "../worlds/chain/anvil_calls.ts";
import { ACCOUNTS, privateKeyOf } from "../worlds/chain/people.ts";
import { makeFolder, runIn } from "../worlds/home.ts";

const TO = "0x00000000000000000000000000000000000000aa";

/** A provider's home whose operator has two transactions out that no block takes. */
async function openHome() {
  await using stack = new AsyncDisposableStack();
  const anvil = stack.use(await startAnvil());
  const { dir } = stack.use(await makeFolder());
  const { provider, operator: account } = ACCOUNTS;
  await writeKeyFile(join(dir, "keys.json"), { version: 1, account: privateKeyOf(account) });
  const config = {
    rpc: anvil.url,
    provider: {
      name: "paolo.eth",
      address: provider.address,
      webDomain: "https://provider.test",
      price: "1000",
      terms: ["terms.txt"],
      stateDir: "state",
      keyFile: "keys.json",
    },
  };
  await Deno.writeTextFile(join(dir, "config.json"), JSON.stringify(config));
  const book = join(dir, "state", "book");
  await Deno.mkdir(book, { recursive: true });
  const chain = await connect(anvil.url);
  const path = join(book, "operator.db");
  const onMined = () => Promise.resolve();
  const common = { chain, account, log: silentLog, onMined, pollMs: 1 };
  const open = () => openOperator({ store: openOutboxStore(path), ...common });
  const operator = await open();
  await setMining(chain, false);
  for (const rank of ["relay", "settlement"] as const) {
    const { mined } = await operator.launch({ to: TO, data: "0x12" }, { rank, costMax: null });
    mined.catch(() => {});
  }
  await operator.close();
  const resources = stack.move();
  return {
    run: (...args: string[]) => runIn(dir, args),
    chain,
    book,
    account,
    open,
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

Deno.test("outbox shows what is out and what it waits for, as JSON and for people", async () => {
  await using home = await openHome();
  const { code, json } = await home.run("operator", "outbox", "--json");
  assert.equal(code, 0);
  assert.equal(json.operator, home.account.address);
  assert.deepEqual([json.latest, json.pending], [0, 2]);
  const [relay, settlement] = json.transactions;
  assert.deepEqual([relay.nonce, relay.rank, relay.waitsFor], [
    0,
    "relay",
    "a block that takes it",
  ]);
  assert.deepEqual([settlement.rank, settlement.waitsFor], ["settlement", "nonce 0 before it"]);
  assert.equal(settlement.forms.length, 1);
  await setBalance(home.chain, home.account.address, 1n);
  const { out } = await home.run("operator", "outbox");
  assert.match(out, /nonce 1 {2}settlement, \d+ s old, gas \d+, signed for up to .* gwei/);
  assert.match(out, /waits for gas coin: it needs 0\.\d+, there is 0\.000000000000000001/);
});

Deno.test("reset forgets what is out, once it is told to and nobody serves from there", async () => {
  await using home = await openHome();
  const lock = await lockState(join(home.book, "lock"));
  assert.equal((await home.run("operator", "reset", "--yes")).code, 6);
  lock.release();
  assert.equal((await home.run("operator", "reset")).code, 2, "nobody is there to ask");
  const shown = await home.run("operator", "outbox", "--json");
  assert.equal(shown.json.transactions.length, 2);
  const { code, json } = await home.run("operator", "reset", "--yes", "--json");
  assert.equal(code, 0);
  assert.deepEqual(json.forgotten.map(({ nonce }: { nonce: number }) => nonce), [0, 1]);
  assert.match((await home.run("operator", "outbox")).out, /nothing is out/);
});

Deno.test("reset --cancel uses their nonces, and the next transaction goes out", async () => {
  await using home = await openHome();
  const { chain, account: { address } } = home;
  const done = home.run("operator", "reset", "--cancel", "--yes", "--json");
  const timer = setInterval(() => mine(chain, 1), 50);
  const { code, json } = await done.finally(() => clearInterval(timer));
  assert.equal(code, 0, JSON.stringify(json));
  assert.equal(json.isCancelled, true);
  await setMining(chain, true);
  assert.equal(await chain.public.getTransactionCount({ address }), 2);
  assert.equal(await chain.public.getBalance({ address: TO }), 0n);
  const operator = await home.open();
  const standing = { rank: "settlement", costMax: null } as const;
  assert.equal((await operator.send({ to: TO, data: "0x12" }, standing)).status, "success");
  await operator.close();
});

Deno.test("what is given in the wrong place is a usage error", async () => {
  await using home = await openHome();
  for (const args of [["outbox", TO], ["reset", TO], ["outbox", "--yes"], ["list", "--cancel"]]) {
    assert.equal((await home.run("operator", ...args)).code, 2, args.join(" "));
  }
});
