/**
 * What this home has signed and been told, `<home>/permits.json`: how far each lane is charged, by
 * what its provider reported and we had signed for; how far permits were signed; what a provider's
 * word was believed for; deposits that may still be relayed. A lost file costs a question: chain
 * and provider know how far a lane is.
 */
import { join } from "node:path";
import * as v from "valibot";
import type { Address, Hex } from "viem";
import { type HomeFile, openHomeFile } from "../home_file.ts";
import { CORRECTION_AMOUNT_MAX, LANES_REMEMBERED_MAX } from "../limits.ts";
import {
  type DepositAuthorization,
  depositShape,
  depositToJson,
} from "../deposit_authorization.ts";
import type { EscrowDomain } from "../permit.ts";
import { addressShape, hexShape, parseShape, uintShape } from "../shape.ts";

/** A payer and a provider, in one escrow. */
export interface PartiesKey extends EscrowDomain {
  payer: Address;
  provider: Address;
}

/** One lane of one payer at one provider. */
export interface LaneKey extends PartiesKey {
  lane: Hex;
}

/** What outlives a call. */
export interface PermitBook {
  /** How far a lane is known to be charged; 0 when nothing is known of it. */
  charged(key: LaneKey): Promise<bigint>;
  /** Remembers how far a lane is charged; less than what is known changes nothing. */
  noteCharged(key: LaneKey, charged: bigint): Promise<void>;
  /**
   * Remembers that a permit over `credits` of the lane is about to be sent.
   * @returns over how many, at most, one was before; 0 when none was
   */
  noteSigned(key: LaneKey, credits: bigint): Promise<bigint>;
  /**
   * Draws up until when the lane's next permit is good, Unix seconds: `least` or more, never before
   * the one before it, as a provider must keep a permit that lasts longer than the next, and where
   * `most` allows later than that, so that no two permits are the same.
   */
  nextDeadline(key: LaneKey, least: bigint, most: bigint): Promise<bigint>;
  /**
   * Remembers that a provider was believed without proof for `amount`, USDC base units.
   * @param day of UTC, counted from 1970
   * @returns false, and nothing is remembered, when that is too much for the day
   */
  noteBelieved(key: PartiesKey, amount: bigint, day: number): Promise<boolean>;
  /** The last deposit that was signed for the provider. */
  deposit(key: PartiesKey): Promise<DepositAuthorization | null>;
  /**
   * Keeps a deposit that is about to be sent, in place of `before`, and of nothing else.
   * @returns the one that is kept: another's, if another process was faster
   */
  keepDeposit(
    key: PartiesKey,
    deposit: DepositAuthorization,
    before: DepositAuthorization | null,
  ): Promise<DepositAuthorization>;
}

const parties = {
  chainId: v.number(),
  escrow: addressShape,
  payer: addressShape,
  provider: addressShape,
};

const laneShape = v.strictObject({
  ...parties,
  lane: hexShape(32),
  /** The file's name for `charged`. */
  cumulative: uintShape(128),
  /** Absent while no permit goes beyond what is charged. */
  signed: v.exactOptional(uintShape(128)),
  /** Of the last permit, Unix seconds; absent before the first, and in earlier files. */
  deadline: v.exactOptional(uintShape(64)),
});

const believedShape = v.strictObject({ ...parties, day: v.number(), amount: uintShape(128) });

const keptDepositShape = v.strictObject({ ...parties, deposit: depositShape });

const fileShape = v.strictObject({
  version: v.literal(1),
  lanes: v.array(laneShape),
  /** Absent in files of earlier releases, and while there is nothing to say. */
  believed: v.exactOptional(v.array(believedShape)),
  deposits: v.exactOptional(v.array(keptDepositShape)),
});

interface KnownLane extends LaneKey {
  charged: bigint;
  signed: bigint;
  /** Unix seconds; 0 before the first permit. */
  deadline: bigint;
}

interface Believed extends PartiesKey {
  day: number;
  amount: bigint;
}

interface KeptDeposit extends PartiesKey {
  deposit: DepositAuthorization;
}

interface Content {
  readonly lanes: readonly KnownLane[];
  readonly believed: readonly Believed[];
  readonly deposits: readonly KeptDeposit[];
}

/**
 * The book of a home; nothing is read or made yet. Every question and note throws KhachapuriError
 * `invalid_config` when the file is damaged.
 */
