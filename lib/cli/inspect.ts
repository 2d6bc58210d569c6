/** `inspect`: what a deployment's spec says, without its secrets. */
import { parseCid } from "../cid.ts";
import { requireDeployment } from "../client/deployments_file.ts";
import { resolveFromHome } from "../config.ts";
import { KhachapuriError } from "../errors.ts";
import { UINT128_MAX, UINT64_MAX } from "../permit.ts";
import { readKeyFile } from "../spec/keys.ts";
import { type Spec, specToJson } from "../spec/schema.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { deploymentReference } from "./own_deployment.ts";
import { fetchSpec } from "./spec.ts";

export const inspect = defineCommand({
  usage: "CID|LABEL|URL",
  details: [
    "With the provider's age identity (its key file, or --keys FILE): decrypts the spec, checks " +
    "it and shows it with its secrets masked.",
    "For the developer, who can't decrypt it: what deploy noted about it, with what was signed " +
    "and the names of its environment; the values are in the spec alone.",
  ],
  examples: ["inspect bafkrei…", "inspect bafkrei… --keys /etc/khachapuri/keys.json"],
  options: {},
  positionals: { min: 1, max: 1 },
  async run(context, { positionals }) {
    const { cid: text } = await deploymentReference(context.home, positionals[0]!);
    const cid = parseCid(text);
    const identities = await identitiesOf(context);
    if (identities.length === 0) return show(context, await requireDeployment(context.home, text));
    const spec = await fetchSpec(context, cid, identities);
    if (spec === null) return show(context, await requireDeployment(context.home, text));
    show(context, maskedSpec(spec));
  },
});

async function identitiesOf(context: CommandContext): Promise<string[]> {
  const config = await context.config();
  const path = context.flags.keys === undefined && config.provider
    ? resolveFromHome(config, config.provider.keyFile)
    : context.keysPath;
  try {
    return (await readKeyFile(path)).identities ?? [];
  } catch (error) {
    if (error instanceof KhachapuriError && error.code === "not_found") return [];
    throw error;
  }
}

function show({ out }: CommandContext, value: object): void {
  out.result(value, [JSON.stringify(value, forPeople, 2)]);
}

/** A JSON replacer: the largest values of their types bound nothing, and are no numbers to read. */
function forPeople(_: string, item: unknown): unknown {
  const text = typeof item === "bigint" ? String(item) : item;
  if (text === String(UINT128_MAX)) return "unlimited";
  return text === String(UINT64_MAX) ? "never" : text;
}

/** A spec's JSON without its secrets: the program's key, values of env, permits' signatures. */
export function maskedSpec(spec: Spec): object {
  const json = specToJson(spec);
  const { key, ...program } = json.program;
  return {
    ...json,
    program: key === undefined ? program : { ...program, key: "(hidden)" },
    env: Object.fromEntries(Object.keys(json.env).map((name) => [name, "(hidden)"])),
    providers: json.providers.map((entry) => ({
      ...entry,
      permit: { ...entry.permit, signature: "(hidden)" },
    })),
  };
}
