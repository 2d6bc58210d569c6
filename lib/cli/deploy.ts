/** `deploy`, also `deno task deploy-spec`: from a program folder to a deployment cid. */
import { basename, join, resolve } from "node:path";
import type { Address } from "viem";
import { resolveProvider } from "../chain/ens.ts";
import { readAllowance } from "../chain/escrow.ts";
import { trustedEscrow } from "../chain/deployments.ts";
import { parseUsdc } from "../chain/usdc.ts";
import { addDeployment, notePublished, type OwnDeployment } from "../client/deployments_file.ts";
import {
  type DeployTarget,
  deployTarget,
  publishDeployment,
  sealDeployment,
  type SealedDeployment,
  type SigningTarget,
  type SpecChoices,
} from "../client/deploy.ts";
import {
  assertNoSecrets,
  assertStartable,
  type PackedProgram,
  packForDeployment,
} from "../client/packed_program.ts";
import {
  assertMayCall,
  assertMayTake,
  assertTakesServers,
  fetchOffer,
  instanceFaults,
  leastOf,
  limitFaults,
  type RunLimits,
} from "../client/provider_limits.ts";
import { assertHasRuntime } from "../client/provider_runtimes.ts";
import { KhachapuriError } from "../errors.ts";
import { writeCar } from "../ipfs/car.ts";
import { createFetcher } from "../ipfs/gateway.ts";
import { publish } from "../ipfs/publish.ts";
import { pause } from "../pause.ts";
import { signingEpoch } from "../permit.ts";
import { creditsMax } from "../spec/credits.ts";
import { requestsAtOnce, serverOf, serverToJson } from "../spec/server.ts";
import { agree } from "./agree.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { costLines, paymentFault, type Placed, unpaidLines } from "./deploy_costs.ts";
import { noteLeftOut } from "./left_out_note.ts";
import { PROGRAM_OPTIONS, programChoices, wholeNumber } from "./program_flags.ts";
import { noteServer } from "./server_note.ts";

/** Of a program that is started for each call. */
const RUNS_AT_ONCE_DEFAULT = 8;

const OPTIONS = {
  provider: {
    type: "string",
    value: "NAME",
    multiple: true,
    required: true,
    description: "ENS name of a provider; repeat for several",
  },
  ...PROGRAM_OPTIONS,
  private: { type: "boolean", description: "encrypt the program, too" },
  "allow-secret": {
    type: "string",
    value: "PATH",
    multiple: true,
    description: "publish this file though it looks secret; repeat for several",
  },
  access: {
    type: "string",
    value: "WHO",
    choices: ["public", "payer"],
    description: "public (default: you pay for callers who bring no permit) or payer",
  },
  concurrency: {
    type: "string",
    value: "N",
    description: "calls at the same time (default 8; of a server what its instances take, to 64)",
  },
  "owner-credits-per-minute": {
    type: "string",
    value: "N",
    description: "most that strangers can make you pay for in a minute (default 600)",
  },
  "max-price": {
    type: "string",
    value: "USDC",
    description: "most that your permit allows a credit to cost (default: today's price)",
  },
  "accept-terms": { type: "boolean", description: "agree to the providers' terms unasked" },
  out: { type: "string", value: "DIR", description: "write CAR files there; publish nothing" },
} as const;

export const deploy = defineCommand({
  usage: "DIR --provider NAME [flags]",
  details: [
    "Packs DIR, shows you the provider's terms, signs them with the spec, encrypts the spec to " +
    "the provider and publishes both. The program is public unless --private; the spec with its " +
    "environment is readable to the provider only.",
    "What it may cost you is bounded by what you allow the provider: see khachapuri allow.",
  ],
  examples: [
    "deploy samples/hello --provider paolo.eth",
    "deploy . --provider paolo.eth --env-file ../env --private --accept-terms",
    "deploy . --provider paolo.eth --env-file ../env --egress api.example.com:443",
    "deploy . --provider paolo.eth --credits 40",
    "deploy . --provider paolo.eth --interface http --entrypoint server.js --server-port 3000",
    "deploy . --provider a.eth --provider b.eth --access payer --out /tmp/cars",
  ],
  options: OPTIONS,
  positionals: { min: 1, max: 1 },
  async run(context, { options, positionals }) {
    const { out, home } = context;
    const choices = await specChoices(options);
    if (options.out === undefined) await requireKubo(context);
    const dir = positionals[0]!;
    out.progress(`packing ${dir}`);
    const program = await packForDeployment(
      dir,
      options.private,
      choices,
      options["env-file"] ?? null,
    );
    assertNoSecrets(program.secrets, options["allow-secret"], options.private);
    await noteServer(context, dir, options);
    await noteLeftOut(context, dir, program.leftOut);
    assertStartable(program.start, null);
    const cap = options["max-price"] === undefined ? null : parseUsdc(options["max-price"]);
    const targets: DeployTarget[] = [];
    for (const name of options.provider) targets.push(await target(context, name, cap));
    const given: RunLimits[] = [];
    for (const each of targets) given.push(await assertFit(context, each, program, choices));
    for (const { record } of targets) await agree(context, record, options["accept-terms"]);
    const account = await context.account();
    const signing = await Promise.all(
      targets.map((each) => signingTarget(context, each, account.address)),
    );
    const sealed = await sealDeployment(account, program, signing, choices);
    out.note(`program     ${program.cid} (${program.size} bytes)`);
    out.note(`deployment  ${sealed.cid} (${sealed.size} bytes)`);
    for (const line of signedLines(sealed)) out.note(line);

    // Before anything is public: `stop` needs the id, which only we and the provider know.
    await addDeployment(home, ownDeployment(dir, program, sealed, signing));
    if (options.out === undefined) {
      await publishBoth(context, program, sealed);
      await notePublished(home, sealed.cid);
    } else await writeBoth(context, options.out, program, sealed);
    const placed = await Promise.all(targets.map(async (each, index) => {
      const limits = given[index]!;
      return { ...each, limits, unpaid: await paymentFault(context, each, sealed, limits) };
    }));
    report(context, program, sealed, placed);
  },
});

