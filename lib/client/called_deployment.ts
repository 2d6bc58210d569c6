/**
 * What people call a deployment of theirs instead of its cid: its name, its folder, or how its cid
 * begins.
 */
import { KhachapuriError } from "../errors.ts";
import { labelsOf, type OwnDeployment } from "./deployments_file.ts";

/** So much of a cid is taken for it: all of ours begin with the same seven characters. */
const CID_BEGINNING_MIN = 10;

/**
 * The deployment that is called so; null when none is.
 * @throws KhachapuriError `usage` when several are, listing them
 */
export function calledDeployment(
  deployments: readonly OwnDeployment[],
  word: string,
): OwnDeployment | null {
  const named = deployments.findLast((each) => labelsOf(each).includes(word));
  if (named) return named;
  const candidates = ofFolder(deployments, word);
  if (candidates.length === 0 && word.length >= CID_BEGINNING_MIN) {
    candidates.push(...deployments.filter(({ cid }) => cid.startsWith(word.toLowerCase())));
  }
  if (candidates.length > 1) throw ambiguous(candidates, word);
  return candidates[0] ?? null;
}

/** Those that run, and the last one where none does: what has ended is hardly meant. */
function ofFolder(deployments: readonly OwnDeployment[], word: string): OwnDeployment[] {
  const ofIt = deployments.filter(({ program: { name } }) => name === word);
  const running = ofIt.filter(isRunning);
  return running.length > 0 ? running : ofIt.slice(-1);
}

/** Whether its owner has not stopped it everywhere. */
export function isRunning({ providers }: OwnDeployment): boolean {
  return providers.some(({ stoppedAt }) => stoppedAt === undefined);
}

function ambiguous(candidates: readonly OwnDeployment[], word: string): KhachapuriError {
  const message = `${word} may be any of ${candidates.length} deployments`;
  return new KhachapuriError("usage", message, {
    hints: [...candidates.map(described), "write more of its cid, or the name that leads to it"],
  });
}

/** A deployment in one line, by what tells it from others. */
export function described(deployment: OwnDeployment): string {
  const { cid, program, createdAt, providers } = deployment;
  const at = providers.map(({ name }) => name).join(", ");
  const what = [...labelsOf(deployment), program.name].filter((each) => each !== undefined).join(
    ", ",
  );
  return `${cid} (${what === "" ? "" : `${what} `}at ${at}, since ${createdAt.slice(0, 19)}Z)`;
}

/** What deployments are called, for suggestions. */
export function callableWords(deployments: readonly OwnDeployment[]): Set<string> {
  const words = deployments.flatMap((each) => [...labelsOf(each), each.program.name]);
  return new Set(words.filter((word) => word !== undefined));
}
