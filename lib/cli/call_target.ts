/** Which provider a call goes to: by name, by the URL it serves at, or by what was deployed. */
import type { CallTarget } from "../client/call.ts";
import { type OwnDeployment, readDeployments } from "../client/deployments_file.ts";
import { fetchProviderName } from "../client/provider_name.ts";
import { KhachapuriError } from "../errors.ts";
import { deploymentReference, isNamed } from "./own_deployment.ts";

/**
 * The target of `call`. A URL's provider is known by its name, which its front page says and the
 * chain confirms; a bare cid, or what it is called, is one that was deployed from here.
 * @throws KhachapuriError `usage`, `invalid_cid`, `not_found`, `provider_unavailable`
 */
export async function callTarget(home: string, text: string): Promise<CallTarget> {
  const { cid, path, provider } = await deploymentReference(home, text);
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
