/**
 * Prints contracts/deployments.json as it follows from the bytecode: for each chain where Circle
 * issues USDC and we ship, the escrow's one address and the hash of its code there.
 */
import { keccak256 } from "viem";
import shipped from "../contracts/deployments.json" with { type: "json" };
import { escrowAddress, escrowCode, type EscrowTerms } from "../lib/chain/escrow_code.ts";
import { addressShape, parseShape } from "../lib/shape.ts";
import { print } from "./print.ts";

const address = (text: string) => parseShape(addressShape, text, "usdc", "invalid_config");

/** The file's text. */
export function deploymentsText(): string {
  const rows = Object.entries(shipped).map(([chainId, row]) => {
    const { name, usdc, thawingPeriodSeconds } = row;
    const terms: EscrowTerms = {
      usdc: address(usdc.address),
      thawingPeriodSeconds: BigInt(thawingPeriodSeconds),
    };
    const escrow = escrowAddress(terms);
    const codeHash = keccak256(escrowCode(terms, { chainId: Number(chainId), escrow }));
    return [chainId, { name, usdc, thawingPeriodSeconds, escrow, codeHash }];
  });
  return `${JSON.stringify(Object.fromEntries(rows), null, 2)}\n`;
}

if (import.meta.main) print(deploymentsText().trimEnd());
