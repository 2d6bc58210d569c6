/**
 * What this home knows of its lanes, `<home>/permits.json`: the highest count that a provider
 * reported and that we had signed for. It saves a question, it is no secret, and losing it costs
 * nothing: the chain and the provider know the rest.
 */
import { dirname, join } from "node:path";
import * as v from "valibot";
import type { Address, Hex } from "viem";
import type { EscrowDomain } from "../permit.ts";
import { addressShape, hexShape, parseJson, parseShape, uintShape } from "../shape.ts";

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
  return (await read(home)).find((row) => isSame(row, key))?.cumulative ?? 0n;
}

/** Remembers a count; one that is lower than what is known changes nothing. */
export async function noteCount(home: string, key: LaneKey, cumulative: bigint): Promise<void> {
  const path = bookPath(home);
  await Deno.mkdir(dirname(path), { recursive: true, mode: 0o700 });
  using lock = await Deno.open(`${path}.lock`, { create: true, write: true, mode: 0o600 });
  await lock.lock(true);
  const rows = await read(home);
  const known = rows.find((row) => isSame(row, key))?.cumulative ?? 0n;
  if (known >= cumulative) return;
  const others = rows.filter((row) => !isSame(row, key)).slice(1 - LANES_MAX);
  const { chainId, escrow, payer, provider, lane } = key;
  const lanes = [...others, { chainId, escrow, payer, provider, lane, cumulative }];
  const plain = lanes.map((row) => ({ ...row, cumulative: String(row.cumulative) }));
  const partial = `${path}.${crypto.randomUUID()}`;
  const text = `${JSON.stringify({ version: 1, lanes: plain }, null, 2)}\n`;
  await Deno.writeTextFile(partial, text, { createNew: true, mode: 0o600 });
  await Deno.rename(partial, path);
}

async function read(home: string): Promise<Row[]> {
  const path = bookPath(home);
  try {
    const json = parseJson(await Deno.readTextFile(path), path, "invalid_config");
    return parseShape(bookShape, json, path, "invalid_config").lanes;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

function isSame(row: Row, key: LaneKey): boolean {
  return row.chainId === key.chainId && row.escrow === key.escrow && row.payer === key.payer &&
    row.provider === key.provider && row.lane === key.lane;
}

function bookPath(home: string): string {
  return join(home, "permits.json");
}
