/**
 * Changes names of the register at the path that it is given, one after another until it is killed,
 * and says of each change that it was made once it was. Which deployment a change points to follows
 * from its label and sequence.
 */
import { DatabaseSync } from "node:sqlite";
import { getAddress } from "viem";
import { changedCid, LABELS } from "./changed_names.ts";
import { NameRegister } from "../../lib/provider/naming/register.ts";

const owner = getAddress(`0x${"01".repeat(20)}`);
const register = new NameRegister(new DatabaseSync(Deno.args[0]!), Date.now);
const encoder = new TextEncoder();

for (let turn = 0;; turn++) {
  const label = LABELS[turn % LABELS.length]!;
  const sequence = register.sequence(label) + 1;
  register.change({ label, owner, cid: changedCid(label, sequence), sequence: BigInt(sequence) });
  Deno.stdout.writeSync(encoder.encode(`${label} ${sequence}\n`));
}
