/** A deployment that was made from this home, as a command line names it. */
import { type CidText, formatCid, parseCid } from "../cid.ts";
import { callableWords, calledDeployment } from "../client/called_deployment.ts";
import {
  type DeploymentReference,
  parseDeploymentReference,
} from "../client/deployment_reference.ts";
import {
  type OwnDeployment,
  type OwnDeploymentProvider,
  readDeployments,
  requireDeployment,
} from "../client/deployments_file.ts";
import { KhachapuriError } from "../errors.ts";
import { suggestionHints } from "./suggest.ts";

/** The cid alone, of what names any deployment. @throws KhachapuriError `usage`, `invalid_cid` */
export function cidOf(text: string): CidText {
  return parseDeploymentReference(text).cid;
}

/**
 * What names a deployment: all that `parseDeploymentReference` reads, and of those that were
 * deployed from here also what they are called (`calledDeployment`), in place of the cid.
 * @throws KhachapuriError `usage`, `invalid_cid`, `not_found`
 */
export async function deploymentReference(
  home: string,
  text: string,
): Promise<DeploymentReference> {
  try {
    return parseDeploymentReference(text);
  } catch (error) {
    if (!(error instanceof KhachapuriError)) throw error;
    const own = await readDeployments(home);
    const words = wordsIn(own, text);
    for (const each of words) {
      const called = byWord(own, each);
      if (called) return called;
    }
    throw unknownWord(own, text, words) ?? error;
  }
}

/** A text, read as one that names a deployment by what it is called. */
interface WordReference {
  readonly word: string;
  readonly path: string;
  readonly provider: DeploymentReference["provider"];
}

/** How a text may be read: `WORD`, `NAME/WORD`, `https://provider/WORD`, `https://WORD.provider`. */
function wordsIn(own: readonly OwnDeployment[], text: string): WordReference[] {
  const providers = own.flatMap(({ providers }) => providers);
  const hosts = new Set(providers.map(({ webDomain }) => webDomain));
  const names = new Set(providers.map(({ name }) => name));
  return [
    wordReference(text, null),
    ...[...names].filter((name) => text.startsWith(`${name}/`))
      .map((name) => wordReference(text.slice(name.length + 1), { name })),
    ...[...hosts].map((webDomain) => urlReference(text, webDomain)),
  ].filter((each) => each !== null);
}

function urlReference(text: string, webDomain: string): WordReference | null {
  if (text.startsWith(`${webDomain}/`)) {
    return wordReference(text.slice(webDomain.length + 1), { webDomain });
  }
  const { protocol, host } = new URL(webDomain);
  if (!text.startsWith(`${protocol}//`)) return null;
  const [, label, parent, behind] = /^([^.:/]+)\.([^/?#]+)([^]*)$/
    .exec(text.slice(`${protocol}//`.length)) ?? [];
  return parent === host ? wordReference(`${label}${behind}`, { webDomain }) : null;
}

/** `WORD[/path][?query]`; a fragment is the client's own and goes nowhere. */
function wordReference(
  text: string,
  provider: DeploymentReference["provider"],
): WordReference | null {
  const [, word, path] = /^([^/?#\s]+)((?:\/[^?#]*)?(?:\?[^#]*)?)(?:#[^]*)?$/.exec(text) ?? [];
  return word === undefined ? null : { word, path: path!, provider };
}

function byWord(
  own: readonly OwnDeployment[],
  { word, path, provider }: WordReference,
): DeploymentReference | null {
  const there = own.filter(({ providers }) => providers.some((each) => isNamed(each, provider)));
  const called = calledDeployment(there, word);
  return called && { cid: formatCid(parseCid(called.cid)), path, provider };
}

/** So begin cids, and no name: what is wrong with one is told of it. */
function isMeantAsCid(word: string): boolean {
  return /^baf[ky](?:.{6}|.*(?:…|\.\.))|^qm[a-z0-9]{40}/i.test(word);
}

/** null for what was meant for a cid, a URL, or a provider that nothing was deployed to. */
function unknownWord(
  own: readonly OwnDeployment[],
  text: string,
  words: readonly WordReference[],
): KhachapuriError | null {
  if (/:\/\/|^[^/?#]*\.[^/?#]*\//.test(text) && words.length < 2) return null;
  const word = words.at(-1)?.word;
  if (word === undefined || isMeantAsCid(word)) return null;
  return new KhachapuriError("not_found", `nothing that was deployed from here is called ${word}`, {
    hints: [
      ...suggestionHints(word, callableWords(own), "see khachapuri deployments"),
      "write its name, its folder, its cid, NAME/CID, or the URL that deploy printed",
    ],
  });
}

/**
 * The deployment with its providers: all of them, or the one that the reference or `--provider`
 * names.
 * @throws KhachapuriError `usage`, `invalid_cid`, `not_found`
 */
export async function ownDeployment(
  home: string,
  text: string,
  flag: string | undefined,
): Promise<OwnDeployment> {
  const { cid, provider } = await deploymentReference(home, text);
  const deployment = await requireDeployment(home, cid);
  const providers = deployment.providers.filter((each) =>
    isNamed(each, provider) && (flag === undefined || each.name === flag)
  );
  if (providers.length > 0) return { ...deployment, providers };
  const names = deployment.providers.map(({ name }) => name).join(", ");
  const place = flag ?? (provider && "name" in provider ? provider.name : provider?.webDomain);
  throw new KhachapuriError("not_found", `${cid} was not deployed to ${place}`, {
    hints: [`it is at ${names}: give its cid, or --provider NAME`],
  });
}

/** Whether a reference names this provider; one without a provider names all. */
export function isNamed(
  { name, webDomain }: OwnDeploymentProvider,
  named: DeploymentReference["provider"],
): boolean {
  if (named === null) return true;
  return "name" in named ? named.name === name : named.webDomain === webDomain;
}
