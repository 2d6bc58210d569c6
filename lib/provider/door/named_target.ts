/** From a name that a request calls to the deployment that it points to now. */
import { addressPrefix } from "../http/address_prefix.ts";
import type { NameKind } from "../http/name_text.ts";
import type { HttpRequest } from "../http/request.ts";
import type { DeploymentTarget, NameTarget, Payer, ProviderTarget } from "../http/target.ts";
import { type Names, pointsNowhere } from "../naming/names.ts";

type Sender = Pick<HttpRequest, "sender">;

/**
 * Whom a request to a name is for. A host that nobody has pointed here, or of which that cannot be
 * found out now, may be the provider's own under another name: it is served as that.
 * @throws KhachapuriError `not_found` where the name points to nothing, and why that is not known
 */
export async function pointedAt(
  names: Names,
  asked: NameTarget,
  { sender }: Sender,
): Promise<DeploymentTarget | ProviderTarget> {
  const { at, kind, name, mount, path, otherwise } = asked;
  const found = names.cidOf(kind, name, sender.address);
  const cid = await (otherwise === null ? found : found.catch(() => null));
  if (cid !== null) return { form: at, cid, name, mount, path, ...notes(names, asked, sender) };
  if (otherwise === null) throw nowhere(names, kind, name);
  const next = otherwise();
  return next.form === "name" ? await pointedAt(names, next, { sender }) : next;
}

/** Names of the register are owners' own; of the others those that calls are paid by are kept. */
function notes(
  names: Names,
  { kind, name }: NameTarget,
  { address }: Sender["sender"],
): Pick<DeploymentTarget, "onPaid"> {
  if (kind === "register") return {};
  // Where the owner pays it was the caller that chose the name, not the owner.
  const chooser = ({ source, payer }: Payer) =>
    source === "caller" ? payer : addressPrefix(address);
  return { onPaid: (payer) => names.notePaid({ kind, name }, chooser(payer)) };
}

function nowhere(names: Names, kind: NameKind, name: string) {
  return pointsNowhere(kind, name, names.whyNot(kind, name));
}
