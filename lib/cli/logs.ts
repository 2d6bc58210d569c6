/** `logs`: how a deployment's runs ended, and what they, or its server, wrote. */
import type { LocalAccount } from "viem";
import { type DeploymentLog, fetchLogs, followLogs } from "../client/logs.ts";
import type { OwnDeployment, OwnDeploymentProvider } from "../client/deployments_file.ts";
import type { AskedProvider } from "../client/owner_question.ts";
import { KhachapuriError } from "../errors.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { presentDomain } from "./present_provider.ts";
import { type LogItem, logItems, refusalLines } from "./log_lines.ts";
import type { Output } from "./output.ts";
import { ownDeployment } from "./own_deployment.ts";
import { momentOf } from "./since.ts";

export const logs = defineCommand({
  usage: "CID|LABEL|URL [-f] [--since DURATION|TIME] [--provider NAME]",
  details: [
    "The latest runs of a deployment of yours, oldest first: when, method and path, the answer's " +
    "status, how the program ended and why, what it used and called, and what it wrote to " +
    "stderr; and why it cannot run, if it cannot. The provider keeps them, and " +
    "shows them to nobody but the owner, whose signature it asks for.",
    "Among the runs of a program that is a server stand the lines that it wrote to stdout and " +
    "stderr, each with its instance's number in brackets, and when instances started and ended.",
    "With --follow it goes on with each run when that has ended, and with what a server writes, " +
    "until you press Ctrl-C; a provider that is away is asked again. With --json each run, line " +
    "or event is one line.",
  ],
  examples: [
    "logs bafkrei…",
    "logs blog -f",
    "logs bafkrei… --since 10m",
    "logs bafkrei… -f --provider paolo.eth --json",
  ],
  options: {
    json: { type: "boolean", description: "print JSON, a line for each run" },
    follow: { type: "boolean", short: "f", description: "go on with what comes" },
    since: {
      type: "string",
      value: "DURATION|TIME",
      description: "what began since then, as 10m, 2h or 2026-11-28T17:42:00Z",
    },
    provider: { type: "string", value: "NAME", description: "at this one only" },
  },
  positionals: { min: 1, max: 1 },
  async run(context, { options, positionals }) {
    const { since } = options;
    const from = since === undefined ? -Infinity : momentOf("--since", since, Date.now());
    const own = await ownDeployment(context.home, positionals[0]!, options.provider);
    const account = await context.account();
    const printer = new LogPrinter(context.out, own.cid, from);
    const read = options.follow ? follow : readOnce;
    await read({ context, account, own, printer });
  },
});

interface Reading {
  readonly context: CommandContext;
  readonly account: LocalAccount;
  readonly own: OwnDeployment;
  readonly printer: LogPrinter;
}

async function providerNow(
  context: CommandContext,
  { name, ...at }: OwnDeploymentProvider,
): Promise<AskedProvider> {
  context.out.progress(`asking ${name}`);
  return { ...at, webDomain: await presentDomain(context, name) };
}

async function readOnce({ context, account, own: { cid, providers }, printer }: Reading) {
  const told: [string, DeploymentLog][] = [];
  let unknown: KhachapuriError | null = null;
  for (const provider of providers) {
    const at = await providerNow(context, provider);
    const log = await fetchLogs(account, cid, at).catch((error) => {
      unknown = notFound(error);
      return { runs: [], server: [], cursor: null, cannotRun: null };
    });
    told.push([provider.name, log]);
  }
  // A provider that cannot find it knows of no runs: a failure only when no other has any.
  if (unknown && told.every(([, log]) => isEmpty(log))) throw unknown;
  for (const [name, log] of told) {
    if (!printer.print(name, log)) printer.printNone(name, log);
  }
}

/** Ends when no provider has it, or one refuses; else with the process. */
async function follow(reading: Reading): Promise<void> {
  const { own: { providers }, context: { out } } = reading;
  const unknown = await Promise.all(
    providers.map((provider) =>
      followAt(reading, provider).catch((error) => {
        const missing = notFound(error);
        if (providers.length > 1) out.note(`${provider.name}: ${missing.shortMessage}`);
        return missing;
      })
    ),
  );
  throw unknown[0]!;
}

async function followAt(
  { context, account, own: { cid }, printer }: Reading,
  provider: OwnDeploymentProvider,
): Promise<never> {
  const { out } = context;
  const { name } = provider;
  const at = await providerNow(context, provider);
  let isAway = false;
  const onTrouble = ({ shortMessage }: KhachapuriError) => {
    if (!isAway) out.note(`${name}: ${shortMessage}; it is asked again until it answers`);
    isAway = true;
  };
  for await (const log of followLogs(account, cid, at, { onTrouble })) {
    if (isAway) out.note(`${name}: it answers again`);
    isAway = false;
    printer.print(name, log);
  }
  throw new TypeError("a log that is followed has no end");
}

function isEmpty({ runs, server }: DeploymentLog): boolean {
  return runs.length + server.length === 0;
}

/** @throws all that is no `not_found` */
function notFound(error: unknown): KhachapuriError {
  if (error instanceof KhachapuriError && error.code === "not_found") return error;
  throw error;
}

/** Prints the logs of several providers one after the other, or as they come. */
class LogPrinter {
  readonly #refusals = new Map<string, string>();
  #last: string | null = null;

  /** @param from Unix ms; what began before is left out */
  constructor(
    private readonly out: Output,
    private readonly cid: string,
    private readonly from: number,
  ) {}

  /** Whether there was anything that has not been printed before. */
  print(provider: string, log: DeploymentLog): boolean {
    const { cannotRun } = log;
    const fresh = logItems(log).filter(({ at }) => at >= this.from);
    const isRefused = cannotRun !== null && this.#isNews(provider, cannotRun);
    for (const item of fresh) this.#item(provider, item);
    if (isRefused) {
      this.out.row({ cid: this.cid, provider, cannotRun });
      this.#lines(provider, refusalLines(cannotRun, fresh.flatMap(({ lines }) => lines)));
    }
    return fresh.length > 0 || isRefused;
  }

  printNone(provider: string, log: DeploymentLog): void {
    this.out.line(`${provider}: no runs ${isEmpty(log) ? "yet" : "since then"}`);
  }

  #item(provider: string, { json, lines }: LogItem): void {
    this.out.row({ cid: this.cid, provider, ...json });
    this.#lines(provider, lines);
  }

  /** Below the name of the provider, unless it stands above already. */
  #lines(provider: string, lines: readonly string[]): void {
    if (this.#last !== provider) this.out.line(`${provider}:`);
    this.#last = provider;
    for (const line of lines) this.out.line(line);
  }

  #isNews(provider: string, cannotRun: unknown): boolean {
    const text = JSON.stringify(cannotRun);
    const isNews = this.#refusals.get(provider) !== text;
    this.#refusals.set(provider, text);
    return isNews;
  }
}