export function openPermitBook(home: string): PermitBook {
  const file = bookFile(home);
  return {
    charged: async (key) => laneIn(await file.read(), key).charged,
    noteCharged: (key, charged) =>
      file.change((content) => {
        const known = laneIn(content, key);
        return known.charged >= charged ? content : withLane(content, { ...known, charged });
      }),
    async noteSigned(key, signed) {
      let before = 0n;
      await file.change((content) => {
        const known = laneIn(content, key);
        before = known.signed;
        return before >= signed ? content : withLane(content, { ...known, signed });
      });
      return before;
    },
    async nextDeadline(key, least, most) {
      let deadline = least;
      await file.change((content) => {
        const known = laneIn(content, key);
        if (known.deadline >= least) {
          deadline = known.deadline < most ? known.deadline + 1n : known.deadline;
        }
        return withLane(content, { ...known, deadline });
      });
      return deadline;
    },
    async noteBelieved(key, amount, day) {
      let isTooMuch = false;
      await file.change((content) => {
        const of = content.believed.find((each) => isAmong(each, key) && each.day === day);
        const total = (of?.amount ?? 0n) + amount;
        isTooMuch = total > CORRECTION_AMOUNT_MAX;
        return isTooMuch
          ? content
          : withBelieved(content, { ...partiesOf(key), day, amount: total });
      });
      return !isTooMuch;
    },
    deposit: async (key) => depositIn(await file.read(), key),
    async keepDeposit(key, deposit, before) {
      let kept = deposit;
      await file.change((content) => {
        const found = depositIn(content, key);
        if (found === null || found.signature === before?.signature) {
          return withDeposit(content, { ...partiesOf(key), deposit });
        }
        kept = found;
        return content;
      });
      return kept;
    },
  };
}

function bookFile(home: string): HomeFile<Content> {
  return openHomeFile<Content>(join(home, "permits.json"), {
    empty: { lanes: [], believed: [], deposits: [] },
    parse(json, path) {
      const { lanes, believed = [], deposits = [] } = parseShape(
        fileShape,
        json,
        path,
        "invalid_config",
      );
      const known = lanes.map((
        { cumulative: charged, signed = charged, deadline = 0n, ...key },
      ) => ({ ...key, charged, signed, deadline }));
      return { lanes: known, believed, deposits };
    },
    toJson: ({ lanes, believed, deposits }) => ({
      version: 1,
      lanes: lanes.map(laneToJson),
      ...(believed.length > 0 ? { believed: believed.map(believedToJson) } : {}),
      ...(deposits.length > 0 ? { deposits: deposits.map(keptToJson) } : {}),
    }),
  });
}

function laneToJson(
  { charged, signed, deadline, ...key }: KnownLane,
): v.InferInput<typeof laneShape> {
  return {
    ...key,
    cumulative: String(charged),
    ...(signed > charged ? { signed: String(signed) } : {}),
    ...(deadline > 0n ? { deadline: String(deadline) } : {}),
  };
}

function believedToJson(believed: Believed): v.InferInput<typeof believedShape> {
  return { ...believed, amount: String(believed.amount) };
}

function keptToJson(kept: KeptDeposit): v.InferInput<typeof keptDepositShape> {
  return { ...kept, deposit: depositToJson(kept.deposit) };
}

function laneIn({ lanes }: Content, key: LaneKey): KnownLane {
  const known = lanes.find((each) => isAmong(each, key) && each.lane === key.lane);
  return known ?? { ...partiesOf(key), lane: key.lane, charged: 0n, signed: 0n, deadline: 0n };
}

function withLane(content: Content, changed: KnownLane): Content {
  const others = content.lanes.filter((each) =>
    !isAmong(each, changed) || each.lane !== changed.lane
  );
  const signed = changed.signed > changed.charged ? changed.signed : changed.charged;
  return { ...content, lanes: [...others.slice(1 - LANES_REMEMBERED_MAX), { ...changed, signed }] };
}

/** Of other days nothing need be known. */
function withBelieved(content: Content, changed: Believed): Content {
  const others = content.believed.filter((each) =>
    each.day === changed.day && !isAmong(each, changed)
  );
  return { ...content, believed: [...others, changed] };
}

function depositIn({ deposits }: Content, key: PartiesKey): DepositAuthorization | null {
  return deposits.find((each) => isAmong(each, key))?.deposit ?? null;
}

function withDeposit(content: Content, kept: KeptDeposit): Content {
  const others = content.deposits.filter((each) => !isAmong(each, kept));
  return { ...content, deposits: [...others.slice(1 - LANES_REMEMBERED_MAX), kept] };
}

function partiesOf({ chainId, escrow, payer, provider }: PartiesKey): PartiesKey {
  return { chainId, escrow, payer, provider };
}

function isAmong(known: PartiesKey, key: PartiesKey): boolean {
  return known.chainId === key.chainId && known.escrow === key.escrow &&
    known.payer === key.payer && known.provider === key.provider;
}
