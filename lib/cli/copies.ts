/** Publishing as a command shows it: its progress, and what became of each destination. */
import type { Destination } from "../client/publishing/destination.ts";
import { meter } from "../client/publishing/meter.ts";
import { type Copy, publishAll } from "../client/publishing/publish_all.ts";
import type { KhachapuriError } from "../errors.ts";
import type { Dag } from "../ipfs/dag.ts";
import type { Output } from "./output.ts";

/**
 * Publishes the DAGs to each destination, and says of each that failed why, and how to try again.
 * @param cid what `khachapuri publish` is to be given then
 */
export async function publishShown(
  out: Output,
  cid: string,
  destinations: readonly Destination[],
  dags: readonly Dag[],
): Promise<Copy[]> {
  const onSent = meter((line) => out.progress(line), () => performance.now());
  const copies = await publishAll(destinations, dags, { onSent });
  const isOne = copies.length === 1;
  for (const { to, error } of copies) {
    if (error === null) out.note(`published   ${to.name}`);
    else if (!isOne) {
      out.note(`not published to ${to.name}: ${error.shortMessage} (${error.code})`);
      for (const hint of error.hints) out.note(`  ${hint}`);
      out.note(`  to try again: ${retryLine(cid, to)}`);
    }
  }
  return copies;
}

export function retryLine(cid: string, { flags }: Destination): string {
  return `khachapuri publish ${cid} ${flags}`;
}

export function copiesJson(copies: readonly Copy[]): object[] {
  return copies.map(({ to, error }) => ({
    to: to.name,
    ok: error === null,
    error: error && error.toJSON(),
  }));
}

/** What the command ends with when copies failed: the first failure, with how to try it again. */
export function copyFailure(
  cid: string,
  copies: readonly Copy[],
): KhachapuriError | null {
  const failed = copies.find(({ error }) => error !== null);
  if (!failed?.error) return null;
  const { to, error } = failed;
  return error.toldWith({
    message: `not published to ${to.name}: ${error.shortMessage}`,
    hints: [...error.hints, `to try again: ${retryLine(cid, to)}`],
  });
}
