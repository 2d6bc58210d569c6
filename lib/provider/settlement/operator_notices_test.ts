import assert from "node:assert/strict";
import { hearLog } from "../../../worlds/heard_log.ts";
import { KhachapuriError } from "../../errors.ts";
import type { Notice } from "../../chain/outbox/options.ts";
import { logNotice, wordGiveUp } from "./operator_notices.ts";

const failure = new KhachapuriError("chain_unavailable", "no answer");

Deno.test("who gave way may try again at once, who was given up looks at its key", () => {
  const about = { transaction: "0x01", failure: null } as const;
  const gaveWay = wordGiveUp({ ...about, reason: "gave way" });
  assert.equal(gaveWay.code, "chain_unavailable");
  assert.match(gaveWay.message, /gave way to a settlement/);
  assert.match(gaveWay.hints.join(), /try again/);
  const stolen = wordGiveUp({ ...about, reason: "used elsewhere" });
  assert.match(stolen.hints.join(), /one provider only/);
});

Deno.test("what needs a person is louder in the log than what passes", () => {
  const fees = { maxFeePerGas: 5n, maxPriorityFeePerGas: 1n };
  const notices: [Notice, string][] = [
    [{ kind: "raised", nonce: 7, fees }, "warn"],
    [{ kind: "gives way", nonce: 7 }, "info"],
    [{ kind: "filling", from: 7, below: 8 }, "warn"],
    [{ kind: "given up", nonce: 7, reason: "used elsewhere" }, "error"],
    [{ kind: "put off", failure }, "warn"],
  ];
  for (const [notice, level] of notices) {
    const heard = hearLog();
    logNotice(heard.log, notice);
    assert.equal(JSON.parse(heard.lines[0]!).level, level, notice.kind);
  }
});
