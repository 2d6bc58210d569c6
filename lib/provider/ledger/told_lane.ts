/** What every ledger tells of lanes alike, whatever keeps them. */
import { laneOf } from "./book.ts";
import { availableTo, type Draw, type PayerView, type Position } from "./judge.ts";
import type { Lane } from "./lane.ts";
import type { LaneState, Standing } from "./ledger.ts";

/** A copy for who may keep it. */
export function stateOf(lane: Lane): LaneState {
  const { listed: _, ages: __, opened: ___, reserved: ____, ...told } = lane;
  return { ...told, segments: lane.segments.map((segment) => ({ ...segment })) };
}

/** What the payer will have left once this credit is charged. */
export function standingOf(draw: Draw, view: PayerView, position: Position): Standing {
  const available = availableTo(draw, view, position);
  return {
    charged: (laneOf(position.book, draw.payer, draw.lane)?.charged ?? 0n) + 1n,
    available: available > 0n ? available : 0n,
  };
}
