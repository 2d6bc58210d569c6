/** `doctor`: what is missing on this machine, and what to do about it. */
import { KhachapuriError } from "../errors.ts";
import { checkup } from "../provider/door/checkup.ts";
import type { Finding } from "../provider/door/findings.ts";
import { VERSION } from "../version.ts";
import { defineCommand } from "./command.ts";
import { namedContracts } from "./context.ts";
import { providerKeysPath } from "./provider_keys_path.ts";

const MARKS = { good: "ok  ", doubtful: "warn", bad: "FAIL" } as const;

/** What `--json` prints changes with this number only: docs/operations.md has it. */
const SCHEMA = 1;
/** Of each part: who is called by a timer is not to wait for a node that hangs. */
const LOOK_MS = 30_000;

export const doctor = defineCommand({
  usage: "[--quiet]",
  details: [
    "Looks at keys, chain, contracts and gateways, and on a provider's machine at the sandbox, " +
    "the terms, the operator, the name's records and the provider that runs, of a fleet also its " +
    "database and all nodes. Changes nothing.",
    "The exit code is that of the first failure, and 0 where there is none; each part is looked " +
    `at for ${LOOK_MS / 1_000} s at most. With --quiet only what is not well is printed.`,
  ],
  examples: ["doctor", "doctor --home /var/lib/khachapuri --json", "doctor --quiet"],
  options: { quiet: { type: "boolean", description: "print only what is not well" } },
  async run(context, { options: { quiet } }) {
    const { out } = context;
    out.progress("looking");
    const config = await context.config();
    const named = await namedContracts(context.flags);
    const keysPath = await providerKeysPath(context);
    const findings = await checkup({
      ...{ config, keysPath, named, lookMs: LOOK_MS },
      passfile: context.world.env("PGPASSFILE"),
    });
    const told = quiet ? findings.filter(({ state }) => state !== "good") : findings;
    out.result(reportOf(findings, told), told.flatMap(findingLines));
    assertNoneBad(findings);
  },
});

/** @throws KhachapuriError of the first that is bad */
export function assertNoneBad(findings: readonly Finding[]): void {
  const bad = findings.filter((finding) => finding.state === "bad");
  if (bad.length === 0) return;
  throw new KhachapuriError(
    bad[0]!.error?.code ?? "internal",
    `${bad.length} of ${findings.length} failed`,
  );
}

/** @param told those that are printed */
function reportOf(findings: readonly Finding[], told: readonly Finding[]) {
  const count = (state: Finding["state"]) =>
    findings.filter((finding) => finding.state === state).length;
  const [bad, doubtful] = [count("bad"), count("doubtful")];
  return {
    schema: SCHEMA,
    version: VERSION,
    state: bad > 0 ? "bad" : doubtful > 0 ? "doubtful" : "good",
    bad,
    doubtful,
    findings: told.map(findingJson),
  };
}

export function findingJson({ error, ...finding }: Finding) {
  return { ...finding, ...(error ? { code: error.code } : {}) };
}

export function findingLines({ state, part, detail, hints }: Finding): string[] {
  return [`${MARKS[state]}  ${part}: ${detail}`, ...hints.map((hint) => `        ${hint}`)];
}
