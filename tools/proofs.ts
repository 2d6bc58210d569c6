/**
 * `deno task contracts prove`: solc's SMTChecker, with the Z3 that npm's solc carries, on the
 * harness in `contracts/test/proofs`. Its effort is bounded by steps and not by time, so that the
 * answer is the same on every machine.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { complain, print } from "./print.ts";
import { compiler } from "./solc.ts";

const ROOT = join(import.meta.dirname!, "..");
const HARNESS = "contracts/test/proofs/AccountingProof.sol";
const CONTRACT = "AccountingProof";

interface CompilerMessage {
  severity: "info" | "warning" | "error";
  message: string;
  formattedMessage: string;
}

/** What the checker says of `source`, a harness as `contracts/test/proofs` has it. */
export function messagesOn(source: string): CompilerMessage[] {
  const input = {
    language: "Solidity",
    sources: { [HARNESS]: { content: source } },
    settings: {
      modelChecker: {
        contracts: { [HARNESS]: [CONTRACT] },
        engine: "bmc",
        showProvedSafe: true,
        showUnproved: true,
        showUnsupported: true,
        solvers: ["z3"],
        targets: ["assert", "overflow", "underflow", "divByZero"],
      },
    },
  };
  const importSource = (path: string) => ({ contents: readFileSync(join(ROOT, path), "utf8") });
  return JSON.parse(compiler.compile(JSON.stringify(input), { import: importSource })).errors ?? [];
}

const PROVED = /^BMC: Assertion violation check is safe!/;

/** Whether every assertion of the harness holds, and nothing in it overflows. */
export function prove(): boolean {
  const source = readFileSync(join(ROOT, HARNESS), "utf8");
  const messages = messagesOn(source);
  for (const { severity, formattedMessage } of messages) {
    if (severity !== "info") complain(formattedMessage);
  }
  const asserted = source.match(/\bassert\(/g)?.length ?? 0;
  const proved = messages.filter(({ message }) => PROVED.test(message)).length;
  print(`${proved} of ${asserted} assertions about the escrow's arithmetic proved`);
  return proved === asserted && messages.every(({ severity }) => severity === "info");
}
