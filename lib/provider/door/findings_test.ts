import assert from "node:assert/strict";
import { KhachapuriError } from "../../errors.ts";
import { Findings } from "./findings.ts";

Deno.test("a look is good, doubtful when there is something to do, or bad with its reason", async () => {
  const findings = new Findings();
  const seen = await findings.look("keys", () => Promise.resolve({ detail: "one", more: 7 }));
  assert.equal(seen?.more, 7);
  await findings.look("sandbox", () => Promise.resolve({ detail: "works", hints: ["but"] }));
  const error = new KhachapuriError("invalid_config", "no chain", { hints: ["name one"] });
  assert.equal(await findings.look("chain", () => Promise.reject(error)), null);
  assert.equal(
    await findings.look("odd", () => {
      throw new TypeError("undefined is not");
    }),
    null,
  );
  assert.deepEqual(
    findings.all.map(({ part, state, detail, hints }) => [part, state, detail, hints]),
    [
      ["keys", "good", "one", []],
      ["sandbox", "doubtful", "works", ["but"]],
      ["chain", "bad", "no chain", ["name one"]],
      ["odd", "bad", "unexpected failure: undefined is not", []],
    ],
  );
  assert.equal(findings.all[2]?.error, error);
  assert.equal(findings.all[3]?.error?.code, "internal");
});
