/**
 * The deployments that were made from this home, `<home>/deployments.json`. `stop` needs a
 * deployment's id, which no gateway can tell: the published spec is readable to its providers only.
 * The file holds no secret.
 */
import { join } from "node:path";
import * as v from "valibot";
import { KhachapuriError } from "../errors.ts";
import { type HomeFile, openHomeFile } from "../home_file.ts";
import { addressShape, hexShape, parseShape, uintShape } from "../shape.ts";
import { aboutShape } from "../spec/about.ts";
import { corsShape } from "../spec/cors.ts";
import { serverShape } from "../spec/server.ts";

const providerShape = v.strictObject({
  name: v.string(),
  address: addressShape,
  chainId: v.number(),
  escrow: addressShape,
  webDomain: v.string(),
  /** Highest price of one credit that its permit allows, USDC base units. */
  price: uintShape(128),
  /** The permit's; files from before epochs do not say it. */
  epoch: v.optional(v.number(), 0),
  /** Why the provider would refuse calls to it, as its rehearsal said. */
  refused: v.exactOptional(v.string()),
  /** ISO 8601; absent while it runs there. */
  stoppedAt: v.exactOptional(v.string()),
});

/** Of a spec what its owner signed and no secret is in; files from before it was kept lack it. */
const signedShape = v.strictObject({
  interface: v.string(),
  /** Of interface "http" alone. */
  server: v.exactOptional(serverShape),
  /** The names of its environment, whose values are secret; older files do not say them. */
  env: v.exactOptional(v.array(v.string())),
  access: v.string(),
  egress: v.array(v.string()),
  limits: v.strictObject({
    timeoutMs: v.number(),
    memoryMb: v.number(),
    concurrency: v.number(),
    ownerCreditsPerMinute: v.number(),
    /** Absent where it is one. */
    credits: v.exactOptional(v.number()),
  }),
  /** What anybody may know of it. */
  about: v.exactOptional(aboutShape),
  /** Which web pages may read its answers. */
  cors: v.exactOptional(corsShape),
});

/**
 * Flags of a command line by their names, without the values of its environment, so that the same
 * can be deployed again. Which there are is for the release that reads them to know.
 */
const flagsShape = v.record(
  v.string(),
  v.union([v.literal(true), v.string(), v.array(v.string())]),
);

const notedShape = v.strictObject({
  cid: v.string(),
  /** The names that lead to it, the first of which is its main one. */
  labels: v.exactOptional(v.array(v.string())),
  /** Of files from before there were several. */
  label: v.exactOptional(v.string()),
  id: hexShape(32),
  owner: addressShape,
  program: v.strictObject({
    cid: v.string(),
    private: v.boolean(),
    /** Its folder's name, for people; files from before it was noted do not say it. */
    name: v.exactOptional(v.string()),
    /** Absolute; noted with `flags`. */
    dir: v.exactOptional(v.string()),
    entrypoint: v.exactOptional(v.string()),
  }),
  signed: v.exactOptional(signedShape),
  /** What it was deployed with; files from before it was noted do not say it. */
  flags: v.exactOptional(flagsShape),
  /** The cid of the deployment that it was deployed in place of, by `redeploy`. */
  replaces: v.exactOptional(v.string()),
  /** ISO 8601. */
  createdAt: v.string(),
  /** Absent once it was published; stays where `--out` wrote files for somebody to publish. */
  unpublished: v.exactOptional(v.literal(true)),
  providers: v.array(providerShape),
});

const deploymentShape = v.pipe(
  notedShape,
  v.transform(({ label, ...noted }) => label === undefined ? noted : { ...noted, labels: [label] }),
);

const fileShape = v.strictObject({ version: v.literal(1), deployments: v.array(deploymentShape) });

export type NotedFlags = v.InferOutput<typeof flagsShape>;
export type OwnDeploymentProvider = v.InferOutput<typeof providerShape>;
/** A deployment that was made from this home. */
export type OwnDeployment = v.InferOutput<typeof deploymentShape>;

/**
 * All deployments, oldest first; none when there is no file yet.
 * @throws KhachapuriError `invalid_config` when the file is damaged
 */
export async function readDeployments(home: string): Promise<readonly OwnDeployment[]> {
  return await deploymentsFile(home).read();
}

/** @throws KhachapuriError `not_found` */
export async function requireDeployment(home: string, cid: string): Promise<OwnDeployment> {
  const deployments = await readDeployments(home);
  const found = deployments.find((deployment) => deployment.cid === cid);
  if (found) return found;
  const meant = deployments.filter((deployment) => isAlike(deployment.cid, cid));
  throw new KhachapuriError("not_found", `${cid} was not deployed from here`, {
    hints: [
      ...meant.map((deployment) => `did you mean ${deployment.cid}?`),
      "only the machine that deployed it knows its id",
      "see khachapuri deployments",
    ],
  });
}

