/** Having each provider rehearse a new deployment, and what it says. */
import type { LocalAccount } from "viem";
import { type DryRun, dryRunAt } from "../client/dry_run.ts";
import { noteRefused } from "../client/deployments_file.ts";
import { creditsText } from "../credits_text.ts";
import { asKhachapuriError, errorTable, type KhachapuriError } from "../errors.ts";
import type { Output } from "./output.ts";
import type { Standing } from "./deploy_targets.ts";

/** What became of it at one provider. */
export type Rehearsal =
  | { kind: "ready"; said: DryRun }
  | { kind: "refused"; error: KhachapuriError }
  | { kind: "not asked"; why: string };

/**
 * Asks those that take pushes first: they give out what they have opened, and the others may read
 * it there. A failure is told, and thrown by nobody here.
 */
export async function rehearse(
  out: Output,
  account: LocalAccount,
  cid: string,
  standings: readonly Standing[],
): Promise<Rehearsal[]> {
  out.progress("rehearsing a call");
  const taking = standings.filter(({ content }) => content?.push);
  const first = new Map(
    await Promise.all(
      taking.map(async (each) => [each, await rehearseAt(account, cid, each)] as const),
    ),
  );
  const rehearsals = await Promise.all(
    standings.map((each) => first.get(each) ?? rehearseAt(account, cid, each)),
  );
  for (const [index, { record: { name } }] of standings.entries()) {
    for (const line of linesOf(name, rehearsals[index]!)) out.note(line);
  }
  return rehearsals;
}

async function rehearseAt(
  account: LocalAccount,
  cid: string,
  { record: { address, webDomain }, chainId, escrow, content, held }: Standing,
): Promise<Rehearsal> {
  if (content === null) return { kind: "not asked", why: "it is an older one" };
  if (held.credits === 0n) {
    return { kind: "not asked", why: "it does so for who allows it credits" };
  }
  try {
    const provider = { address, webDomain, chainId, escrow };
    return { kind: "ready", said: await dryRunAt(account, provider, cid, Date.now()) };
  } catch (thrown) {
    return { kind: "refused", error: asKhachapuriError(thrown) };
  }
}

function linesOf(name: string, rehearsal: Rehearsal): string[] {
  switch (rehearsal.kind) {
    case "not asked":
      return [`not rehearsed by ${name}: ${rehearsal.why}`];
    case "refused":
      return [`a call at ${name} would be refused: ${rehearsal.error.shortMessage}`];
    case "ready": {
      const { creditsLeft, ms, warnings } = rehearsal.said;
      const left = creditsLeft === null ? "" : `, ${creditsText(creditsLeft)} left`;
      return [
        `rehearsed   ${name} is ready for calls (${Math.round(ms)} ms${left})`,
        ...warnings.map((warning) => `warning: ${name}: ${warning}`),
      ];
    }
  }
}

/** Exit codes of what another deploy alone mends; payment and outages `deployments` sees itself. */
const LASTING: ReadonlySet<number> = new Set([3, 4, 6]);

/** `deployments` lists it as refused until a call has run. */
export async function noteRefusals(
  home: string,
  cid: string,
  standings: readonly Standing[],
  rehearsals: readonly Rehearsal[],
): Promise<void> {
  for (const [index, rehearsal] of rehearsals.entries()) {
    if (rehearsal.kind !== "refused") continue;
    const { code, shortMessage } = rehearsal.error;
    const isLasting = errorTable().some((row) => row.code === code && LASTING.has(row.exit));
    if (isLasting) await noteRefused(home, cid, standings[index]!.record.name, shortMessage);
  }
}

export function rehearsalJson(rehearsal: Rehearsal | undefined): object | null {
  switch (rehearsal?.kind) {
    case "ready": {
      const { price, creditsLeft, warnings, ms } = rehearsal.said;
      return { ok: true, price, creditsLeft, warnings, ms };
    }
    case "refused":
      return { ok: false, ...rehearsal.error.toJSON() };
    default:
      return null;
  }
}

/** What a command ends with when a provider would refuse its calls; null when none would. */
export function rehearsalFailure(
  names: readonly string[],
  rehearsals: readonly Rehearsal[],
): KhachapuriError | null {
  const at = rehearsals.findIndex(({ kind }) => kind === "refused");
  const refused = rehearsals[at];
  if (refused?.kind !== "refused") return null;
  const { error } = refused;
  const message = `deployed, and a call at ${names[at]} would be refused: ${error.shortMessage}`;
  return error.toldWith({ message });
}
