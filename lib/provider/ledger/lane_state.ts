/** A lane as text, with all that is held on it, and back. */
import type { CidText } from "../../cid.ts";
import { type Permit, permitFromJson, permitToJson } from "../../permit.ts";
import type { Reservation } from "./book.ts";
import type { LaneId } from "./entries.ts";
import type { Lane } from "./lane.ts";
import type { KeptPermit } from "./lane_permits.ts";

/** A lane as it was kept. */
export interface KeptLane {
  readonly lane: Lane;
  readonly held: readonly (readonly [number, Reservation])[];
}

/** The permits of a lane as JSON has them: all of them once, the others by their place in it. */
export interface PermitsState {
  permits: ReturnType<typeof permitToJson>[];
  kept: (readonly [permit: number, signer: KeptPermit["signer"]])[];
  best: number | null;
  next: number[];
}

/** As JSON has it; numbers of 64 bits and more are text. */
export interface State extends PermitsState {
  charged: string;
  settled: string;
  settledBlock: string;
  opened: string;
  openedAt: number;
  refused: string | null;
  segments: (readonly [upTo: string, price: string])[];
  ages: (readonly [beyond: string, at: number])[];
  held: (readonly [number: number, cid: CidText, price: string])[];
}

/** What `permitsFrom` reads back. */
export function permitsState(lane: Pick<Lane, "permits" | "usedUp">): PermitsState {
  const permits: Permit[] = [];
  const placeOf = (permit: Permit): number => {
    const at = permits.indexOf(permit);
    return at < 0 ? permits.push(permit) - 1 : at;
  };
  const { best, next } = lane.usedUp;
  return {
    kept: lane.permits.map(({ permit, signer }) => [placeOf(permit), signer]),
    best: best && placeOf(best),
    next: next.map(placeOf),
    permits: permits.map(permitToJson),
  };
}

export function permitsFrom(state: PermitsState): Pick<Lane, "permits" | "usedUp"> {
  const permits = state.permits.map(permitFromJson);
  return {
    permits: state.kept.map(([at, signer]) => ({ permit: permits[at]!, signer })),
    usedUp: {
      best: state.best === null ? null : permits[state.best]!,
      next: state.next.map((at) => permits[at]!),
    },
  };
}

/** @param reservations in which what is held on the lane is */
export function stateText(
  lane: Lane,
  reservations: ReadonlyMap<number, Reservation>,
): string {
  return JSON.stringify(stateOfLane(lane, reservations));
}

/** The same before it is text. */
export function stateOfLane(
  lane: Lane,
  reservations: ReadonlyMap<number, Reservation>,
): State {
  return {
    charged: String(lane.charged),
    settled: String(lane.settled),
    settledBlock: String(lane.settledBlock),
    opened: String(lane.opened),
    openedAt: lane.openedAt,
    refused: lane.refused,
    segments: lane.segments.map(({ upTo, price }) => [String(upTo), String(price)]),
    ages: lane.ages.map(({ beyond, at }) => [String(beyond), at]),
    held: lane.reserved.map((number) => {
      const { cid, price } = reservations.get(number)!;
      return [number, cid, String(price)];
    }),
    ...permitsState(lane),
  };
}

/** @throws Error when the text is none of ours */
export function laneFrom(id: LaneId, text: string): KeptLane {
  return laneOfState(id, JSON.parse(text));
}

export function laneOfState({ payer, lane }: LaneId, state: State): KeptLane {
  return {
    lane: {
      payer,
      lane,
      charged: BigInt(state.charged),
      held: BigInt(state.held.length),
      settled: BigInt(state.settled),
      settledBlock: BigInt(state.settledBlock),
      ...permitsFrom(state),
      segments: state.segments.map(([upTo, price]) => ({
        upTo: BigInt(upTo),
        price: BigInt(price),
      })),
      ages: state.ages.map(([beyond, at]) => ({ beyond: BigInt(beyond), at })),
      openedAt: state.openedAt,
      refused: state.refused,
      opened: BigInt(state.opened),
      reserved: state.held.map(([number]) => number),
      listed: 0,
    },
    held: state.held.map(([number, cid, price]) => [
      number,
      { payer, lane, cid, price: BigInt(price) },
    ]),
  };
}
