/** `name list`: the names that one has, as providers' registers tell them, and this home. */
import { labelsOf, type OwnDeployment, readDeployments } from "../client/deployments_file.ts";
import { fetchOwnedNames, type OwnedName } from "../client/owned_names.ts";
import { asKhachapuriError, type KhachapuriError } from "../errors.ts";
import { timeTextOfMs } from "../time_text.ts";
import type { CommandContext } from "./command.ts";
import { lapseText } from "./name_lapse.ts";
import { nameOf } from "./name_places.ts";
import { namedProvider } from "./name_providers.ts";

/** A name at one place. */
interface Listed {
  name: string;
  kind: "register" | "ens" | "dnslink";
  cid: string;
  /** The provider whose register has it; of other names, those of its deployment. */
  providers: readonly string[];
  /** Unix ms; null where nobody told but this home. */
  since: number | null;
  /** When it is anybody's unless more is allowed, Unix ms; null where it stays. */
  lapsesAt: number | null;
  /** Whether this home knows that the name leads there. */
  isKnownHere: boolean;
}

/**
 * Asks the registers of these providers, or of all that something was deployed to from here.
 * @throws KhachapuriError why none could be asked, where nothing else is known either
 */
export async function listNames(
  context: CommandContext,
  given: readonly string[],
): Promise<void> {
  const { out, home } = context;
  const own = await readDeployments(home);
  const providers = new Set(
    given.length > 0 ? given : own.flatMap(({ providers }) => providers.map(({ name }) => name)),
  );
  const told = await Promise.all([...providers].map((name) => toldBy(context, own, name)));
  const failed = told.flatMap(({ where, error }) => error === null ? [] : [{ where, error }]);
  const silent = new Set(failed.map(({ where }) => where));
  const names = [
    ...told.flatMap(({ names }) => names),
    ...await knownHere(context, own, { providers, silent }),
  ];
  if (names.length === 0 && failed.length > 0) throw failed[0]!.error;
  out.result({
    names,
    failed: failed.map(({ where, error }) => ({
      where,
      error: error.code,
      message: error.shortMessage,
    })),
  }, names.length === 0 ? ["no names"] : names.map(listedLine));
  for (const { where, error } of failed) out.note(`${where}: ${error.shortMessage}`);
}

interface Told {
  where: string;
  names: readonly Listed[];
  error: KhachapuriError | null;
}

async function toldBy(
  context: CommandContext,
  own: readonly OwnDeployment[],
  where: string,
): Promise<Told> {
  try {
    const owned = await fetchOwnedNames(
      await context.account(),
      await namedProvider(context, where),
    );
    return { where, names: owned.map((each) => registered(own, each, where)), error: null };
  } catch (thrown) {
    return { where, names: [], error: asKhachapuriError(thrown) };
  }
}

function registered(
  own: readonly OwnDeployment[],
  { name, cid, since, lapsesAt }: OwnedName,
  where: string,
): Listed {
  const isKnownHere = own.some((each) => each.cid === cid && labelsOf(each).includes(name));
  return { name, kind: "register", cid, providers: [where], since, lapsesAt, isKnownHere };
}

/** What only this home can tell: names of ENS and DNS, and of registers that are out of reach. */
async function knownHere(
  context: CommandContext,
  own: readonly OwnDeployment[],
  { providers, silent }: Readonly<Record<"providers" | "silent", ReadonlySet<string>>>,
): Promise<Listed[]> {
  const listed: Listed[] = [];
  for (const each of own) {
    const there = each.providers.map(({ name }) => name).filter((name) => providers.has(name));
    for (const label of labelsOf(each)) {
      const { kind, text: name } = await nameOf(context, label);
      const at = kind === "register" ? there.filter((name) => silent.has(name)) : there;
      if (at.length === 0) continue;
      const untold = { since: null, lapsesAt: null, isKnownHere: true };
      listed.push({ name, kind, cid: each.cid, providers: at, ...untold });
    }
  }
  return listed;
}

function listedLine({ name, kind, cid, providers, since, lapsesAt }: Listed): string {
  const where = kind === "register" ? `at ${providers.join(", ")}` : KINDS[kind];
  const when = since === null ? "as this home knows" : `since ${timeTextOfMs(since)}`;
  return `${name} → ${cid}  ${where}, ${when}${lapseText(lapsesAt)}`;
}

const KINDS = { ens: "in ENS", dnslink: "in DNS" } as const;
