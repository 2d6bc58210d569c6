import assert from "node:assert/strict";
import { KhachapuriError } from "../errors.ts";
import { tellWhose } from "./deploy_targets.ts";

const NAMES = ["paolo.eth", "nino.eth", "lali.eth"];

function told(error: KhachapuriError, all: readonly string[]): KhachapuriError {
  try {
    return tellWhose("nino.eth", all)(error);
  } catch (thrown) {
    return thrown as KhachapuriError;
  }
}

Deno.test("of several providers the one that is down is named, and that the others do without it", () => {
  const down = new KhachapuriError("provider_unavailable", "http://n.example/ can't be reached", {
    hints: ["try again, or ask the provider"],
  });
  const { code, shortMessage, hints } = told(down, NAMES);
  assert.equal(code, "provider_unavailable");
  assert.equal(shortMessage, "nino.eth: http://n.example/ can't be reached");
  assert.deepEqual(hints, [
    "try again, or ask the provider",
    "or deploy without it: leave --provider nino.eth out, and keep --provider paolo.eth " +
    "--provider lali.eth",
  ]);
  assert.deepEqual(told(down, ["nino.eth"]).hints, ["try again, or ask the provider"]);
});

Deno.test("what a provider refuses is its own word", () => {
  const refused = new KhachapuriError("invalid_input", "nino.eth allows 15 s");
  assert.equal(told(refused, NAMES), refused);
});
