import assert from "node:assert/strict";
import { openFleetChain, type SendingNode } from "../../../../worlds/chain/fleet_chain.ts";
import {
  beginSession,
  freshDatabase,
  leadAlone,
  startFleetServer,
} from "../../../../worlds/fleet_database.ts";
import { KhachapuriError } from "../../../errors.ts";
import { WishDesk } from "./wish_desk.ts";

const SERVER = await startFleetServer();
const ignore = SERVER === null;
const RELAY = { rank: "relay", costMax: null } as const;
const COSTLY = { rank: "relay", costMax: 1n } as const;

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!await isSo()) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** Its next broadcast never reaches the chain, and it hears of nothing any more. */
function dieAtBroadcast(node: SendingNode): Promise<void> {
  const dead = Promise.withResolvers<void>();
  node.endpoint.intercept = ({ method }) => {
    if (method !== "eth_sendRawTransaction") return Promise.resolve(undefined);
    node.kill();
    dead.resolve();
    return new Promise(() => {});
  };
  return dead.promise;
}

Deno.test({
  name: "a wish whose leader died before it was signed is taken up by the next, once",
  ignore,
  async fn() {
    await using chain = await openFleetChain(SERVER!);
    const [old, next, node] = await Promise.all(["a", "b", "c"].map((name) => chain.node(name)));
    await old!.lead();
    const dead = Promise.withResolvers<void>();
    old!.intercept = (statement) => {
      if (!statement.includes("remember_1")) return Promise.resolve();
      old!.kill();
      dead.resolve();
      return new Promise(() => {});
    };
    const sent = node!.sender.send(await chain.call(1), RELAY);
    await dead.promise;
    await next!.lead();
    assert.equal((await sent).status, "success");
    assert.equal(chain.times(1), 1n);
  },
});

Deno.test({
  name: "a wish that its leader had signed is found in the outbox by the next, and sent once",
  ignore,
  async fn() {
    await using chain = await openFleetChain(SERVER!);
    const [old, next, node] = await Promise.all(["a", "b", "c"].map((name) => chain.node(name)));
    await old!.lead();
    const dead = dieAtBroadcast(old!);
    chain.fake.isMining = false;
    const sent = node!.sender.send(await chain.call(1), RELAY);
    await dead;
    const heir = await next!.lead();
    await until(() => chain.fake.mempool.length === 1);
    await next!.desk!.look();
    await chain.fake.mine();
    assert.equal((await sent).status, "success");
    assert.equal(chain.times(1), 1n);
    assert.equal(chain.fake.nonce(heir.address), 1);
  },
});

Deno.test({
  name: "a leader that dies between a receipt and the wish's end leaves the receipt behind",
  ignore,
  async fn() {
    await using chain = await openFleetChain(SERVER!);
    const [old, next, node] = await Promise.all(["a", "b", "c"].map((name) => chain.node(name)));
    await old!.lead();
    const dead = Promise.withResolvers<void>();
    old!.intercept = (statement) => {
      if (!statement.includes("mined_1")) return Promise.resolve();
      old!.kill();
      dead.resolve();
      return new Promise(() => {});
    };
    const sent = node!.sender.send(await chain.call(1), RELAY);
    await dead.promise;
    assert.equal(chain.times(1), 1n);
    const heir = await next!.lead();
    assert.equal((await sent).status, "success");
    assert.equal(chain.times(1), 1n);
    assert.equal(chain.fake.nonce(heir.address), 1);
  },
});

Deno.test({
  name: "however many nodes wish for the same call, it is sent once, and all are told",
  ignore,
  async fn() {
    await using chain = await openFleetChain(SERVER!);
    const nodes = await Promise.all(["a", "b", "c"].map((name) => chain.node(name)));
    const call = await chain.call(1);
    chain.fake.isMining = false;
    const sent = nodes.map(({ sender }) => sender.send(call, RELAY));
    await until(async () => {
      const [row] = await chain.world.database.ask<{ count: number }>(
        "SELECT count(*)::int4 AS count FROM wishes",
      );
      return row!.count === 3;
    });
    await nodes[0]!.lead();
    await until(() => chain.fake.mempool.length === 1);
    for (const _ of [1, 2, 3]) await nodes[0]!.desk!.look();
    await chain.fake.mine();
    const hashes = (await Promise.all(sent)).map(({ transactionHash }) => transactionHash);
    assert.equal(new Set(hashes).size, 1);
    assert.equal(chain.times(1), 1n);
  },
});

