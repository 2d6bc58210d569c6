/** How much a fleet relays, whichever of its nodes it is asked of. */
import type { Address } from "viem";
import { PAYER_RELAYS_PER_HOUR_MAX } from "../../../limits.ts";
import { giveTokensBack, type SharedBucket, takeTokens } from "../../fleet/buckets.ts";
import type { Database } from "../../fleet/database.ts";
import { type RelayTurns, tooManyOfAll, tooManyOfPayer, type TurnLimits } from "../relay_turns.ts";

export class SharedTurns implements RelayTurns {
  constructor(private readonly database: Database, private readonly limits: TurnLimits) {}

  /** @throws KhachapuriError `rate_limited`, `database_unavailable` */
  async take(payer: Address): Promise<() => void> {
    const { database, limits } = this;
    const buckets = [payersOf(limits, payer), allOf(limits)];
    const lacking = await takeTokens(database, buckets);
    if (lacking) {
      throw (lacking.index === 0 ? tooManyOfPayer : tooManyOfAll)(limits, lacking.waitSeconds);
    }
    // One that could not be given back comes back with time.
    return () => void giveTokensBack(database, buckets).catch(() => {});
  }
}

function payersOf({ what }: TurnLimits, payer: Address): SharedBucket {
  const size = PAYER_RELAYS_PER_HOUR_MAX;
  return { key: `${what} ${payer.toLowerCase()}`, size, perSecond: size / 3_600 };
}

function allOf({ what, perMinute }: TurnLimits): SharedBucket {
  return { key: what, size: perMinute, perSecond: perMinute / 60 };
}
