/** A file into a store, whole or not at all. */
import type { LedgerTarget } from "./ends.ts";
import { linesOf, readWhole } from "./file.ts";
import type { Whose } from "./format.ts";
import { difference, Totals, type TotalsJson } from "./totals.ts";

/**
 * Brings the ledger of a file to where there is none, reads it back and compares: not a line is
 * missing, changed or more. Nobody can serve by it before that. After a crash it is begun anew.
 * @throws KhachapuriError as `readWhole` and `LedgerTarget.begin`; Error where what was read back
 *   is not what came
 */
export async function importLedger(
  path: string,
  target: LedgerTarget,
  whose: Whose,
): Promise<TotalsJson> {
  const { header } = await readWhole(path, whose);
  await target.begin();
  const came = new Totals();
  for await (const line of linesOf(path)) {
    const adapted = target.adapted(line);
    came.take(adapted);
    await target.put(adapted);
  }
  await target.flush();
  const source = target.source();
  const there = new Totals();
  try {
    for await (const line of source.lines()) there.take(line);
  } finally {
    await source.close();
  }
  const wrong = difference(came.json(), there.json());
  if (wrong !== null) throw new Error(`what was imported is not what is there: ${wrong}`);
  await target.commit(header);
  return there.json();
}
