/** When a certificate is had anew, and when it is tried again: pure decisions. */
import { createHash } from "node:crypto";
import { CA_REST_MS_MAX } from "../../limits_of_certificates.ts";
import type { CertificateFacts } from "./x509.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** After the first failure; each later one doubles it. */
const FIRST_REST_MS = 2 * MINUTE_MS;
const LONGEST_REST_MS = DAY_MS;
/** After a certificate came no other is ordered for so long, whatever a clock or the CA says. */
const AFTER_SUCCESS_MS = HOUR_MS;

/** A window that the CA names (RFC 9773, section 4.2), ms since the epoch. */
export interface RenewalWindow {
  readonly start: number;
  readonly end: number;
}

/**
 * When a certificate is due: within the CA's window, or else after two thirds of its life, each at
 * a point of its own, so that those which were had together are not had anew together.
 * @returns ms since the epoch
 */
export function renewalTime(facts: CertificateFacts, window: RenewalWindow | null): number {
  const { notBefore, notAfter, serial } = facts;
  const share = shareOf(serial);
  if (window) return window.start + share * (window.end - window.start);
  const life = notAfter - notBefore;
  return notBefore + life * (2 / 3 + share / 30);
}

/** From 0 to 1, the same for the same certificate. */
function shareOf(serial: string): number {
  return createHash("sha256").update(serial).digest().readUInt32BE(0) / 2 ** 32;
}

/**
 * How long to leave a CA alone.
 * @param failures in a row, 1 at least
 * @param chance from 0 to 1: those who failed together do not try together
 * @param askedSeconds what the CA asks for
 */
export function restMs(failures: number, chance: number, askedSeconds: number | undefined): number {
  const doubled = FIRST_REST_MS * 2 ** Math.min(failures - 1, 20);
  const own = Math.min(doubled, LONGEST_REST_MS) * (1 + chance / 4);
  const asked = Math.min((askedSeconds ?? 0) * 1_000, CA_REST_MS_MAX);
  return Math.max(own, asked);
}

export function restAfterSuccessMs(): number {
  return AFTER_SUCCESS_MS;
}

/**
 * A time that was written down as it counts now: a clock that was ahead then, or was set back, may
 * not put it off for ever.
 */
export function boundedTime(at: number, now: number): number {
  return Math.min(at, now + CA_REST_MS_MAX);
}

export interface Alarm {
  /** It is over or nearly so, and nothing but a person may still help. */
  readonly isUrgent: boolean;
  readonly words: string;
}

/** Of its life, what is left when renewing has failed for long enough to call somebody. */
const SOON_SHARE = 1 / 6;

/** What is to be said of how long a certificate is still good; null: nothing. */
export function expiryAlarm(facts: CertificateFacts, now: number): Alarm | null {
  const { notBefore, notAfter } = facts;
  if (now >= notAfter) return { isUrgent: true, words: "the certificate has expired" };
  if (now < notBefore - HOUR_MS) {
    return { isUrgent: true, words: "the certificate is not good yet: is the clock right?" };
  }
  if (notAfter - now > (notAfter - notBefore) * SOON_SHARE) return null;
  const hours = Math.ceil((notAfter - now) / HOUR_MS);
  const left = hours > 48 ? `${Math.floor(hours / 24)} days` : `${hours} h`;
  return { isUrgent: false, words: `the certificate expires in ${left} and is not renewed` };
}
