import assert from "node:assert/strict";
import { parseCid } from "./cid.ts";
import { cidSlip } from "./cid_slip.ts";

const CID = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
const ZERO = "QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH";

Deno.test("what is wrong with a mistyped CID is told in words", () => {
  const cases: [string, RegExp][] = [
    ["", /empty/],
    [` ${CID}`, /a space/],
    [`${CID}\n`, /a space/],
    [CID.toUpperCase(), /capital letters/],
    [CID.replace("kre", "kRe"), /capital letters/],
    [CID.slice(0, -1), /58 characters, and one that begins so has 59/],
    [CID.slice(0, 12), /12 characters/],
    [`${CID}x`, /60 characters/],
    [CID.replace("dwd", "d1d"), /has "1" in it/],
    [`${CID.slice(0, 9)}…`, /cut short/],
    [`${CID.slice(0, 9)}...`, /cut short/],
    [`<${CID}>`, /has "<" in it/],
    [`"${CID}"`, /has "\\"" in it/],
    [`https://p.example/${CID}`, /more than a CID/],
    [`${CID}/`, /more than a CID/],
    ["CID", /does not begin as one/],
    ["hello", /does not begin as one/],
    [ZERO.toLowerCase(), /does not begin with Qm/],
    [ZERO.slice(0, -2), /44 characters, .* has 46/],
    [ZERO.replace("bF", "b0"), /has "0" in it/],
  ];
  for (const [text, words] of cases) {
    assert.match(cidSlip(text) ?? "null", words, text);
    assert.throws(() => parseCid(text), (error: Error & { hints: string[] }) => {
      assert.match(error.message, /is no CID: it /);
      assert.match(error.hints.join(), /looks like bafkrei/);
      return true;
    });
  }
});

Deno.test("a CID has no slip in it", () => {
  for (const text of [CID, ZERO]) assert.equal(cidSlip(text), null);
});