type DeployOptions = Parameters<typeof programChoices>[0] & {
  access: string | undefined;
  concurrency: string | undefined;
  "owner-credits-per-minute": string | undefined;
};

async function specChoices(options: DeployOptions) {
  const { timeoutMs, memoryMb, credits, server, ...choices } = await programChoices(options);
  const access = options.access ?? "public";
  if (access !== "public" && access !== "payer") {
    throw new KhachapuriError("usage", `--access is public or payer, not ${access}`);
  }
  const perMinute = "owner-credits-per-minute";
  const atOnce = server === undefined ? RUNS_AT_ONCE_DEFAULT : requestsAtOnce(server);
  return {
    ...choices,
    ...(server ? { server: serverToJson(server) } : {}),
    access: access as "public" | "payer",
    limits: {
      timeoutMs,
      memoryMb,
      concurrency: wholeNumber("--concurrency", options.concurrency, atOnce),
      ownerCreditsPerMinute: wholeNumber(`--${perMinute}`, options[perMinute], 600),
      // Said only where it is more: older providers take ordinary specs as before.
      ...(credits === 1 ? {} : { credits }),
    },
  };
}

/**
 * Whether the provider's machine can start the program, and lets it call what it wants.
 * @returns what a run gets: the provider's own limits where they are lower than the spec's
 * @throws KhachapuriError `invalid_program`, `invalid_input`
 */
async function assertFit(
  { out }: CommandContext,
  { record: { name, webDomain } }: DeployTarget,
  { start }: PackedProgram,
  wanted: Pick<SpecChoices, "interface" | "server" | "limits" | "egress">,
): Promise<RunLimits> {
  const { machine, limits, egressHosts, instances, runtimes } = await fetchOffer(webDomain);
  const asked = { ...wanted.limits, credits: creditsMax(wanted) };
  if (wanted.interface === "http") assertTakesServers(name, instances);
  assertMayCall(name, wanted.egress, egressHosts);
  assertMayTake(name, asked, limits);
  const lacking = assertStartable(start, machine ?? Deno.build.arch);
  if (assertHasRuntime(name, start, runtimes) === null && lacking !== null) {
    out.note(`warning: ${lacking}; ${name} does not say whether it is there`);
  }
  for (const fault of [...limitFaults(asked, limits), ...instanceFaults(wanted, instances)]) {
    out.note(`warning: ${name} ${fault}`);
  }
  return leastOf(asked, limits);
}

async function target(
  context: CommandContext,
  name: string,
  cap: bigint | null,
): Promise<DeployTarget> {
  context.out.progress(`resolving ${name}`);
  const [chain, contracts] = await Promise.all([context.chain(), context.contracts()]);
  const record = await resolveProvider(chain, name, contracts);
  const { chainId } = chain;
  const escrow = trustedEscrow(record, { chainId, escrow: contracts.escrow });
  return deployTarget(record, { chainId, escrow }, cap);
}

async function signingTarget(
  context: CommandContext,
  each: DeployTarget,
  owner: Address,
): Promise<SigningTarget> {
  const { record: { address }, escrow } = each;
  const held = await readAllowance(await context.chain(), escrow, owner, address);
  return { ...each, epoch: signingEpoch(held) };
}

