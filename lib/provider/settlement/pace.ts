/** How fast what is used gets settled, as far as that bears on what may be promised. */

export interface SettlingPace {
  /** How long a permit must still be good, so that a credit of it is settled in time, seconds. */
  readonly windowSeconds: bigint;
  /** How long a row may wait until it is mined, seconds. */
  readonly mostSeconds: number;
  /** How long a further row beside those that wait would, seconds. */
  readonly rowSeconds: number;
  /** What a row costs as gas was priced last, USDC base units. */
  readonly rowWorth: bigint;
}

/** Lanes due of a payer that may be promised more while there is any room. */
const FEW_LANES = 16;

/**
 * Seconds after which to come again, while the chain could not take a further lane's row in time
 * beside those that wait; null while it could. Who has few lanes due finds room for longer.
 * @param lanes how many the payer has due
 */
export function backlogOf(
  { mostSeconds, rowSeconds }: Pick<SettlingPace, "mostSeconds" | "rowSeconds">,
  lanes: number,
): number | null {
  if (rowSeconds <= (lanes < FEW_LANES ? mostSeconds : mostSeconds / 2)) return null;
  return Math.max(1, Math.ceil(rowSeconds / 2));
}
