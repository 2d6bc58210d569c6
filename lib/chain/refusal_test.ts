import assert from "node:assert/strict";
import {
  ContractFunctionRevertedError,
  encodeErrorResult,
  HttpRequestError,
  InsufficientFundsError,
  parseAbi,
} from "viem";
import { asChainError, readFailure } from "./refusal.ts";

const ENDPOINT = "https://rpc.example";
const abi = parseAbi(["error Short(uint256 available, uint256 required)", "error Bare()"]);

function reverted(errorName: "Short" | "Bare") {
  const data = errorName === "Short"
    ? encodeErrorResult({ abi, errorName, args: [1n, 2n] })
    : encodeErrorResult({ abi, errorName });
  return new ContractFunctionRevertedError({ abi, data, functionName: "f" });
}

Deno.test("a custom error is told in its sentence, else with its arguments by name", () => {
  const told = asChainError(reverted("Short"), ENDPOINT, { Short: ([a, b]) => `${a} of ${b}` });
  assert.deepEqual([told.code, told.message], ["chain_refused", "Short: 1 of 2"]);
  assert.equal(told.data["reason"], "Short");
  const plain = asChainError(reverted("Short"), ENDPOINT);
  assert.equal(plain.message, "Short: available 1, required 2");
  assert.equal(asChainError(reverted("Bare"), ENDPOINT).message, "Bare");
});

Deno.test("an unreachable chain is named by its origin, its URL and key stay out", () => {
  const url = `${ENDPOINT}/v2/secret-key?token=secret`;
  const details = `error sending request for url (${url}): refused`;
  const error = asChainError(new HttpRequestError({ url, details }), ENDPOINT);
  assert.equal(error.code, "chain_unavailable");
  assert.match(error.message, /^the chain at https:\/\/rpc.example did not answer: /);
  assert.ok(!Deno.inspect(error).includes("secret"));
});

Deno.test("what is no failure of the chain is not swallowed", () => {
  const bug = new TypeError("bug");
  assert.throws(() => asChainError(bug, ENDPOINT), bug);
});

Deno.test("a failure can be told apart without reading its words", () => {
  const revert = readFailure(reverted("Bare"), ENDPOINT);
  assert.deepEqual(revert, { kind: "reverted", name: "Bare", message: "Bare" });
  const poor = readFailure(new InsufficientFundsError(), ENDPOINT);
  assert.deepEqual(poor, { kind: "no gas coin", account: null });
  const silent = new HttpRequestError({ url: `${ENDPOINT}/key`, details: "refused" });
  assert.equal(readFailure(silent, ENDPOINT).kind, "unavailable");
});
