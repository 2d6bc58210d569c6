/**
 * What a provider loses with its keys: the deployments that are encrypted to an identity which is
 * not in the key file any more, and where that may still lie.
 */
import type { CidText } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import {
  earlierKeyFiles,
  type KeyFile,
  readKeyFile,
  recipientOf,
  shortRecipient,
} from "../../spec/keys.ts";
import { readSealedTo } from "../deployment/sealed_to.ts";
import type { Look } from "./findings.ts";

/** An identity that is gone, by its recipient as people tell it from others. */
export interface LostIdentity {
  readonly recipient: string;
  /** What can't be opened without it. */
  readonly deployments: readonly CidText[];
  /** Kept key files that have it; the newest first. */
  readonly keptIn: readonly string[];
}

/**
 * @param keys null: the key file is gone
 * @param recordsPath of the provider's deployments
 */
export async function lostIdentities(
  keys: KeyFile | null,
  keysPath: string,
  recordsPath: string,
): Promise<LostIdentity[]> {
  const sealed = readSealedTo(recordsPath);
  const held = await recipientsIn(keys);
  const lost = [...sealed].filter(([recipient]) => !held.includes(recipient));
  return await Promise.all(lost.map(async ([recipient, deployments]) => ({
    recipient,
    deployments,
    keptIn: await keptIn(keysPath, recipient),
  })));
}

/** Key files of before, beside the key file, that have an identity. */
async function keptIn(keysPath: string, recipient: string): Promise<string[]> {
  const found: string[] = [];
  for (const path of await earlierKeyFiles(keysPath)) {
    const kept = await readKeyFile(path).catch(() => null);
    if ((await recipientsIn(kept)).includes(recipient)) found.push(path);
  }
  return found;
}

async function recipientsIn(keys: KeyFile | null): Promise<string[]> {
  return await Promise.all(
    (keys?.identities ?? []).map(async (identity) => shortRecipient(await recipientOf(identity))),
  );
}

/** What a person is told of them. */
export function tellLost(lost: readonly LostIdentity[]): Required<Pick<Look, "detail" | "hints">> {
  const words = lost.map(({ recipient, deployments }) =>
    `${counted(deployments)} encrypted to ${recipient}, whose identity is not in the key file`
  );
  return { detail: words.join("; "), hints: lost.flatMap(mending) };
}

function mending({ recipient, deployments, keptIn }: LostIdentity): string[] {
  const [file] = keptIn;
  return [
    `what is encrypted to ${recipient} is answered 421: ${deployments.slice(0, 3).join(", ")}` +
    (deployments.length > 3 ? ", …" : ""),
    file === undefined
      ? "put the identity back from a backup of the key file, behind those that are there"
      : `${file} has it: put the identity back from there, behind those that are there`,
    "without it the owners deploy again; whom you know you can tell",
  ];
}

function counted({ length }: readonly CidText[]): string {
  return `${length} deployment${length === 1 ? " is" : "s are"}`;
}

/** Those that a name publishes and no identity is there for. */
export function unheldRecipients(
  published: readonly string[],
  held: readonly string[],
): string[] {
  return published.filter((recipient) => !held.includes(recipient)).map(shortRecipient);
}

/** What to do about them: deployments go on being encrypted to them, and can't be opened. */
export async function tellUnheld(
  unheld: readonly string[],
  keysPath: string,
): Promise<string[]> {
  return await Promise.all(unheld.map(async (recipient) => {
    const [file] = await keptIn(keysPath, recipient);
    return `what is deployed now is encrypted to ${recipient} and answered 421: put its identity ` +
      `back from ${file ?? "a backup of the key file"}, or publish the one that is there:`;
  }));
}

/** How many deployments can't be opened where the key file is gone. */
export async function waitingFor(keysPath: string, recordsPath: string): Promise<number> {
  const lost = await lostIdentities(null, keysPath, recordsPath);
  return lost.reduce((sum, { deployments }) => sum + deployments.length, 0);
}

/**
 * A provider's key file.
 * @throws KhachapuriError as `readKeyFile`; where it is gone, with what that means and what to do
 */
export async function readProvidersKeys(keysPath: string, recordsPath: string): Promise<KeyFile> {
  return await readKeyFile(keysPath).catch(async (error) => {
    if (!(error instanceof KhachapuriError) || error.code !== "not_found") throw error;
    const kept = await earlierKeyFiles(keysPath);
    throw keyFileLost(error, kept, await waitingFor(keysPath, recordsPath));
  });
}

/**
 * What to do where the key file itself is gone. Specs are encrypted to the identities in it:
 * whoever makes others starts over.
 * @param kept key files of before, beside it, the newest first
 * @param waiting how many deployments can't be opened without it
 */
export function keyFileLost(
  cause: KhachapuriError,
  kept: readonly string[],
  waiting: number,
): KhachapuriError {
  return cause.toldWith({
    hints: [
      "put it back from a backup: what is deployed here can be opened with its keys only" +
      (waiting === 0 ? "" : ` (${waiting} deployment${waiting === 1 ? "" : "s"})`),
      ...(kept.length === 0 ? [] : [
        `${kept[0]} is what it held before the last change: with it as the key file all opens ` +
        "that was deployed until then",
      ]),
      "without a backup, in this order: khachapuri init makes other keys;",
      "khachapuri register --print tells the line that publishes them, for the provider key;",
      "send the new operator some of the chain's coin; start serve;",
      "every owner deploys again: what they deployed before is answered 421 from then on",
    ],
  });
}
