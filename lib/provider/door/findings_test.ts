import assert from "node:assert/strict";
import { KhachapuriError } from "../../errors.ts";
import { type Finding, Findings } from "./findings.ts";

Deno.test("a part that was looked at is good, or doubtful when there is something to do", async () => {
  const findings = new Findings();
  const seen = await findings.look("keys", () => Promise.resolve({ detail: "all there", file: 1 }));
  assert.deepEqual(seen, { detail: "all there", file: 1 });
  const hints = ["send some coin"];
  const doubtful = { detail: "little is left", hints };
  assert.equal(await findings.look("operator", () => Promise.resolve(doubtful)), doubtful);
  assert.deepEqual(findings.all, [
    { part: "keys", state: "good", detail: "all there", hints: [] },
    { part: "operator", state: "doubtful", detail: "little is left", hints },
  ]);
});

Deno.test("advice is told, and makes nothing doubtful", async () => {
  const findings = new Findings();
  const [hints, advice] = [["send some coin"], ["name a cap"]];
  await findings.look("operator", () => Promise.resolve({ detail: "may settle", advice }));
  await findings.look("operator", () => Promise.resolve({ detail: "may settle", hints, advice }));
  assert.deepEqual(findings.all.map(({ state, hints }) => [state, hints]), [
    ["good", advice],
    ["doubtful", [...hints, ...advice]],
  ]);
});

Deno.test("a part that fails is bad and says what to do, and the next is looked at", async () => {
  const findings = new Findings();
  const error = new KhachapuriError("not_found", "no key file", { hints: ["make one"] });
  assert.equal(await findings.look("keys", () => Promise.reject(error)), null);
  const unforeseen = () => {
    throw new TypeError("not foreseen");
  };
  assert.equal(await findings.look("chain", unforeseen), null);
  await findings.look("terms", () => Promise.resolve({ detail: "fine" }));
  assert.deepEqual(findings.all.map(({ part, state }) => [part, state]), [
    ["keys", "bad"],
    ["chain", "bad"],
    ["terms", "good"],
  ]);
  const [keys, chain] = findings.all;
  assert.deepEqual([keys!.detail, keys!.hints, keys!.error], ["no key file", ["make one"], error]);
  assert.equal(chain!.error!.code, "internal");
  assert.match(chain!.detail, /not foreseen/);
});

Deno.test("a look that takes too long is bad, and what comes of it later is nobody's", async () => {
  const findings = new Findings([], 5);
  const hanging = Promise.withResolvers<{ detail: string }>();
  assert.equal(await findings.look("rpc", () => hanging.promise), null);
  const [{ state, error }] = findings.all as [Finding];
  assert.deepEqual([state, error!.code], ["bad", "provider_unavailable"]);
  hanging.reject(new Error("too late"));
  await hanging.promise.catch(() => {});
  assert.equal(findings.all.length, 1);
});
