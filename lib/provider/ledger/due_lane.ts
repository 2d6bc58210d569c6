/** A lane that is to be settled, as settlement plans by it. */
import type { Permit } from "../../permit.ts";
import { type Lane, unsettledAmount } from "./journal.ts";
import type { DueLane } from "./ledger.ts";
import { rowsOf } from "./rows.ts";

/** What is due on a lane, since when, and until when it can be settled. */
export function dueLane(lane: Lane): DueLane {
  const { payer, lane: id, ages, permits, settled } = lane;
  const ends = permits.length === 1
    ? permits[0]!.permit
    : rowsOf(lane, null).map(({ charge }): Ends => charge.permit).reduce(soonest);
  const { deadline, epoch } = ends;
  const amount = unsettledAmount(lane);
  return { payer, lane: id, since: ages[0]!.at, deadline, epoch, settled, amount };
}

type Ends = Pick<Permit, "deadline" | "epoch">;

/** Whichever comes first ends a part: a later epoch's permit may have the sooner deadline. */
function soonest(one: Ends, other: Ends): Ends {
  return {
    deadline: one.deadline < other.deadline ? one.deadline : other.deadline,
    epoch: Math.min(one.epoch, other.epoch),
  };
}
