import assert from "node:assert/strict";
import { permitOf } from "../../worlds/ledger.ts";
import { parseRenewalRequest, renewalRequestToJson } from "./renewal.ts";

const CID = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";

Deno.test("a renewal is read as it was written", () => {
  const permit = permitOf({ epoch: 3, price: 2_000n });
  const json = JSON.parse(JSON.stringify(renewalRequestToJson(CID, permit)));
  assert.deepEqual(parseRenewalRequest(json), { cid: CID, permit });
});

Deno.test("what is malformed is named, and no signature with it", () => {
  const json = renewalRequestToJson(CID, permitOf());
  const { signature } = json.permit;
  const bad: [unknown, string][] = [
    [{ ...json, cid: "bafynope" }, "invalid_cid"],
    [{ ...json, permit: { ...json.permit, epoch: "4294967296" } }, "invalid_input"],
    [{ ...json, permit: { ...json.permit, signature: `${signature}00` } }, "invalid_input"],
    [{ ...json, more: signature }, "invalid_input"],
    [null, "invalid_input"],
  ];
  for (const [body, code] of bad) {
    assert.throws(() => parseRenewalRequest(body), (error: { code: string; message: string }) => {
      assert.equal(error.code, code);
      assert.ok(!error.message.includes(signature.slice(2)));
      return true;
    });
  }
});
