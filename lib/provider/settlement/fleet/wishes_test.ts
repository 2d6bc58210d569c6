import assert from "node:assert/strict";
import type { TransactionReceipt } from "viem";
import { openFleetChain } from "../../../../worlds/chain/fleet_chain.ts";
import { rpcError } from "../../../../worlds/chain/fake_chain.ts";
import { freshDatabase, startFleetServer } from "../../../../worlds/fleet_database.ts";
import { KhachapuriError } from "../../../errors.ts";
import { toPlain } from "../../../plain.ts";
import { toPlainError } from "../../../plain_error.ts";
import type { Database } from "../../fleet/database.ts";
import type { OperatorQuestions } from "../operator_questions.ts";
import { FleetOperator } from "./wishes.ts";

const SERVER = await startFleetServer();
const ignore = SERVER === null;
const TO = `0x${"Aa".repeat(20)}` as const;
const RELAY = { rank: "relay", costMax: null } as const;
const SENDING = { rank: "relay", costMax: 7n } as const;
const RECEIPT = { status: "success", blockNumber: 9n } as unknown as TransactionReceipt;

/** A node's operator, whose line to the database may be cut. */
function openOperator(database: Database) {
  const line = { isCut: false, isDeaf: false, laps: 0 };
  const ask: Database["ask"] = async (...asked) => {
    const gone = new KhachapuriError("database_unavailable", "away");
    if (asked[0].includes("SELECT id, result")) line.laps += 1;
    if (line.isCut) throw gone;
    const rows = await database.ask(...asked);
    if (line.isDeaf) throw gone;
    return rows as never;
  };
  const operator = new FleetOperator({
    database: { ...database, ask },
    questions: {} as OperatorQuestions,
    pollMs: 1,
  });
  return { line, operator };
}

interface Stored {
  id: string;
  kind: string;
  recipient: string;
  data: string;
  sending: unknown;
}

async function wishesIn(database: Database, count: number): Promise<Stored[]> {
  for (;;) {
    const rows = await database.ask<Stored>(
      "SELECT id, kind, recipient, data, sending FROM wishes ORDER BY data",
    );
    if (rows.length >= count) return rows;
  }
}

async function tell(database: Database, id: string, result: unknown): Promise<void> {
  await database.ask(
    "UPDATE wishes SET result = $2::text::jsonb, done = now() WHERE id = $1",
    [id, JSON.stringify(result)],
  );
}

Deno.test({
  name: "what is to be sent is wished for, and what became of it is told as if it was sent here",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const { operator, line } = openOperator(world.database);
    const sent = operator.send({ to: TO, data: "0x01" }, SENDING);
    const refused = operator.send({ to: TO, data: "0x02" }, SENDING);
    const [first, second] = await wishesIn(world.database, 2);
    assert.deepEqual(first, {
      ...{ id: first!.id, kind: "send", recipient: TO.toLowerCase(), data: "0x01" },
      sending: toPlain(SENDING),
    });
    await tell(world.database, first!.id, { receipt: toPlain(RECEIPT) });
    assert.deepEqual(await sent, RECEIPT);
    const no = new KhachapuriError("chain_refused", "NothingThawing", {
      ...{ hints: ["look"], data: { reason: "NothingThawing", at: 5n }, retryAfterSeconds: 3 },
    });
    await tell(world.database, second!.id, { error: toPlainError(no) });
    await assert.rejects(refused, (error: KhachapuriError) => {
      const { code, shortMessage, hints, data, retryAfterSeconds } = error;
      const { code: c, shortMessage: m, hints: h, data: d, retryAfterSeconds: s } = no;
      assert.deepEqual([code, shortMessage, hints, data, retryAfterSeconds], [c, m, h, d, s]);
      return true;
    });
    await operator.close();
    assert.ok(line.laps > 0);
  },
});

Deno.test({
  name: "while the database is away nothing is told, and nothing wished for twice",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const { operator, line } = openOperator(world.database);
    line.isDeaf = true;
    const sent = operator.send({ to: TO, data: "0x01" }, SENDING);
    const [wish] = await wishesIn(world.database, 1);
    line.isCut = true;
    await tell(world.database, wish!.id, { receipt: toPlain(RECEIPT) });
    Object.assign(line, { isCut: false, isDeaf: false });
    assert.deepEqual(await sent, RECEIPT);
    assert.equal((await wishesIn(world.database, 1)).length, 1);
    await operator.close();
  },
});

Deno.test({
  name: "of a wish that stands there no more, and at the end, nobody knows what becomes of it",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const { operator } = openOperator(world.database);
    const isUnknown = { code: "chain_unavailable", message: "nobody knows what became of it" };
    const gone = operator.send({ to: TO, data: "0x01" }, SENDING);
    await wishesIn(world.database, 1);
    await world.database.ask("DELETE FROM wishes");
    await assert.rejects(gone, isUnknown);
    const left = operator.send({ to: TO, data: "0x02" }, SENDING);
    await wishesIn(world.database, 1);
    const [told] = await Promise.allSettled([left, operator.close()]);
    assert.equal(told.status, "rejected");
    await assert.rejects(operator.send({ to: TO, data: "0x03" }, SENDING), isUnknown);
  },
});

Deno.test({
  name: "a node sends by the one that leads, which tells it a refusal in the escrow's words",
  ignore,
  async fn() {
    await using chain = await openFleetChain(SERVER!);
    const [leader, node] = [await chain.node("a"), await chain.node("b")];
    await leader.lead();
    const receipt = await node.sender.send(await chain.call(1), RELAY);
    assert.equal(receipt.status, "success");
    assert.deepEqual(receipt.logs, leader.mined[0]!.logs);
    const own = await leader.sender.send(await chain.call(2), RELAY);
    assert.equal(own.status, "success");
    leader.endpoint.intercept = ({ method }) => {
      if (method === "eth_estimateGas") throw rpcError("the node has no time");
      return Promise.resolve(undefined);
    };
    await assert.rejects(node.sender.send(await chain.call(3), RELAY), {
      message: "the provider cannot settle right now",
    });
    leader.endpoint.intercept = null;
    chain.fake.revoke(chain.payer, 50n);
    chain.fake.reclaim(chain.payer);
    await assert.rejects(node.sender.send(await chain.call(4), RELAY), {
      code: "chain_refused",
      message: /^InsufficientCredits: the allowance has no credits left/,
    });
    assert.equal(chain.times(3), 0n);
  },
});
