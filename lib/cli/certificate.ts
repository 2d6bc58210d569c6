/** `certificate`: what callers of this machine's provider see, until when, and why not. */
import * as v from "valibot";
import { type ProviderConfig, requireProvider } from "../config.ts";
import { DIRECTORIES, wantedNames } from "../config_acme.ts";
import { KhachapuriError } from "../errors.ts";
import { parseShape } from "../shape.ts";
import { timeTextOfMs } from "../time_text.ts";
import { type CertificateReport, reportOf } from "../provider/acme/report.ts";
import { freshStatus } from "../provider/acme/status.ts";
import { askControl } from "../provider/control/control_client.ts";
import { seeCertificate } from "../provider/door/certificate_look.ts";
import { bookDir } from "./books.ts";
import { type CommandContext, defineCommand } from "./command.ts";

const reportShape = v.object({
  names: v.array(v.string()),
  directory: v.string(),
  certificate: v.nullable(v.object({
    names: v.array(v.string()),
    issuer: v.string(),
    notBefore: v.number(),
    notAfter: v.number(),
  })),
  nextAt: v.number(),
  failures: v.number(),
  lastFailure: v.nullable(v.object({
    at: v.number(),
    message: v.string(),
    hints: v.array(v.string()),
    problem: v.nullable(v.string()),
  })),
});

export const certificate = defineCommand({
  usage: "[--renew]",
  details: [
    "Tells for which names the provider of this machine has a certificate, from whom, until when, " +
    "when it is renewed next, and what failed last. Of one that it has by itself " +
    "(provider.acme) all of that, of one that config.json names its files' part.",
    "With --renew the provider that runs has another one now, unless its CA wants to be left " +
    "alone for a while.",
  ],
  examples: ["certificate", "certificate --renew --home /var/lib/khachapuri"],
  options: {
    renew: { type: "boolean", description: "have another one now" },
  },
  positionals: { min: 0, max: 0 },
  async run(context, { options }) {
    const provider = requireProvider(await context.config());
    const report = options.renew ? await renewed(context, provider) : await told(context, provider);
    context.out.result(jsonOf(report), linesOf(report));
  },
});

async function renewed(
  context: CommandContext,
  { acme }: ProviderConfig,
): Promise<CertificateReport> {
  if (!acme) {
    throw new KhachapuriError("invalid_config", "no certificate is had by itself here", {
      hints: ["provider.acme in config.json has it: docs/provider.md"],
    });
  }
  context.out.progress("having a certificate");
  const answer = await askControl(await bookDir(context), "renew-certificate");
  if (answer) return parsed(answer.done);
  throw new KhachapuriError("provider_unavailable", "no provider runs here", {
    hints: ["khachapuri serve has it as it starts"],
  });
}

/** As the provider knows it, or its files, while it is stopped. */
async function told(
  context: CommandContext,
  provider: ProviderConfig,
): Promise<CertificateReport> {
  const { acme, tls, webDomain } = provider;
  const answer = acme ? await askControl(await bookDir(context), "certificate") : null;
  if (answer) return parsed(answer.done);
  const seen = await seeCertificate(await context.config(), provider);
  if (!seen) {
    throw new KhachapuriError("not_found", "this provider has no certificate of its own", {
      hints: ["a proxy before it has, or provider.acme gets one: docs/provider.md"],
    });
  }
  const { facts, status } = seen;
  const names = acme ? wantedNames(webDomain, acme) : facts?.names ?? [];
  const directory = acme ? DIRECTORIES[acme.directory] ?? acme.directory : tls!.cert;
  const known = { names, directory, facts, status: status ?? freshStatus(""), window: null };
  return reportOf(known, Date.now());
}

function parsed(value: unknown): CertificateReport {
  return parseShape(reportShape, value, "the provider's answer", "provider_unavailable");
}

function jsonOf({ certificate, nextAt, lastFailure, ...rest }: CertificateReport) {
  return {
    ...rest,
    certificate: certificate && {
      ...certificate,
      notBefore: timeTextOfMs(certificate.notBefore),
      notAfter: timeTextOfMs(certificate.notAfter),
    },
    nextAt: timeTextOfMs(nextAt),
    lastFailure: lastFailure && { ...lastFailure, at: timeTextOfMs(lastFailure.at) },
  };
}

function linesOf(report: CertificateReport): string[] {
  const { names, directory, certificate, nextAt, failures, lastFailure } = report;
  const lines = certificate
    ? [
      `for       ${certificate.names.join(", ")}`,
      `by        ${certificate.issuer}`,
      `until     ${timeTextOfMs(certificate.notAfter)}`,
    ]
    : [`for       ${names.join(", ")}: there is none`];
  if (/^https:/.test(directory)) {
    const next = nextAt <= Date.now() ? "now, while serve runs" : timeTextOfMs(nextAt);
    lines.push(`from      ${directory}`, `next      ${next}`);
  }
  if (lastFailure) {
    const { at, message, hints } = lastFailure;
    lines.push(`failed    ${failures} in a row, last ${timeTextOfMs(at)}: ${message}`);
    lines.push(...hints.map((hint) => `          ${hint}`));
  }
  return lines;
}