Deno.test({
  name: "who leads no more refuses nothing: the next one may have sent it",
  ignore,
  async fn() {
    await using chain = await openFleetChain(SERVER!);
    const [old, next] = await Promise.all(["a", "b"].map((name) => chain.node(name)));
    await old!.lead();
    const refusing = Promise.withResolvers<void>();
    const goesOn = Promise.withResolvers<void>();
    old!.intercept = (statement) => {
      if (!statement.includes("fulfil_1")) return Promise.resolve();
      refusing.resolve();
      return goesOn.promise;
    };
    // Worth no gas, so it is refused.
    const sent = next!.sender.send(await chain.call(1), COSTLY);
    await refusing.promise;
    await chain.world.database.ask(
      "UPDATE wishes SET sending = jsonb_set(sending, '{costMax}', 'null')",
    );
    await next!.lead();
    goesOn.resolve();
    assert.equal((await sent).status, "success");
    assert.equal(chain.times(1), 1n);
  },
});

Deno.test({
  name: "a wish is carried out though its asker is gone, and goes a minute later",
  ignore,
  async fn() {
    await using chain = await openFleetChain(SERVER!);
    const { database } = chain.world;
    const [leader, node] = await Promise.all(["a", "b"].map((name) => chain.node(name)));
    node!.sender.send(await chain.call(1), RELAY).catch(() => {});
    const stands = async () => {
      const rows = await database.ask<{ isDone: boolean }>(
        'SELECT done IS NOT NULL AS "isDone" FROM wishes',
      );
      return rows.map(({ isDone }) => isDone);
    };
    await until(async () => (await stands()).length === 1);
    await node!.sender.close();
    await leader!.lead();
    await until(async () => (await stands())[0] === true);
    assert.equal(chain.times(1), 1n);
    await leader!.desk!.look();
    assert.deepEqual(await stands(), [true]);
    await database.ask("UPDATE wishes SET done = done - interval '61 seconds'");
    await leader!.desk!.look();
    assert.deepEqual(await stands(), []);
  },
});

Deno.test({
  name: "a node has the leader settle, and hears when that is done",
  ignore,
  async fn() {
    await using chain = await openFleetChain(SERVER!);
    const [leader, node] = await Promise.all(["a", "b"].map((name) => chain.node(name)));
    const settled = Promise.all([node!.sender.settleNow(), leader!.sender.settleNow()]);
    await until(async () => {
      const rows = await chain.world.database.ask("SELECT FROM wishes");
      return rows.length === 2;
    });
    await leader!.lead();
    await settled;
    assert.deepEqual([leader!.settled, node!.settled], [1, 0]);
  },
});

Deno.test({
  name: "a wish whose failure has words that no database takes is told of, and sent once",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const { database } = world;
    const term = await leadAlone(database, await beginSession(database, "n1"));
    await database.ask(
      `INSERT INTO wishes (id, kind, recipient, data, sending)
        VALUES ('1', 'send', '0xa', '0xb', '{}')`,
    );
    let sent = 0;
    const operator = {
      send() {
        sent += 1;
        return Promise.reject(new KhachapuriError("chain_refused", "it says \u0000\ud800"));
      },
      endOf: () => null,
      calls: () => [],
    };
    const troubles: unknown[] = [];
    const desk = new WishDesk({
      ...{ database, term, operator: operator as never, settle: () => Promise.resolve() },
      onTrouble: (error) => void troubles.push(error),
    });
    const resultOf = async () => {
      const [row] = await database.ask<{ result: { error: { message: string } } | null }>(
        "SELECT result FROM wishes",
      );
      return row!.result;
    };
    await desk.look();
    await until(async () => await resultOf() !== null || troubles.length > 0);
    await desk.look();
    await desk.close();
    assert.deepEqual([sent, troubles], [1, []]);
    assert.equal((await resultOf())!.error.message, "it says \ufffd\ufffd");
  },
});
