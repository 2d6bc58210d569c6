/** From a name, as a command line has it, to where it is said what the name points to. */
import { isAddressEqual, zeroAddress } from "viem";
import { parseName } from "../chain/name.ts";
import { readOpenClaims, readOwner } from "../chain/registry.ts";
import { KhachapuriError } from "../errors.ts";
import { nameServersOf, parseNameServer } from "../name_server.ts";
import { nameIn, type NameKind } from "../provider/http/name_text.ts";
import { DnsClient } from "../provider/naming/dns_client.ts";
import { assertLabel } from "../spec/name_label.ts";
import type { CommandContext } from "./command.ts";
import { nameAtProvider, type NamedProvider } from "./name_at_provider.ts";
import { nameInDns } from "./name_in_dns.ts";
import { nameOnChain } from "./name_on_chain.ts";
import type { NamePlace } from "./name_place.ts";
import { nameSource, registryOf } from "./name_source.ts";
import { nameUrl } from "./name_url.ts";
import { addressOf } from "./parties.ts";

/** A name in its one spelling, and where it is said what it points to. */
export interface Name {
  kind: NameKind;
  text: string;
}

/** The flags that say where and how a name is moved. */
export const NAME_OPTIONS = {
  "public-resolver": {
    type: "string",
    value: "ADDRESS",
    description: "of ENS: set the record at this resolver, and have the name point to it",
  },
  "replace-resolver": {
    type: "boolean",
    description: "of ENS: take the place of a resolver that has no contenthash",
  },
  dns: {
    type: "string",
    value: "IP[:PORT]",
    description: "of DNS: ask this name server (default: this machine's)",
  },
} as const;

export interface NameFlags {
  "public-resolver"?: string | undefined;
  "replace-resolver"?: boolean | undefined;
  dns?: string | undefined;
}

const RESOLV_CONF = "/etc/resolv.conf";

/**
 * What is wrong with a name by its text alone, whoever may have it.
 * @throws KhachapuriError `invalid_name`
 */
export function assertName(text: string): void {
  if (!text.includes(".")) return assertLabel(text.toLowerCase());
  // A Registry of our own has names of more forms than DNS, and of any ending.
  if (nameIn(text) === null) parseName(text);
}

/**
 * What kind of a name a text is: a label of a provider's register has no dot; `.eth` is ENS's, and
 * so is what stands below a name that our own Registry has; all else is DNS's.
 * @throws KhachapuriError `invalid_name`; `chain_unavailable`
 */
export async function nameOf(context: CommandContext, text: string): Promise<Name> {
  assertName(text);
  if (!text.includes(".")) return { kind: "register", text: text.toLowerCase() };
  const name = nameIn(text);
  if (name?.kind === "ens") return { kind: "ens", text: name.name };
  if (await isInOwnRegistry(context, text)) return { kind: "ens", text: parseName(text).text };
  if (name) return { kind: "dnslink", text: name.name };
  throw new KhachapuriError("invalid_name", `${JSON.stringify(text)} is no name`, {
    hints: ["a label of a provider: blog; a name of ENS: blog.eth; a domain: www.example.com"],
  });
}

/** Whether the name's last label is one that a Registry of ours has given to somebody. */
async function isInOwnRegistry(context: CommandContext, text: string): Promise<boolean> {
  if (!(await context.config()).rpc?.length) return false;
  const [chain, { registry }] = await Promise.all([context.chain(), nameSource(context)]);
  if (!registry || await readOpenClaims(chain, registry) === null) return false;
  const { node } = parseName(text.split(".").at(-1)!);
  return !isAddressEqual(await readOwner(chain, registry, node), zeroAddress);
}

/**
 * Where it is said what the name points to: one place, or each provider's register.
 * @throws KhachapuriError `usage`, `invalid_config`, `chain_unavailable`
 */
export async function placesOf(
  context: CommandContext,
  { kind, text }: Name,
  providers: readonly NamedProvider[],
  flags: NameFlags,
): Promise<NamePlace[]> {
  if (kind === "register") return providers.map((provider) => nameAtProvider(text, provider));
  if (kind === "dnslink") return [nameInDns(text, dnsClient(flags.dns))];
  const given = flags["public-resolver"];
  const [chain, source, registry] = await Promise.all([
    context.chain(),
    nameSource(context),
    registryOf(context),
  ]);
  return [nameOnChain(text, {
    chain,
    source,
    registry,
    publicResolver: given === undefined ? null : addressOf(given, "--public-resolver"),
    replacesResolver: flags["replace-resolver"] ?? false,
  })];
}

function dnsClient(server: string | undefined): DnsClient {
  return new DnsClient({
    servers: async () =>
      server === undefined
        ? nameServersOf(await Deno.readTextFile(RESOLV_CONF).catch(() => ""))
        : [parseNameServer(server)],
  });
}

/** Where a deployment is called by the name at a provider, and by the name alone. */
export function urlsOf(
  { kind, text }: Name,
  providers: readonly { webDomain: string }[],
): string[] {
  const paths = providers.map(({ webDomain }) => nameUrl(webDomain, text));
  return kind === "dnslink" ? [`https://${text}/`, ...paths] : paths;
}
