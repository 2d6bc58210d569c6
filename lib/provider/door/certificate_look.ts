/** What `doctor`, `/healthz` and `/metrics` say of the certificate. */
import { join } from "node:path";
import { type Config, type ProviderConfig, resolveFromHome } from "../../config.ts";
import { wantedNames } from "../../config_acme.ts";
import { KhachapuriError } from "../../errors.ts";
import { timeTextOfMs } from "../../time_text.ts";
import { expiryAlarm } from "../acme/renewal.ts";
import type { Status } from "../acme/status.ts";
import { readHeld, readStatus } from "../acme/tls_folder.ts";
import { type CertificateFacts, covers, readCertificate } from "../acme/x509.ts";
import { numberOf } from "../metrics/catalog.ts";
import type { Metric } from "../metrics/metrics.ts";
import type { Look } from "./findings.ts";

/** Where a provider's certificate is kept. */
export function tlsFolder(config: Config, { stateDir }: Pick<ProviderConfig, "stateDir">): string {
  return join(resolveFromHome(config, stateDir), "tls");
}

/** What is known of the certificate that callers see, read from its files. */
export interface SeenCertificate {
  readonly facts: CertificateFacts | null;
  /** Of one that is had by itself; null: nothing was tried. */
  readonly status: Status | null;
}

/** null: TLS is not ours, but a proxy's. */
export async function seeCertificate(
  config: Config,
  provider: ProviderConfig,
): Promise<SeenCertificate | null> {
  const { tls, acme } = provider;
  if (tls) {
    const pem = await Deno.readTextFile(resolveFromHome(config, tls.cert)).catch(() => "");
    return { facts: readCertificate(pem), status: null };
  }
  if (!acme) return null;
  const dir = tlsFolder(config, provider);
  const held = await readHeld(dir);
  return { facts: held?.facts ?? null, status: await readStatus(dir).catch(() => null) };
}

/** @throws KhachapuriError `no_certificate`, `invalid_config` */
export function judgeCertificate(
  { facts, status }: SeenCertificate,
  { acme, webDomain, listen }: Pick<ProviderConfig, "acme" | "webDomain" | "listen">,
  now: number,
): Look {
  const failure = status?.lastFailure ?? null;
  const why = failure ? `: ${failure.message}` : "";
  const next = failure && status
    ? [
      `it is tried again at ${
        timeTextOfMs(status.restUntil)
      }, or now: khachapuri certificate --renew`,
    ]
    : [];
  const hints = [...failure?.hints ?? [], ...next];
  if (!facts) {
    const missing = acme && !failure
      ? { message: "there is none yet", hints: ["serve has it once it runs"] }
      : { message: `there is none${why}`, hints };
    if (acme && !failure) return { detail: missing.message, hints: missing.hints };
    throw new KhachapuriError("no_certificate", missing.message, { hints: missing.hints });
  }
  const until = `for ${facts.names.join(", ")}, until ${timeTextOfMs(facts.notAfter)}`;
  const alarm = expiryAlarm(facts, now);
  if (alarm?.isUrgent) {
    const message = `${alarm.words} (${until})${why}`;
    throw new KhachapuriError("no_certificate", message, { hints: anything(hints) });
  }
  const wanted = acme ? wantedNames(webDomain, acme) : [];
  const lacking = covers(facts, wanted)
    ? []
    : [`it is not for all that is wanted: ${wanted.join(", ")}`];
  const soon = alarm ? [alarm.words] : [];
  const failed = failure ? [`renewing failed${why}`, ...hints] : [];
  return {
    detail: until,
    hints: [...soon, ...lacking, ...failed, ...(acme ? placeHints(listen) : [])],
  };
}

function anything(hints: readonly string[]): readonly string[] {
  return hints.length > 0 ? hints : ["see khachapuri certificate, and the log of serve"];
}

/** A listener that nobody can reach has a certificate for nobody. */
function placeHints(listen: string): string[] {
  if (!/^(?:127\.|localhost:|\[::1\])/.test(listen)) return [];
  return [`callers reach no listener on ${listen}: "listen": "0.0.0.0:443" in config.json`];
}

/** The health of a provider whose certificate is in trouble, beside what else it says. */
export function withCertificate(
  health: () => Promise<string | null>,
  trouble: () => string | null,
): () => Promise<string | null> {
  return async () => [await health(), trouble()].filter((each) => each !== null).join("; ") || null;
}

/** Beside those of the listener, which knows when the certificate in use ends. */
export function certificateMetrics(failures: () => number): Metric[] {
  return [numberOf("khachapuri_certificate_failures", failures)];
}
