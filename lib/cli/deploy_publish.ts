/** Publishing what `deploy` has sealed: where to, and whether it can be called then. */
import type { LocalAccount } from "viem";
import type { SealedDeployment } from "../client/deploy.ts";
import type { PackedProgram } from "../client/packed_program.ts";
import { carPath } from "../client/publishing/car_folder.ts";
import { keepUnpublished } from "../client/publishing/unpublished.ts";
import type { Destination } from "../client/publishing/destination.ts";
import type { Copy } from "../client/publishing/publish_all.ts";
import { asKhachapuriError, KhachapuriError } from "../errors.ts";
import type { Dag } from "../ipfs/dag.ts";
import { quotedWord } from "../shell_word.ts";
import type { CommandContext } from "./command.ts";
import { copiesJson, copyFailure, publishShown } from "./copies.ts";
import type { Standing } from "./deploy_targets.ts";
import { destinations } from "./destinations.ts";
import type { PublishingFlags } from "./publishing_flags.ts";
import { assertTakes, pushTo } from "./push_targets.ts";

export interface DeployPublishingFlags extends PublishingFlags {
  readonly "no-push": boolean;
}

/** Whether the providers themselves are published to. */
export function isPushing(flags: DeployPublishingFlags): boolean {
  return !flags["no-push"] && flags.out === undefined;
}

/**
 * The places beside the providers; known before anything is asked or signed.
 * @throws KhachapuriError `usage` when there is nowhere to publish to
 */
export async function placesBeside(
  context: CommandContext,
  flags: DeployPublishingFlags,
): Promise<Destination[]> {
  const places = await destinations(context, flags, flags.out === undefined);
  if (places.length > 0 || isPushing(flags)) return places;
  throw new KhachapuriError("usage", "there is nowhere to publish to", {
    hints: [
      "without --no-push it goes to the providers",
      "or give --kubo URL, --pinata, --out DIR",
    ],
  });
}

/**
 * The providers as places, once each is known to take it. One that takes nothing from owners is
 * passed over where it can fetch from another place.
 * @throws KhachapuriError as `assertTakes`
 */
export async function placesAtProviders(
  context: CommandContext,
  account: LocalAccount,
  standings: readonly Standing[],
  wanted: { bytes: number; ownerPays: boolean; beside: readonly Destination[] },
): Promise<Destination[]> {
  const taking: Standing[] = [];
  for (const each of standings) {
    if (!each.content?.push && wanted.beside.length > 0) {
      context.out.note(`not pushed to ${each.record.name}: it fetches from IPFS alone`);
      continue;
    }
    await assertTakes(context, account.address, each, wanted);
    taking.push(each);
  }
  return taking.map((each) => pushTo(account, each));
}

/**
 * Publishes program and spec to all places; what got nowhere is kept, to be tried again.
 * @throws KhachapuriError the first failure, when not every provider can have it
 */
export async function publishBoth(
  context: CommandContext,
  places: readonly Destination[],
  program: PackedProgram,
  sealed: SealedDeployment,
  standings: readonly Standing[],
): Promise<Copy[]> {
  const dags = [program.dag, sealed.dag];
  const copies = await publishShown(context.out, sealed.cid, places, dags);
  const failure = copyFailure(sealed.cid, copies);
  if (failure !== null && !isPublished(copies)) await keepForRetry(context, dags);
  if (failure !== null && !isAtAll(copies, standings)) {
    throw failure.toldWith({ data: { ...failure.data, copies: copiesJson(copies) } });
  }
  return copies;
}

/** Publishing has failed: that it can't be kept either is told beside, and hides nothing. */
async function keepForRetry({ home, out }: CommandContext, dags: readonly Dag[]): Promise<void> {
  try {
    await keepUnpublished(home, dags);
  } catch (thrown) {
    const { shortMessage } = asKhachapuriError(thrown);
    out.note(`warning: what was signed is not kept here: ${shortMessage}; deploy it again`);
  }
}

/** Whether every provider has it, or finds it where everybody does. */
export function isAtAll(copies: readonly Copy[], standings: readonly Standing[]): boolean {
  const done = copies.filter(({ error }) => error === null).map(({ to }) => to);
  return done.some(({ reach }) => reach !== "provider") ||
    standings.every(({ record }) =>
      done.some(({ reach, name }) => reach === "provider" && name === record.name)
    );
}

/** Whether somebody can fetch it: files that were written are still to be published. */
export function isPublished(copies: readonly Copy[]): boolean {
  return copies.some(({ to, error }) => error === null && to.reach !== "files");
}

/** What is left to do with CAR files before anybody can call it. */
export function unpublishedNotes(
  dir: string,
  [program, spec]: readonly [program: string, spec: string],
  standings: readonly Standing[],
): string[] {
  const to = standings.map(({ record }) => `--to ${record.name}`).join(" ");
  const files = [program, spec].map((cid) => quotedWord(carPath(dir, cid))).join(" ");
  return [
    `not published yet: khachapuri publish ${spec} --from ${quotedWord(dir)} ${to}`,
    `or with an IPFS node that they read from: ipfs dag import ${files}`,
  ];
}
