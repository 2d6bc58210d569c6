/** `logs`: what a deployment's runs wrote to stderr, and how they ended. */
import { fetchLogs, type LoggedRun } from "../client/logs.ts";
import { printable } from "../client/provider_http.ts";
import { KhachapuriError } from "../errors.ts";
import { defineCommand } from "./command.ts";
import { presentDomain } from "./deployments.ts";
import { ownDeployment } from "./own_deployment.ts";

export const logs = defineCommand({
  usage: "CID|URL [--provider NAME]",
  details: [
    "The latest runs of a deployment of yours, oldest first: when, which method, the answer's " +
    "status, how the program ended, and what it wrote to stderr. The provider keeps them, and " +
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
    const told: { name: string; runs: LoggedRun[] }[] = [];
    let unknown: KhachapuriError | null = null;
    for (const { name, ...at } of providers) {
      out.progress(`asking ${name}`);
      const webDomain = await presentDomain(context, name);
      const runs = await fetchLogs(account, cid, { ...at, webDomain }).catch((error) => {
        if (!(error instanceof KhachapuriError) || error.code !== "not_found") throw error;
        unknown = error;
        return [];
      });
      told.push({ name, runs });
    }
    // A provider that was never called knows of no runs: a failure only when no other has any.
    if (unknown && told.every(({ runs }) => runs.length === 0)) throw unknown;
    out.result({ cid, providers: told }, told.flatMap(lines));
  },
});

function lines({ name, runs }: { name: string; runs: readonly LoggedRun[] }): string[] {
  if (runs.length === 0) return [`${name}: no runs yet`];
  return [`${name}:`, ...runs.flatMap(runLines)];
}

const MIB = 1024 * 1024;

function runLines(run: LoggedRun): string[] {
  const ending = run.limit !== null
    ? `hit its ${run.limit} limit`
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
  const stderr = run.stderr.trimEnd();
  return [head, ...(stderr === "" ? [] : stderr.split("\n").map((line) => `  ${line}`))]
    .map(printable);
}