/** @throws KhachapuriError `invalid_config` */
async function requireKubo(context: CommandContext) {
  const { kubo, home } = await context.config();
  if (kubo) return kubo;
  throw new KhachapuriError("invalid_config", "no IPFS node to publish through", {
    hints: [
      "khachapuri init --kubo URL keeps one; --kubo URL is for one command",
      `it stands in ${join(home, "config.json")} as "kubo"`,
      "or use --out DIR",
    ],
  });
}

/** What the owner has signed, and callers may cost it. */
function signedLines({ spec }: SealedDeployment): string[] {
  const { timeoutMs, memoryMb, concurrency, ownerCreditsPerMinute } = spec.limits;
  const hosts = spec.egress?.join(", ") ?? "";
  return [
    `limits      ${timeoutMs / 1000} s a credit, ${memoryMb} MiB, ${concurrency} runs at a time`,
    ...serverLines(spec),
    `credits     ${creditsMax(spec)} a run, ${payersWords(spec.access, ownerCreditsPerMinute)}`,
    `calls       ${hosts || "nobody: it has no network"}`,
  ];
}

function countOf(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

function payersWords(access: SealedDeployment["spec"]["access"], perMinute: number): string {
  return access === "payer" ? "at its callers' expense" : `${perMinute} a minute at your expense`;
}

function serverLines(spec: SealedDeployment["spec"]): string[] {
  if (spec.interface !== "http") return [];
  const { listen, instances, concurrency } = serverOf(spec);
  const place = listen.kind === "fd" ? "on the socket that it is passed" : `on ${listen.port}`;
  return [
    `server      ${place}, ${countOf(instances, "instance")} at most, ` +
    `${countOf(concurrency, "request")} to each`,
  ];
}

async function publishBoth(
  context: CommandContext,
  program: PackedProgram,
  sealed: SealedDeployment,
): Promise<void> {
  const { out } = context;
  const kubo = await requireKubo(context);
  const { gateways } = await context.config();
  if (gateways.length === 0) out.note("warning: no gateway is configured; nothing is read back");
  const fetcher = createFetcher({ gateways, cache: null });
  out.progress(`publishing through ${kubo.url} and reading back`);
  await publishDeployment(
    {
      publish: (dag) => publish(dag, { kubo }),
      read: gateways.length === 0 ? null : (cid, maxBytes) => fetcher.readFile(cid, { maxBytes }),
      wait: pause,
    },
    program,
    sealed,
  );
}

async function writeBoth(
  { out }: CommandContext,
  dir: string,
  program: PackedProgram,
  sealed: SealedDeployment,
): Promise<void> {
  await Deno.mkdir(dir, { recursive: true });
  for (const { dag, cid } of [program, sealed]) {
    await Deno.writeFile(join(dir, `${cid}.car`), writeCar(dag));
  }
  const files = [program, sealed].map(({ cid }) => join(dir, `${cid}.car`));
  out.note(`not published yet: ipfs dag import ${files.join(" ")}`);
}

function ownDeployment(
  dir: string,
  program: PackedProgram,
  { spec, cid }: SealedDeployment,
  targets: readonly SigningTarget[],
): OwnDeployment {
  return {
    cid,
    id: spec.id,
    owner: spec.owner,
    program: {
      cid: program.cid,
      private: program.key !== undefined,
      name: basename(resolve(dir)),
      entrypoint: spec.program.entrypoint,
    },
    signed: {
      interface: spec.interface,
      ...(spec.server ? { server: spec.server } : {}),
      access: spec.access,
      egress: spec.egress,
      limits: spec.limits,
    },
    createdAt: new Date().toISOString(),
    unpublished: true,
    providers: targets.map(({ record, chainId, escrow, maxPrice, epoch }) => ({
      name: record.name,
      address: record.address,
      chainId,
      escrow,
      webDomain: record.webDomain,
      price: maxPrice,
      epoch,
    })),
  };
}

function report(
  { out }: CommandContext,
  program: PackedProgram,
  { spec, cid }: SealedDeployment,
  placed: readonly Placed[],
): void {
  const providers = placed.map(({ record, maxPrice, limits, unpaid }) => ({
    name: record.name,
    address: record.address,
    url: `${record.webDomain}/${cid}`,
    price: record.price,
    maxPrice,
    creditsMax: limits.credits,
    cannotBePaid: unpaid?.fault ?? null,
  }));
  const { key, size } = program;
  out.json({
    cid,
    id: spec.id,
    owner: spec.owner,
    program: { cid: program.cid, private: key !== undefined, bytes: size },
    providers,
  });
  out.line(cid);
  const how = spec.access === "payer" ? "khachapuri call --pay" : "curl";
  for (const { url } of providers) out.line(`${how} ${url}`);
  for (const each of placed) {
    for (const line of [...costLines(each), ...unpaidLines(each)]) out.note(line);
  }
}
