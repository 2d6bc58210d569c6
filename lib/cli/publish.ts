/** `publish`: content from where it is to other places. */
import { readAllowance } from "../chain/escrow.ts";
import { resolveProvider } from "../chain/ens.ts";
import { trustedEscrow } from "../chain/deployments.ts";
import { parseCid } from "../cid.ts";
import { notePublished, readDeployments } from "../client/deployments_file.ts";
import { fetchOffer } from "../client/provider_limits.ts";
import { readCarFolder } from "../client/publishing/car_folder.ts";
import type { Destination } from "../client/publishing/destination.ts";
import { fetchDag } from "../client/publishing/fetch_dag.ts";
import { readUnpublished, sweepUnpublished } from "../client/publishing/unpublished.ts";
import { KhachapuriError } from "../errors.ts";
import { carBytes } from "../ipfs/car.ts";
import type { Dag } from "../ipfs/dag.ts";
import { CAR_SLACK_BYTES, PROGRAM_ZIP_BYTES_MAX } from "../limits.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { copiesJson, copyFailure, publishShown } from "./copies.ts";
import { destinations } from "./destinations.ts";
import { deploymentReference } from "./own_deployment.ts";
import { PUBLISHING_OPTIONS } from "./publishing_flags.ts";
import { assertTakes, type PushPlace, pushTo } from "./push_targets.ts";

/** As much as any program has. */
const DAG_BYTES = PROGRAM_ZIP_BYTES_MAX + CAR_SLACK_BYTES;

export const publish = defineCommand({
  usage: "CID|LABEL|URL [--to NAME] [--kubo URL] [--pinata] [--pin URL] [--out DIR]",
  details: [
    "Copies content from where it is to other places, and reads it back from there: to providers " +
    "that you allow credits, to an IPFS node or service, or into a folder. Of a deployment that " +
    "was made here its program goes along. Without flags it goes where deploy would have it, so " +
    "this is how to try again what failed.",
    "It is read from what your home keeps of a deployment that got nowhere, else from the " +
    "provider in the URL, the deployment's own providers and the gateways, every block checked " +
    "against its cid, or from CAR files.",
  ],
  examples: [
    "publish bafkrei… --to b.eth",
    "publish https://paolo.example/bafkrei… --kubo http://127.0.0.1:5001",
    "publish bafkrei… --from /tmp/cars --to paolo.eth --pinata",
    "publish bafkrei… --gateway https://ipfs.example --out /tmp/cars",
  ],
  options: {
    to: {
      type: "string",
      value: "NAME",
      multiple: true,
      description: "a provider by its ENS name; repeat for several",
    },
    ...PUBLISHING_OPTIONS,
    out: { type: "string", value: "DIR", description: "write CAR files there" },
    from: { type: "string", value: "DIR", description: "take it from CAR files there" },
  },
  positionals: { min: 1, max: 1 },
  async run(context, { positionals, options }) {
    const { out, home } = context;
    const { cid, provider } = await deploymentReference(home, positionals[0]!);
    const own = (await readDeployments(home)).find((deployment) => deployment.cid === cid) ?? null;
    const isNamed = context.flags.kubo !== undefined || options.out !== undefined ||
      options.pinata || options.to.length + options.pin.length > 0;
    const names = isNamed ? options.to : own?.providers.map(({ name }) => name) ?? [];
    const beside = await destinations(context, options, !isNamed);
    if (names.length + beside.length === 0) throw nowhere();
    const urls = provider !== null && "webDomain" in provider ? [provider.webDomain] : [];
    const reading = readAll(context, own ? [own.program.cid, cid] : [cid], {
      folder: options.from,
      gateways: [...urls, ...own?.providers.map(({ webDomain }) => webDomain) ?? []],
    });
    const dags = await (own?.unpublished ? reading.catch(tellNowhere) : reading);
    const places = [...await pushPlaces(context, names, dags), ...beside];
    const copies = await publishShown(out, cid, places, dags);
    const failure = copyFailure(cid, copies);
    const isThere = copies.some(({ to, error }) => error === null && to.reach !== "files");
    if (own && isThere) {
      await notePublished(home, cid);
      await sweepUnpublished(home);
    }
    out.result({ cid, program: own?.program.cid ?? null, copies: copiesJson(copies) }, [
      ...copies.filter(({ error }) => error === null).map(({ to }) => `${cid} is at ${to.name}`),
    ]);
    if (failure) throw failure;
  },
});

interface Sources {
  folder: string | undefined;
  /** Asked before the configured ones. */
  gateways: readonly string[];
}

async function readAll(
  context: CommandContext,
  cids: readonly string[],
  { folder, gateways }: Sources,
): Promise<Dag[]> {
  const config = await context.config();
  const dags: Dag[] = [];
  for (const cid of cids) {
    context.out.progress(`reading ${cid}`);
    const root = parseCid(cid);
    const bytesMax = DAG_BYTES;
    const dag = folder === undefined
      ? await readUnpublished(context.home, root, bytesMax) ??
        await fetchDag(root, { gateways: [...gateways, ...config.gateways], bytesMax })
      : await readCarFolder(folder, root, bytesMax);
    dags.push(dag);
  }
  return dags;
}

function tellNowhere(error: unknown): never {
  if (!(error instanceof KhachapuriError) || error.code !== "not_found") throw error;
  const hint =
    "it was never published, and its files are not kept here: give the folder of --out " +
    "as --from DIR, or deploy it again";
  throw error.toldWith({ hints: [hint] });
}

async function pushPlaces(
  context: CommandContext,
  names: readonly string[],
  dags: readonly Dag[],
): Promise<Destination[]> {
  if (names.length === 0) return [];
  const account = await context.account();
  const bytes = Math.max(...dags.map(carBytes));
  const places: Destination[] = [];
  for (const name of names) {
    const place = await pushPlace(context, name, account.address);
    await assertTakes(context, account.address, place, { bytes, ownerPays: false });
    places.push(pushTo(account, place));
  }
  return places;
}

async function pushPlace(
  context: CommandContext,
  name: string,
  owner: Parameters<typeof readAllowance>[2],
): Promise<PushPlace> {
  context.out.progress(`resolving ${name}`);
  const [chain, contracts] = await Promise.all([context.chain(), context.contracts()]);
  const record = await resolveProvider(chain, name, contracts);
  const { chainId } = chain;
  const escrow = trustedEscrow(record, { chainId, escrow: contracts.escrow });
  const [{ content }, held] = await Promise.all([
    fetchOffer(record.webDomain),
    readAllowance(chain, escrow, owner, record.address),
  ]);
  return { record, chainId, escrow, content, held };
}

function nowhere(): KhachapuriError {
  return new KhachapuriError("usage", "where to?", {
    hints: [
      "--to NAME, --kubo URL, --pinata, --pin URL or --out DIR",
      "or list some in config.json",
    ],
  });
}
