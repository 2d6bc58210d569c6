/**
 * The lane a payer's client charges on when no other is asked for. It is derived and not stored:
 * a client that lost its disk finds its lane again, and with it what was charged on it.
 */
import { type Address, encodeAbiParameters, type Hex, keccak256 } from "viem";

/** The label that stands for "this payer's only client". */
export const DEFAULT_LANE_LABEL = "default";

/**
 * `keccak256(abi.encode("client", payer, label))`. Clients that share a key and run side by side
 * take a label each: permits are cumulative, so on one lane they would spend each other's credits.
 */
export function clientLane(payer: Address, label: string = DEFAULT_LANE_LABEL): Hex {
  return keccak256(
    encodeAbiParameters(
      [{ type: "string" }, { type: "address" }, { type: "string" }],
      ["client", payer, label],
    ),
  );
}
