/** `logs`: what a deployment's runs wrote to stderr, and how they ended. */
import { type DeploymentLog, fetchLogs, type LoggedRun } from "../client/logs.ts";
import { printable } from "../client/provider_http.ts";
import { KhachapuriError } from "../errors.ts";
import { defineCommand } from "./command.ts";
import { presentDomain } from "./deployments.ts";
import { ownDeployment } from "./own_deployment.ts";

export const logs = defineCommand({
  usage: "CID|URL [--provider NAME]",
  details: [
    "The latest runs of a deployment of yours, oldest first: when, which method, the answer's " +
    "status, how the program ended and why, and what it wrote to stderr; and why it cannot run, " +
    "if it cannot. The provider keeps them, and " +
    "shows them to nobody but the owner, whose signature it asks for.",
  ],
  examples: ["logs bafkrei…", "logs bafkrei… --provider paolo.eth --json"],
  options: {
    provider: { type: "string", value: "NAME", description: "at this one only" },
  },
  positionals: { min: 1, max: 1 },
  async run(context, { options, positionals }) {
    const { out, home } = context;
    const { cid, providers } = await ownDeployment(home, positionals[0]!, options.provider);
    const account = await context.account();
    const told: ({ name: string } & DeploymentLog)[] = [];
    let unknown: KhachapuriError | null = null;
    for (const { name, ...at } of providers) {
      out.progress(`asking ${name}`);
      const webDomain = await presentDomain(context, name);
      const log = await fetchLogs(account, cid, { ...at, webDomain }).catch((error) => {
        if (!(error instanceof KhachapuriError) || error.code !== "not_found") throw error;
        unknown = error;
        return { runs: [], cannotRun: null };
      });
      told.push({ name, ...log });
    }
    // A provider that cannot find it knows of no runs: a failure only when no other has any.
    if (unknown && told.every(({ runs }) => runs.length === 0)) throw unknown;
    out.result({ cid, providers: told }, told.flatMap(lines));
  },
});

function lines({ name, runs, cannotRun }: { name: string } & DeploymentLog): string[] {
  const refusal = cannotRun === null
    ? []
    : [`cannot run: ${cannotRun.message}`, ...cannotRun.hints.map((hint) => `  ${hint}`)];
  if (runs.length === 0 && cannotRun === null) return [`${name}: no runs yet`];
  return [`${name}:`, ...runs.flatMap(runLines), ...refusal.map(printable)];
}

/** Who keeps no reason, as older providers do, has at least a name for the limit. */
function limitWords({ limit, reason }: LoggedRun): string {
  if (limit === "aborted") return "ended before its own end";
  return reason === null ? `hit its ${limit} limit` : "ended by a limit";
}

const MIB = 1024 * 1024;

function runLines(run: LoggedRun): string[] {
  const ending = run.limit !== null
    ? limitWords(run)
    : run.signal !== null
    ? `ended by ${run.signal}`
    : `exit ${run.exit}`;
  const at = new Date(run.at).toISOString();
  const used = [
    `${Math.round(run.wallMs)} ms`,
    ...(run.cpuMs === null ? [] : [`cpu ${Math.round(run.cpuMs)} ms`]),
    ...(run.peakMemoryBytes === null ? [] : [`${Math.ceil(run.peakMemoryBytes / MIB)} MiB`]),
    `${run.stdinBytes} B in, ${run.stdoutBytes} B out`,
  ];
  const head = `${at} ${run.method} ${run.status}, ${ending}, ${used.join(", ")}`;
  const reason = run.reason === null || run.reason === ending ? [] : [`  why: ${run.reason}`];
  const stderr = run.stderr.trimEnd();
  return [head, ...reason, ...(stderr === "" ? [] : stderr.split("\n").map((line) => `  ${line}`))]
    .map(printable);
}
