/**
 * Pointing an ENS name to a deployment: its owner sets the `contenthash` record (ENSIP-7) at the
 * name's resolver, and gives it the registry's ContentResolver where it has none.
 */
import {
  type Abi,
  type Address,
  type Hex,
  isAddressEqual,
  type LocalAccount,
  zeroAddress,
} from "viem";
import { type CidText, parseCid } from "../cid.ts";
import { KhachapuriError } from "../errors.ts";
import { contentResolverAbi, registryAbi } from "./abi.ts";
import type { Chain } from "./client.ts";
import type { ContractCall } from "./contract_call.ts";
import { contentResolverAddress } from "./content_resolver.ts";
import { encodeContenthash } from "./contenthash.ts";
import { codeAt } from "./create2.ts";
import { deployContentResolver } from "./deploy.ts";
import { readContenthashAt, readResolver } from "./ens.ts";
import { type Name, parseName } from "./name.ts";
import { howToPoint, readOwner, REGISTRY_MESSAGES } from "./registry.ts";
import type { RefusalMessages } from "./refusal.ts";

const CONTENT_MESSAGES: RefusalMessages = {
  NotAuthorised: ([node, caller]) => `${caller} may not act on the name (node ${node})`,
};

export interface ContentTarget {
  registry: Address;
  name: string;
  /** Set the record there, whatever resolver the name has. */
  publicResolver?: Address;
  /** Take the place of a resolver that has no such record. */
  replacesResolver?: boolean;
}

/** What has to be done for a name to be pointed by its owner. */
export interface ContentPlan {
  readonly name: Name;
  readonly registry: Address;
  readonly resolver: Address;
  /** The record there as it is. */
  readonly record: Hex | null;
  /** How the name is given the resolver; null when it has it. */
  readonly pointing: "register" | "setResolver" | null;
  /** The name is nobody's and is claimed by the way. */
  readonly isClaim: boolean;
  /** The registry's ContentResolver has to be put on the chain first. */
  readonly isMissing: boolean;
}

/** A name after `pointContent`. */
export interface PointedContent {
  name: string;
  resolver: Address;
  action: "set" | "removed" | "unchanged";
  transactions: Hex[];
}

/**
 * Finds out, without any transaction, whether `owner` can point the name, and how.
 * @throws KhachapuriError `invalid_name`; `access_denied` when the name is somebody else's;
 *   `invalid_input` when its resolver has no such record; `chain_unavailable`
 */
export async function planContent(
  chain: Chain,
  owner: Address,
  { registry, name: nameText, publicResolver, replacesResolver = false }: ContentTarget,
): Promise<ContentPlan> {
  const name = parseName(nameText);
  const [current, present] = await Promise.all([
    readResolver(chain, name, registry),
    readOwner(chain, registry, name.node),
  ]);
  const own = contentResolverAddress(registry);
  const resolver = publicResolver ?? (replacesResolver ? own : current ?? own);
  const isPointed = current !== null && isAddressEqual(current, resolver);
  const pointing = isPointed ? null : await howToPoint(chain, { address: owner }, registry, name);
  const isMissing = isAddressEqual(resolver, own) && await codeAt(chain, own) === undefined;
  const isClaim = pointing !== null && isAddressEqual(present, zeroAddress);
  const record = isMissing ? null : await recordAt(chain, name, resolver);
  const plan = { name, registry, resolver, record, pointing, isClaim, isMissing };
  if (!isMissing && !isClaim) await assertMaySet(chain, owner, present, plan);
  return plan;
}

/**
 * Points the name, or takes its record away. Whoever resolves it finds what it pointed to before,
 * or `cid`, and nothing else between.
 * @throws KhachapuriError `chain_refused`, `chain_unavailable`
 */
export async function pointContent(
  chain: Chain,
  account: LocalAccount,
  plan: ContentPlan,
  cid: CidText | null,
): Promise<PointedContent> {
  const { name, registry, resolver, pointing } = plan;
  // A name that points nowhere needs no resolver to say so.
  if (cid === null && pointing) return outcome(plan, "unchanged", []);
  const record = cid === null ? "0x" : encodeContenthash(parseCid(cid));
  const set = (plan.record ?? "0x") === record ? null : {
    address: resolver,
    abi: contentResolverAbi as Abi,
    functionName: "setContenthash",
    args: [name.node, record],
    messages: CONTENT_MESSAGES,
  };
  const point = pointing && {
    address: registry,
    abi: registryAbi as Abi,
    functionName: pointing,
    args: [name.node, resolver],
    messages: REGISTRY_MESSAGES,
  };
  if (plan.isMissing) await deployContentResolver(chain, account, registry);
  // Whoever claims a name may set its record only from then on.
  const calls: (ContractCall | null)[] = plan.isClaim ? [point, set] : [set, point];
  const transactions: Hex[] = [];
  for (const call of calls) {
    if (call) transactions.push((await chain.send(account, call)).transactionHash);
  }
  const action = cid === null ? "removed" : "set";
  return outcome(plan, transactions.length === 0 ? "unchanged" : action, transactions);
}

function outcome(
  { name, resolver }: ContentPlan,
  action: PointedContent["action"],
  transactions: Hex[],
): PointedContent {
  return { name: name.text, resolver, action, transactions };
}

/** @throws KhachapuriError `invalid_input` when the resolver has no such record */
async function recordAt(chain: Chain, name: Name, resolver: Address): Promise<Hex | null> {
  const record = await readContenthashAt(chain, name, resolver);
  if (record !== null) return record === "0x" ? null : record;
  const message = `the resolver of ${name.text}, ${resolver}, has no contenthash`;
  throw new KhachapuriError("invalid_input", message, {
    hints: [
      "a provider's own name says where it is: give programs a name of their own, or one below it",
      "or put another in its place, and what it says of the name is gone: --replace-resolver",
    ],
  });
}

/** Asked of the resolver itself, since public ones take other people's word for an owner's, too. */
async function assertMaySet(
  chain: Chain,
  account: Address,
  owner: Address,
  { name, resolver, record }: ContentPlan,
): Promise<void> {
  const call = { address: resolver, abi: contentResolverAbi, functionName: "setContenthash" };
  const args = [name.node, record ?? "0x"];
  try {
    await chain.read({ ...call, args, account, messages: CONTENT_MESSAGES });
  } catch (error) {
    if (!(error instanceof KhachapuriError) || error.code !== "chain_refused") throw error;
    const whose = isAddressEqual(owner, zeroAddress) ? "has no owner" : `belongs to ${owner}`;
    const message = `${name.text} ${whose}: ${account} can't point it`;
    throw new KhachapuriError("access_denied", message, {
      cause: error,
      hints: [
        "sign with its owner's key: --keys FILE",
        `or have it assigned: khachapuri assign ${name.text} ${account}`,
      ],
    });
  }
}
