/** A deployment that was made from this home, as a command line names it. */
import type { CidText } from "../cid.ts";
import {
  type DeploymentReference,
  parseDeploymentReference,
} from "../client/deployment_reference.ts";
import {
  type OwnDeployment,
  type OwnDeploymentProvider,
  requireDeployment,
} from "../client/deployments_file.ts";
import { KhachapuriError } from "../errors.ts";

/** The cid alone, of what names a deployment. @throws KhachapuriError `usage`, `invalid_cid` */
export function cidOf(text: string): CidText {
  return parseDeploymentReference(text).cid;
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
  const { cid, provider } = parseDeploymentReference(text);
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
