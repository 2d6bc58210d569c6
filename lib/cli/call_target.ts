/** Which deployment a call goes to, at which provider: by cid, by name, or by what was deployed. */
import { resolveProvider } from "../chain/ens.ts";
import type { CallTarget } from "../client/call.ts";
import {
  type DeploymentReference,
  parseDeploymentReference,
} from "../client/deployment_reference.ts";
import { type OwnDeployment, readDeployments } from "../client/deployments_file.ts";
import { type NameReference, nameReferences } from "../client/name_reference.ts";
import { fetchProviderName } from "../client/provider_name.ts";
import { askName } from "../client/registered_name.ts";
import { type ErrorCode, KhachapuriError } from "../errors.ts";
import type { CommandContext } from "./command.ts";
import { deploymentReference, isNamed } from "./own_deployment.ts";

/**
 * The target of `call`. A URL's provider is known by its name, which its front page says and the
 * chain confirms; a name is what its provider says that it leads to now, and that deployment is
 * called by its cid, so that nothing else is paid for if the name moves meanwhile. A bare cid, or
 * what it is called, is one that was deployed from here.
 * @throws KhachapuriError `usage`, `invalid_cid`, `not_found`, `provider_unavailable`; why a
 *   provider can't say what a name leads to
 */
export async function callTarget(context: CommandContext, text: string): Promise<CallTarget> {
  const { home } = context;
  const byName = isOfCid(text) ? null : await askedByName(context, text);
  if (byName?.reference) return await targetOf(home, byName.reference, text);
  const own = deploymentReference(home, text).catch((error) => {
    const { refusal } = byName ?? {};
    throw refusal?.toldWith({ hints: [...refusal.hints, ...error.hints] }) ?? error;
  });
  return await targetOf(home, await own, text);
}

function isOfCid(text: string): boolean {
  try {
    parseDeploymentReference(text);
    return true;
  } catch {
    return false;
  }
}

async function targetOf(
  home: string,
  { cid, path, provider }: DeploymentReference,
  text: string,
): Promise<CallTarget> {
  if (provider && "name" in provider) return { name: provider.name, cid, path };
  const own = (await readDeployments(home)).find((deployment) => deployment.cid === cid);
  if (!provider) return { name: onlyProvider(own, text), cid, path };
  const known = own?.providers.find((each) => isNamed(each, provider));
  if (known) return { name: known.name, cid, path };
  const { webDomain } = provider;
  return { name: await fetchProviderName(webDomain), cid, path, webDomain };
}

/** @throws KhachapuriError `usage` unless it runs at one provider */
function onlyProvider(own: OwnDeployment | undefined, text: string): string {
  const running = own?.providers.filter(({ stoppedAt }) => stoppedAt === undefined) ?? [];
  if (running.length === 1) return running[0]!.name;
  const names = running.map(({ name }) => `${name}/${own!.cid}`);
  throw new KhachapuriError("usage", `which provider shall run it? ${text} does not say`, {
    hints: names.length > 0 ? names : ["write NAME/CID, or the URL that deploy printed"],
  });
}

/** The deployment that a name leads to, or why it is none, where one is written. */
type AskedByName =
  | { readonly reference: DeploymentReference; readonly refusal?: never }
  | { readonly reference?: never; readonly refusal: KhachapuriError };

/** What a name is refused with that nobody has there: it may be a word of this home. */
const NOBODYS: ReadonlySet<ErrorCode> = new Set(["not_found", "invalid_name"]);

/** Asks wherever the text may name one; null: it names none. */
async function askedByName(context: CommandContext, text: string): Promise<AskedByName | null> {
  let unavailable: KhachapuriError | null = null;
  for (const each of nameReferences(text)) {
    try {
      return { reference: await leadsTo(context, each) };
    } catch (error) {
      if (!(error instanceof KhachapuriError)) throw error;
      if (NOBODYS.has(error.code)) return { refusal: error };
      // Of a URL's places most are no provider's.
      if (error.code !== "provider_unavailable" || "name" in each.provider) throw error;
      unavailable ??= error;
    }
  }
  return unavailable && { refusal: notTold(text, unavailable) };
}

async function leadsTo(
  context: CommandContext,
  { provider, name, path }: NameReference,
): Promise<DeploymentReference> {
  const { out } = context;
  const where = "name" in provider ? provider.name : provider.webDomain;
  out.progress(`asking ${where} where ${name} leads`);
  const { cid, isStale } = await askName(await domainOf(context, provider), name);
  if (cid === null) throw new KhachapuriError("not_found", `${where}: nobody has the name ${name}`);
  out.note(`${name} at ${where} leads to ${cid}${isStale ? ", as it last heard" : ""}`);
  return { cid, path, provider };
}

async function domainOf(
  context: CommandContext,
  provider: NameReference["provider"],
): Promise<string> {
  if ("webDomain" in provider) return provider.webDomain;
  const [chain, contracts] = await Promise.all([context.chain(), context.contracts()]);
  return (await resolveProvider(chain, provider.name, contracts)).webDomain;
}

/** A deployment's own domain answers as its program does, and names no provider. */
function notTold(text: string, cause: KhachapuriError): KhachapuriError {
  const message = `no provider says where ${text} leads: ${cause.shortMessage}`;
  return new KhachapuriError("provider_unavailable", message, {
    cause,
    hints: ["a domain of its own does not say whose provider it is at: PROVIDER/www.example.com"],
  });
}
