/**
 * The contracts to use on a chain, and that they are what they should be: the escrow is known by
 * its code, which also says which token it holds, so a client is told nothing but where it is.
 */
import { type Address, isAddressEqual } from "viem";
import type { ContractOverrides, Contracts } from "../config.ts";
import { KhachapuriError } from "../errors.ts";
import type { Chain } from "./client.ts";
import { codeAt } from "./create2.ts";
import { chainText, shippedOn } from "./deployments.ts";
import { escrowTermsOf } from "./escrow_code.ts";

/**
 * The contracts on the chain: `named` (flags and config) before what ships with us.
 * @throws KhachapuriError `invalid_config` when no escrow is known or stands there, or what stands
 *   there is no escrow of this release or holds another token than was named; `chain_unavailable`
 */
export async function readContracts(
  chain: Chain,
  named: ContractOverrides = {},
): Promise<Contracts> {
  const { chainId } = chain;
  const shipped = shippedOn(chainId);
  const escrow = named.escrow ?? shipped?.escrow;
  if (!escrow) throw noEscrowKnown(chain);
  const expected = named.usdc ?? shipped?.usdc.address;
  const { registry, universalResolver } = named;
  const [code, registryCode] = await Promise.all([
    codeAt(chain, escrow),
    registry ? codeAt(chain, registry) : null,
  ]);
  if (code === undefined) throw noEscrowThere(chainId, escrow);
  const terms = escrowTermsOf(code, { chainId, escrow });
  if (terms === null) throw anotherContract(chainId, escrow);
  const { usdc } = terms;
  if (expected && !isAddressEqual(expected, usdc)) {
    throw anotherToken(
      escrow,
      usdc,
      named.usdc ? "config.json names" : "Circle's USDC is",
      expected,
    );
  }
  if (registry && registryCode === undefined) throw noRegistryThere(chainId, registry);
  return {
    escrow,
    usdc,
    ...(registry ? { registry } : {}),
    ...(universalResolver ? { universalResolver } : {}),
  };
}

const DEPLOY = "khachapuri contracts deploy";

function noEscrowKnown({ chainId, endpoint }: Chain): KhachapuriError {
  const message = `no escrow is known on ${chainText(chainId)}, which ${endpoint} serves`;
  return new KhachapuriError("invalid_config", message, {
    hints: [
      "name the one that is there: khachapuri init --escrow 0x… --registry 0x…",
      `or put one there: ${DEPLOY}`,
      "if you mean another chain: khachapuri init --rpc URL, or --rpc URL for one command",
    ],
  });
}

function noEscrowThere(chainId: number, escrow: Address): KhachapuriError {
  if (shippedOn(chainId)?.escrow !== escrow) {
    const message = `${chainText(chainId)} has no contract at the escrow ${escrow}`;
    return new KhachapuriError("invalid_config", message, {
      hints: [
        "is this the right --rpc?",
        `a chain of your own that began anew has forgotten it: ${DEPLOY} --with-usdc`,
      ],
    });
  }
  const message = `the escrow does not stand on ${chainText(chainId)} yet, at ${escrow}`;
  return new KhachapuriError("invalid_config", message, {
    hints: [`anyone can put it there, for the gas: ${DEPLOY}`],
  });
}

function anotherContract(chainId: number, escrow: Address): KhachapuriError {
  const message = `the contract at ${escrow} on ${chainText(chainId)} is not this release's escrow`;
  const ours = shippedOn(chainId)?.escrow;
  return new KhachapuriError("invalid_config", message, {
    hints: [
      "an escrow of an earlier release is used with that release alone: take your money out there",
      ours
        ? `then leave "escrow" out of config.json, and --escrow: this release's is at ${ours}`
        : `then put this release's on the chain, and into config.json: ${DEPLOY} --replace`,
    ],
  });
}

function anotherToken(
  escrow: Address,
  holds: Address,
  who: string,
  expected: Address,
): KhachapuriError {
  const message = `the escrow at ${escrow} holds ${holds}, and ${who} ${expected}`;
  return new KhachapuriError("invalid_config", message, {
    hints: ['what "usdc" in config.json names is only compared: the escrow says which it holds'],
  });
}

function noRegistryThere(chainId: number, registry: Address): KhachapuriError {
  const message = `${chainText(chainId)} has no contract at the registry ${registry}`;
  return new KhachapuriError("invalid_config", message, { hints: ["is this the right --rpc?"] });
}
