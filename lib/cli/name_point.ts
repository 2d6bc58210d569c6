/** `deploy --name`: whether it may be had is known before anything is signed. */
import type { LocalAccount } from "viem";
import type { CidText } from "../cid.ts";
import type { DeployTarget } from "../client/deploy.ts";
import { noteLabel } from "../client/deployments_file.ts";
import { asKhachapuriError } from "../errors.ts";
import type { CommandContext } from "./command.ts";
import { type Movable, moveAll, prepareAll } from "./name_move.ts";
import type { NamePointed } from "./name_pointed.ts";
import { type Name, nameOf, placesOf, urlsOf } from "./name_places.ts";

/** A name that is to lead to a new deployment. */
export interface NamePlan {
  /**
   * Moves the name.
   * @param isStanding whether the deployment stands at every provider: else the name stays
   */
  point(cid: CidText, isStanding: boolean): Promise<NamePointed>;
}

interface Planned {
  readonly name: Name;
  readonly urls: readonly string[];
  /** What it leads to before; null for nothing, or where that is not known. */
  readonly before: CidText | null;
  readonly movables: readonly Movable[];
}

/**
 * Finds out whether the account may point the name, wherever that is said.
 * @throws KhachapuriError `invalid_name`; `access_denied` when it is somebody else's; why a place
 *   can't be asked
 */
export async function planName(
  context: CommandContext,
  text: string,
  account: LocalAccount,
  targets: readonly DeployTarget[],
): Promise<NamePlan> {
  context.out.progress(`asking for the name ${text}`);
  const providers = targets.map(({ record: { name, address, webDomain }, chainId, escrow }) => {
    return { name, address, webDomain, chainId, escrow };
  });
  const name = await nameOf(context, text);
  const places = await placesOf(context, name, providers, {});
  const movables = await prepareAll(places, account);
  // Only told: that it can't be read now is no reason not to move it.
  const states = await Promise.all(places.map((place) => place.look().catch(() => null)));
  const before = states.find((state) => state?.cid)?.cid ?? null;
  const planned = { name, urls: urlsOf(name, providers), before, movables };
  return { point: (cid, isStanding) => pointName(context, planned, cid, isStanding) };
}

async function pointName(
  { home, out }: CommandContext,
  plan: Planned,
  cid: CidText,
  isStanding: boolean,
): Promise<NamePointed> {
  const { name: { text }, urls, before, movables } = plan;
  const pointed = { name: text, urls, before };
  if (!isStanding) {
    out.note(`${text} was not moved; once it stands: khachapuri name set ${text} ${cid}`);
    return { ...pointed, moved: [], failure: null };
  }
  out.progress(`moving ${text}`);
  try {
    const moved = await moveAll(text, movables, cid);
    await noteLabel(home, cid, text);
    return { ...pointed, moved, failure: null };
  } catch (thrown) {
    const error = asKhachapuriError(thrown);
    const message = `deployed, but ${error.shortMessage}`;
    const hints = [...error.hints, `try again: khachapuri name set ${text} ${cid}`];
    return { ...pointed, moved: [], failure: error.toldWith({ message, hints }) };
  }
}
