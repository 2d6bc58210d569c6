/** `doctor`: what is missing on this machine, and what to do about it. */
import { KhachapuriError } from "../errors.ts";
import { checkup } from "../provider/door/checkup.ts";
import type { Finding } from "../provider/door/findings.ts";
import { defineCommand } from "./command.ts";
import { namedContracts } from "./context.ts";
import { providerKeysPath } from "./provider_keys_path.ts";

const MARKS = { good: "ok  ", doubtful: "warn", bad: "FAIL" } as const;

export const doctor = defineCommand({
  usage: "",
  details: [
    "Looks at keys, chain, contracts and gateways, and on a provider's machine at the sandbox, " +
    "the terms, the operator and the name's records. Changes nothing.",
    "The exit code is that of the first failure.",
  ],
  examples: ["doctor", "doctor --home /var/lib/khachapuri --json"],
  options: {},
  async run(context) {
    const { out } = context;
    out.progress("looking");
    const config = await context.config();
    const named = await namedContracts(context.flags);
    const findings = await checkup({ config, keysPath: await providerKeysPath(context), named });
    out.result({ findings: findings.map(findingJson) }, findings.flatMap(findingLines));
    const bad = findings.find((finding) => finding.state === "bad");
    if (!bad) return;
    const count = findings.filter((finding) => finding.state === "bad").length;
    throw new KhachapuriError(
      bad.error?.code ?? "internal",
      `${count} of ${findings.length} failed`,
    );
  },
});

function findingJson({ error, ...finding }: Finding) {
  return { ...finding, ...(error ? { code: error.code } : {}) };
}

function findingLines({ state, part, detail, hints }: Finding): string[] {
  return [`${MARKS[state]}  ${part}: ${detail}`, ...hints.map((hint) => `        ${hint}`)];
}
