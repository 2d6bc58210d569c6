/**
 * What this home knows of its lanes, `<home>/permits.json`: the highest count that a provider
 * reported and that we had signed for. It saves a question, it is no secret, and losing it costs
 * nothing: the chain and the provider know the rest.
 */
import { join } from "node:path";
import * as v from "valibot";
import type { Address, Hex } from "viem";
import { type HomeFile, openHomeFile } from "../home_file.ts";
import type { EscrowDomain } from "../permit.ts";
import { addressShape, hexShape, parseShape, uintShape } from "../shape.ts";

/** One lane of one payer at one provider. */
export interface LaneKey extends EscrowDomain {
  payer: Address;
  provider: Address;
  lane: Hex;
}

/** Lanes kept; the ones used longest ago go first. */
const LANES_MAX = 1_000;

const laneShape = v.strictObject({
  chainId: v.number(),
  escrow: addressShape,
  payer: addressShape,
  provider: addressShape,
  lane: hexShape(32),
  cumulative: uintShape(128),
});

const bookShape = v.strictObject({ version: v.literal(1), lanes: v.array(laneShape) });

type Row = v.InferOutput<typeof laneShape>;

/**
 * The count that is known of a lane; 0 when nothing is.
 * @throws KhachapuriError `invalid_config` when the file is damaged
 */
export async function knownCount(home: string, key: LaneKey): Promise<bigint> {
  return countOf(await permitBook(home).read(), key);
}

/** Remembers a count; one that is lower than what is known changes nothing. */
export async function noteCount(home: string, key: LaneKey, cumulative: bigint): Promise<void> {
  await permitBook(home).change((rows) => {
    if (countOf(rows, key) >= cumulative) return rows;
    const others = rows.filter((row) => !isSame(row, key)).slice(1 - LANES_MAX);
    const { chainId, escrow, payer, provider, lane } = key;
    return [...others, { chainId, escrow, payer, provider, lane, cumulative }];
  });
}

function permitBook(home: string): HomeFile<readonly Row[]> {
  return openHomeFile<readonly Row[]>(join(home, "permits.json"), {
    empty: [],
    parse: (json, path) => parseShape(bookShape, json, path, "invalid_config").lanes,
    toJson: (rows) => ({
      version: 1,
      lanes: rows.map((row) => ({ ...row, cumulative: String(row.cumulative) })),
    }),
  });
}

function countOf(rows: readonly Row[], key: LaneKey): bigint {
  return rows.find((row) => isSame(row, key))?.cumulative ?? 0n;
}

function isSame(row: Row, key: LaneKey): boolean {
  return row.chainId === key.chainId && row.escrow === key.escrow && row.payer === key.payer &&
    row.provider === key.provider && row.lane === key.lane;
}
