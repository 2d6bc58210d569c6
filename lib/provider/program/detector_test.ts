import assert from "node:assert/strict";
import { AT_A_PROVIDER, type Evidence, said } from "./detector.ts";

function evidence(stderr: string): Evidence {
  const record = { exit: 1, signal: null, limit: null, listeningPort: null, egress: null };
  return {
    record: { ...record, stderr: new TextEncoder().encode(stderr) },
    interface: "curl",
    mayCall: [],
    place: AT_A_PROVIDER,
    beginning: null,
    answerFault: null,
  };
}

Deno.test("what stderr names is quoted, by the first pattern of which something is to be said", () => {
  const { detect } = said("a kind", "in short", [/no (\w+)/, /lacks (\S+)/], (named) => {
    return named === "way" ? null : { full: `it has no ${named}`, hint: "bring it" };
  });
  assert.deepEqual(detect(evidence("there is no bread")), {
    short: "in short",
    full: "it has no bread",
    hint: "bring it",
  });
  assert.equal(detect(evidence("no way; it lacks a\x1bb"))!.full, "it has no a\\u001bb");
  assert.equal(detect(evidence("all is well")), null);
});
