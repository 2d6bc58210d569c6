/** What there is to say of a provider's certificate. Times are ms since the epoch. */
import { boundedTime, renewalTime, type RenewalWindow } from "./renewal.ts";
import type { Failure, Status } from "./status.ts";
import { type CertificateFacts, covers } from "./x509.ts";

export interface CertificateReport {
  /** What it is to be for. */
  readonly names: readonly string[];
  /** URL of the CA's directory. */
  readonly directory: string;
  readonly certificate:
    | Pick<CertificateFacts, "names" | "issuer" | "notBefore" | "notAfter">
    | null;
  /** When it is had or renewed next, unless that fails; it may be past. */
  readonly nextAt: number;
  readonly failures: number;
  readonly lastFailure: Failure | null;
}

export interface Known {
  readonly names: readonly string[];
  readonly directory: string;
  readonly facts: CertificateFacts | null;
  readonly status: Pick<Status, "restUntil" | "failures" | "lastFailure">;
  readonly window: RenewalWindow | null;
}

/** When one is due, unless the CA is to be left alone; a lacking one always was. */
export function dueAt({ names, facts, window }: Pick<Known, "names" | "facts" | "window">): number {
  return facts && covers(facts, names) ? renewalTime(facts, window) : 0;
}

export function reportOf(known: Known, now: number): CertificateReport {
  const { names, directory, facts, status: { restUntil, failures, lastFailure } } = known;
  const certificate = facts && {
    names: facts.names,
    issuer: facts.issuer,
    notBefore: facts.notBefore,
    notAfter: facts.notAfter,
  };
  const nextAt = Math.max(dueAt(known), boundedTime(restUntil, now));
  return { names, directory, certificate, nextAt, failures, lastFailure };
}
