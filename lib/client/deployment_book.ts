/**
 * The owner's own list of deployments, `<home>/deployments.json`: what `stop` needs and no gateway
 * can tell, as the published spec is readable to its providers only. It holds no secret.
 */
import { dirname, join } from "node:path";
import * as v from "valibot";
import { KhachapuriError } from "../errors.ts";
import { addressShape, hexShape, parseJson, parseShape, uintShape } from "../shape.ts";

const providerShape = v.strictObject({
  name: v.string(),
  address: addressShape,
  chainId: v.number(),
  escrow: addressShape,
  webDomain: v.string(),
  /** Highest price of one credit that its permit allows, USDC base units. */
  price: uintShape(128),
  /** ISO 8601; absent while it runs there. */
  stoppedAt: v.exactOptional(v.string()),
});

const deploymentShape = v.strictObject({
  cid: v.string(),
  id: hexShape(32),
  owner: addressShape,
  program: v.strictObject({ cid: v.string(), private: v.boolean() }),
  /** ISO 8601. */
  createdAt: v.string(),
  /** Until a gateway was seen to have it; for ever when somebody else publishes its files. */
  unpublished: v.exactOptional(v.literal(true)),
  providers: v.array(providerShape),
});

const bookShape = v.strictObject({ version: v.literal(1), deployments: v.array(deploymentShape) });

export type BookedProvider = v.InferOutput<typeof providerShape>;
export type BookedDeployment = v.InferOutput<typeof deploymentShape>;

/**
 * All deployments, oldest first; none when there is no book yet.
 * @throws KhachapuriError `invalid_config` when the file is damaged
 */
export async function readBook(home: string): Promise<BookedDeployment[]> {
  const path = bookPath(home);
  try {
    const json = parseJson(await Deno.readTextFile(path), path, "invalid_config");
    return parseShape(bookShape, json, path, "invalid_config").deployments;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** @throws KhachapuriError `not_found` */
export async function requireBooked(home: string, cid: string): Promise<BookedDeployment> {
  const found = (await readBook(home)).find((deployment) => deployment.cid === cid);
  if (found) return found;
  throw new KhachapuriError("not_found", `${cid} was not deployed from here`, {
    hints: ["only the machine that deployed it knows its id", "see khachapuri deployments"],
  });
}

/**
 * A deployment with its providers, or the one of them that is asked for.
 * @throws KhachapuriError `not_found`
 */
export async function requireBookedAt(
  home: string,
  cid: string,
  name: string | undefined,
): Promise<BookedDeployment> {
  const deployment = await requireBooked(home, cid);
  if (name === undefined) return deployment;
  const providers = deployment.providers.filter((provider) => provider.name === name);
  if (providers.length > 0) return { ...deployment, providers };
  const names = deployment.providers.map((provider) => provider.name);
  throw new KhachapuriError("not_found", `${cid} is not at ${name}`, {
    hints: [`it is at ${names.join(", ")}`],
  });
}

/** Adds a deployment, durably. */
export function book(home: string, deployment: BookedDeployment): Promise<void> {
  return changeBook(home, (deployments) => [...deployments, deployment]);
}

/** Notes that gateways have it. */
export function bookPublished(home: string, cid: string): Promise<void> {
  return changeBook(
    home,
    (deployments) =>
      deployments.map((deployment) => {
        if (deployment.cid !== cid) return deployment;
        const { unpublished: _, ...published } = deployment;
        return published;
      }),
  );
}

/** Notes that a provider took the owner's `stop`. */
export function bookStop(home: string, cid: string, name: string, at: string): Promise<void> {
  return changeBook(
    home,
    (deployments) =>
      deployments.map((deployment) =>
        deployment.cid !== cid ? deployment : {
          ...deployment,
          providers: deployment.providers.map((provider) =>
            provider.name !== name ? provider : { ...provider, stoppedAt: at }
          ),
        }
      ),
  );
}

/** One writer at a time; readers see the old book or the new one, never half of one. */
async function changeBook(
  home: string,
  change: (deployments: BookedDeployment[]) => BookedDeployment[],
): Promise<void> {
  const path = bookPath(home);
  await Deno.mkdir(dirname(path), { recursive: true, mode: 0o700 });
  using lock = await Deno.open(`${path}.lock`, { create: true, write: true, mode: 0o600 });
  await lock.lock(true);
  const deployments = change(await readBook(home)).map(toJson);
  const partial = `${path}.${crypto.randomUUID()}`;
  const text = `${JSON.stringify({ version: 1, deployments }, null, 2)}\n`;
  await Deno.writeTextFile(partial, text, { createNew: true, mode: 0o600 });
  await Deno.rename(partial, path);
}

function toJson(deployment: BookedDeployment): v.InferInput<typeof deploymentShape> {
  const providers = deployment.providers.map((entry) => ({ ...entry, price: String(entry.price) }));
  return { ...deployment, providers };
}

function bookPath(home: string): string {
  return join(home, "deployments.json");
}
