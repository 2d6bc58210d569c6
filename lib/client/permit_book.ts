/**
 * What this home knows of its lanes, `<home>/permits.json`: how far each is charged, by what its
 * provider reported and we had signed for. It saves asking the provider before each call. It is no
 * secret, and a lost file costs nothing: chain and provider know the same.
 */
import { join } from "node:path";
import * as v from "valibot";
import type { Address, Hex } from "viem";
import { type HomeFile, openHomeFile } from "../home_file.ts";
import { LANES_REMEMBERED_MAX } from "../limits.ts";
import type { EscrowDomain } from "../permit.ts";
import { addressShape, hexShape, parseShape, uintShape } from "../shape.ts";

/** One lane of one payer at one provider. */
export interface LaneKey extends EscrowDomain {
  payer: Address;
  provider: Address;
  lane: Hex;
}

const laneShape = v.strictObject({
  chainId: v.number(),
  escrow: addressShape,
  payer: addressShape,
  provider: addressShape,
  lane: hexShape(32),
  /** The file's name for `charged`. */
  cumulative: uintShape(128),
});

const fileShape = v.strictObject({ version: v.literal(1), lanes: v.array(laneShape) });

interface KnownLane extends LaneKey {
  charged: bigint;
}

/**
 * How far a lane is known to be charged; 0 when nothing is known of it.
 * @throws KhachapuriError `invalid_config` when the file is damaged
 */
export async function readCharged(home: string, key: LaneKey): Promise<bigint> {
  return chargedOn(await permitsFile(home).read(), key);
}

/**
 * Remembers how far a lane is charged; less than what is known changes nothing.
 * @throws KhachapuriError `invalid_config` when the file is damaged
 */
export async function noteCharged(home: string, key: LaneKey, charged: bigint): Promise<void> {
  await permitsFile(home).change((lanes) => {
    if (chargedOn(lanes, key) >= charged) return lanes;
    const others = lanes.filter((lane) => !isSame(lane, key)).slice(1 - LANES_REMEMBERED_MAX);
    const { chainId, escrow, payer, provider, lane } = key;
    return [...others, { chainId, escrow, payer, provider, lane, charged }];
  });
}

function permitsFile(home: string): HomeFile<readonly KnownLane[]> {
  return openHomeFile<readonly KnownLane[]>(join(home, "permits.json"), {
    empty: [],
    parse(json, path) {
      const { lanes } = parseShape(fileShape, json, path, "invalid_config");
      return lanes.map(({ cumulative, ...key }) => ({ ...key, charged: cumulative }));
    },
    toJson: (lanes) => ({
      version: 1,
      lanes: lanes.map(({ charged, ...key }) => ({ ...key, cumulative: String(charged) })),
    }),
  });
}

function chargedOn(lanes: readonly KnownLane[], key: LaneKey): bigint {
  return lanes.find((lane) => isSame(lane, key))?.charged ?? 0n;
}

function isSame(known: KnownLane, key: LaneKey): boolean {
  return known.chainId === key.chainId && known.escrow === key.escrow &&
    known.payer === key.payer && known.provider === key.provider && known.lane === key.lane;
}
