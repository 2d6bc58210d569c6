import assert from "node:assert/strict";
import type { TransactionReceipt } from "viem";
import { escrowCall } from "../../chain/escrow_call.ts";
import { fromPlain, toPlain } from "../../plain.ts";
import type { Operator, OperatorCall, Sending } from "./operator.ts";
import { bytesOf } from "./operator_call.ts";
import { OperatorSeat } from "./operator_seat.ts";

const CALL = escrowCall(`0x${"ee".repeat(20)}`, "reclaim", [`0x${"aa".repeat(20)}`]);
const SENDING = { rank: "relay", costMax: 7n } as const;

function sender() {
  const sent: [OperatorCall, Sending][] = [];
  return {
    sent,
    send(call: OperatorCall, sending: Sending) {
      sent.push([call, sending]);
      return Promise.resolve({ status: "success" } as TransactionReceipt);
    },
  };
}

Deno.test("what is sent before it moves is sent here, and afterwards there", async () => {
  const [here, there] = [sender(), sender()];
  const seat = new OperatorSeat(here as unknown as Operator);
  await seat.send(CALL, SENDING);
  seat.move(Promise.resolve(there));
  await seat.send(CALL, SENDING);
  assert.deepEqual([here.sent.length, there.sent.length], [1, 1]);
});

Deno.test("a call that refusals are worded for can be passed to another process", async () => {
  const there = sender();
  const seat = new OperatorSeat(sender() as unknown as Operator);
  seat.move(Promise.resolve({
    send: (...said) => there.send(...fromPlain(toPlain(said)) as typeof said),
  }));
  await seat.send(CALL, SENDING);
  const [[call, sending]] = there.sent as [[OperatorCall, Sending]];
  assert.deepEqual(bytesOf(call), bytesOf(CALL));
  assert.deepEqual(sending, SENDING);
});