/** Whether one was written for the other: a wrong letter leaves one of the halves as it was. */
function isAlike(one: string, other: string): boolean {
  const half = one.length >> 1;
  return one.slice(0, half) === other.slice(0, half) || one.slice(half) === other.slice(half);
}

/** Adds a deployment; it is on disk when this returns. */
export function addDeployment(home: string, deployment: OwnDeployment): Promise<void> {
  return deploymentsFile(home).change((deployments) => [...deployments, deployment]);
}

/** Notes that gateways have it. */
export function notePublished(home: string, cid: string): Promise<void> {
  return deploymentsFile(home).change((deployments) =>
    deployments.map((deployment) => {
      if (deployment.cid !== cid) return deployment;
      const { unpublished: _, ...published } = deployment;
      return published;
    })
  );
}

/** The names that lead to it, the main one first. */
export function labelsOf({ labels = [] }: Pick<OwnDeployment, "labels">): readonly string[] {
  return labels;
}

/** Notes that a name leads to it as well, and to none that it led to before. */
export function noteLabel(home: string, cid: string, label: string): Promise<void> {
  return deploymentsFile(home).change((deployments) =>
    deployments.map((deployment) =>
      deployment.cid === cid ? withLabel(deployment, label) : without(deployment, label)
    )
  );
}

/** Notes that a name leads to none of them any more. */
export function forgetLabel(home: string, label: string): Promise<void> {
  return deploymentsFile(home).change((deployments) =>
    deployments.map((deployment) => without(deployment, label))
  );
}

function withLabel(deployment: OwnDeployment, label: string): OwnDeployment {
  const labels = labelsOf(deployment);
  return labels.includes(label) ? deployment : { ...deployment, labels: [...labels, label] };
}

function without(deployment: OwnDeployment, label: string): OwnDeployment {
  const { labels: _, ...unnamed } = deployment;
  const labels = labelsOf(deployment).filter((each) => each !== label);
  return labels.length === 0 ? unnamed : { ...unnamed, labels };
}

/** Notes in place of which one it was deployed. */
export function noteReplaces(home: string, cid: string, replaces: string): Promise<void> {
  return deploymentsFile(home).change((deployments) =>
    deployments.map((deployment) =>
      deployment.cid === cid ? { ...deployment, replaces } : deployment
    )
  );
}

/** Notes that a provider took the owner's `stop`. */
export function noteStopped(home: string, cid: string, name: string, at: string): Promise<void> {
  return changeProvider(home, cid, name, (provider) => ({ ...provider, stoppedAt: at }));
}

/** Notes that a provider would refuse calls to it, whoever pays. */
export function noteRefused(home: string, cid: string, name: string, why: string): Promise<void> {
  return changeProvider(home, cid, name, (provider) => ({ ...provider, refused: why }));
}

/** Notes the terms of a permit that a provider took; of two it keeps the one that pays for more. */
export function noteRenewed(
  home: string,
  cid: string,
  name: string,
  { price, epoch }: Pick<OwnDeploymentProvider, "price" | "epoch">,
): Promise<void> {
  return changeProvider(home, cid, name, (provider) => {
    const isMore = epoch > provider.epoch || (epoch === provider.epoch && price > provider.price);
    return isMore ? { ...provider, price, epoch } : provider;
  });
}

function changeProvider(
  home: string,
  cid: string,
  name: string,
  change: (provider: OwnDeploymentProvider) => OwnDeploymentProvider,
): Promise<void> {
  return deploymentsFile(home).change((deployments) =>
    deployments.map((deployment) =>
      deployment.cid !== cid ? deployment : {
        ...deployment,
        providers: deployment.providers.map((provider) =>
          provider.name === name ? change(provider) : provider
        ),
      }
    )
  );
}

function deploymentsFile(home: string): HomeFile<readonly OwnDeployment[]> {
  return openHomeFile<readonly OwnDeployment[]>(join(home, "deployments.json"), {
    empty: [],
    parse: (json, path) => parseShape(fileShape, json, path, "invalid_config").deployments,
    toJson: (deployments) => ({ version: 1, deployments: deployments.map(toJson) }),
  });
}

function toJson(deployment: OwnDeployment): v.InferInput<typeof deploymentShape> {
  const providers = deployment.providers.map((entry) => ({ ...entry, price: String(entry.price) }));
  return { ...deployment, providers };
}
