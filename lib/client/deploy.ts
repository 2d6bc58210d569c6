/**
 * Deploying a program: it is packed, its cid goes into a spec with env and the terms agreed to, the
 * spec is signed and encrypted to the providers' keys, and both are published. Every cid is known
 * before a byte leaves this machine.
 */
import type { Address, LocalAccount } from "viem";
import { isAddressEqual, zeroAddress } from "viem";
import type { ProviderRecord } from "../chain/ens.ts";
import type { Allowance } from "../chain/escrow.ts";
import { formatUsdc } from "../chain/usdc.ts";
import { type CidText, formatCid } from "../cid.ts";
import { KhachapuriError } from "../errors.ts";
import { type Dag, importFile } from "../ipfs/dag.ts";
import { permitToJson } from "../permit.ts";
import { signDeploymentPermit } from "./deployment_permit.ts";
import type { PackedProgram } from "./packed_program.ts";
import { recipientKind, sealSpec } from "../spec/envelope.ts";
import { newDeploymentId, parseUnsignedSpec, type Spec, type SpecJson } from "../spec/schema.ts";
import { signSpec } from "../spec/signature.ts";

/** A provider to deploy to: its name's record, and the escrow and price that we sign for. */
export interface DeployTarget {
  record: ProviderRecord & { terms: `0x${string}` };
  chainId: number;
  /** Trusted; see `trustedEscrow`. */
  escrow: Address;
  /** Highest price of one credit that the permit will allow, USDC base units. */
  maxPrice: bigint;
}

/**
 * Checks that a provider can be deployed to.
 * @param maxPrice the owner's cap; null takes the provider's present price
 * @throws KhachapuriError `payment_required` when it charges more than the cap, `terms_refused`
 *   when it publishes no terms to agree to
 */
export function deployTarget(
  record: ProviderRecord,
  at: { chainId: number; escrow: Address },
  maxPrice: bigint | null,
): DeployTarget {
  const { terms } = record;
  if (maxPrice !== null && record.price > maxPrice) {
    const message = `${record.name} charges ${formatUsdc(record.price)} USDC a credit, ` +
      `your cap is ${formatUsdc(maxPrice)}`;
    throw new KhachapuriError("payment_required", message, {
      data: { price: String(record.price) },
    });
  }
  if (terms === null) {
    throw new KhachapuriError("terms_refused", `${record.name} publishes no terms to agree to`, {
      hints: ["its name lacks the text record khachapuri.terms; ask the provider"],
    });
  }
  return { record: { ...record, terms }, ...at, maxPrice: maxPrice ?? record.price };
}

/** The parts of a spec that the owner chooses. */
export type SpecChoices =
  & Pick<
    SpecJson,
    "interface" | "server" | "env" | "limits" | "access" | "egress" | "about" | "cors"
  >
  & { entrypoint: string; args: string[] };

export interface SealedDeployment {
  spec: Spec;
  dag: Dag;
  /** The deployment cid. */
  cid: CidText;
  /** Bytes of what is published. */
  size: number;
}

/** A provider, and the owner's epoch there. */
export interface SigningTarget extends DeployTarget {
  /** The one that new permits are signed for (`signingEpoch`). */
  epoch: number;
}

/**
 * Signs a permit for every provider and the spec over all of it, and encrypts it to them.
 * @throws KhachapuriError `invalid_spec`, `invalid_input`
 */
export async function sealDeployment(
  account: LocalAccount,
  program: Pick<PackedProgram, "cid" | "key">,
  targets: readonly SigningTarget[],
  choices: SpecChoices,
): Promise<SealedDeployment> {
  const id = newDeploymentId();
  const { entrypoint, args, ...rest } = choices;
  const providers: SpecJson["providers"] = [];
  for (const target of targets) providers.push(await signedEntry(account, target, id));
  const unsigned = parseUnsignedSpec({
    version: 1,
    id,
    program: {
      cid: program.cid,
      ...(program.key === undefined ? {} : { key: program.key }),
      entrypoint,
      args,
    },
    owner: account.address,
    providers,
    ...rest,
  });
  const spec = await signSpec(unsigned, account);
  const sealed = await sealSpec(spec, chooseRecipients(targets.map(({ record }) => record)));
  const dag = importFile(sealed);
  return { spec, dag, cid: formatCid(dag.root), size: sealed.length };
}

async function signedEntry(
  account: LocalAccount,
  { record, chainId, escrow, maxPrice, epoch }: SigningTarget,
  id: Spec["id"],
): Promise<SpecJson["providers"][number]> {
  const wanted = {
    payer: account.address,
    provider: record.address,
    id,
    price: maxPrice,
    epoch,
  };
  const permit = await signDeploymentPermit(account, { chainId, escrow }, wanted);
  const { address, terms } = record;
  return { address, chainId, escrow, terms, permit: permitToJson(permit) };
}

/**
 * Whom a spec is encrypted to: every provider's post-quantum recipients if each has one, else
 * everybody's X25519 ones.
 * @throws KhachapuriError `invalid_input` when the providers have no kind in common
 */
export function chooseRecipients(
  records: readonly Pick<ProviderRecord, "name" | "recipients">[],
): string[] {
  for (const kind of ["pq", "x25519"] as const) {
    const fitting = records.map(({ recipients }) =>
      recipients.filter((recipient) => recipientKind(recipient) === kind)
    );
    if (fitting.every((recipients) => recipients.length > 0)) return fitting.flat();
  }
  const names = records.map(({ name }) => name).join(", ");
  throw new KhachapuriError("invalid_input", `no kind of key is common to ${names}`, {
    hints: ["a post-quantum and an X25519 recipient never share a spec; deploy to them separately"],
  });
}

/** Why calls that the owner pays for would be refused now; null when they would not. */
export function allowanceFault(
  allowance: Allowance,
  owner: Address,
  price: bigint,
): "no credits" | "price too low" | "another signer" | null {
  if (allowance.credits - allowance.thawingCredits <= 0n) return "no credits";
  if (allowance.pricePerCredit < price) return "price too low";
  const { signer } = allowance;
  const isPinned = signer !== zeroAddress && !isAddressEqual(signer, owner);
  return isPinned ? "another signer" : null;
}
