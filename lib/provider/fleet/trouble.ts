/** What goes wrong between a provider and its PostgreSQL, and what is to be done about it. */
import { KhachapuriError } from "../../errors.ts";

/** That nobody knows whether the statement was carried out: the connection is no more. */
export class LostConnection extends Error {
  override readonly name = "LostConnection";
}

/** Codes of what the server says as it turns a connection away. */
const REFUSALS: Readonly<Record<string, string>> = {
  "28P01": "a file like .pgpass, mode 0600, has the password: ?passfile=FILE",
  "28000": "pg_hba.conf of that server says who may come, and whether with TLS",
  "3D000": "createdb --owner=USER DATABASE, on that server",
  "42501": "GRANT CONNECT ON DATABASE … TO USER, on that server",
};
const CERTIFICATE_HINTS = [
  "?sslrootcert=FILE names the authority that signs its certificates",
  "a host is called by that name in ledger.postgres which its certificate is for",
];
const TLS_HINTS = [
  "ssl = on, in its postgresql.conf",
  "?sslmode=disable, where nobody listens between it and the provider",
];

/** Of connections, as the client names them. */
const LOST_CODE = /^CONNECTION_(?:CLOSED|ENDED|DESTROYED)$/;
/**
 * Of the server: it takes no writes any more (25006), lacks something (53…), would have two wait
 * for each other (40P01, 40001), was told to end what it does (57…), or its disk fails (58…).
 */
const LOST_STATES = /^(?:25006|53...|40P01|40001|57...|58...|08...)$/;

/** Whether it was the connection or the server that failed, and not the statement. */
export function isLost(error: unknown): boolean {
  if (error instanceof LostConnection || isFatal(error)) return true;
  const { code } = Object(error) as { code?: unknown };
  return typeof code === "string" && (LOST_CODE.test(code) || LOST_STATES.test(code));
}

/** Whether it is a standby by now that was asked to write. */
export function isReadOnly(error: unknown): boolean {
  return (Object(error) as { code?: unknown }).code === "25006";
}

/** Whether the server ends a connection by it. */
function isFatal(error: unknown): error is Error & { code: string } {
  return /^(?:FATAL|PANIC)$/.test((Object(error) as { severity?: string }).severity ?? "");
}

/** What no second try will mend, and what will; null for all else. */
export function refusalOf(error: unknown, name: string): KhachapuriError | null {
  if (error instanceof KhachapuriError) return error;
  if (!isFatal(error)) return null;
  const hint = REFUSALS[error.code];
  if (hint === undefined) return null;
  return refused(`PostgreSQL at ${name} refuses us: ${error.message}`, [hint], error);
}

/** @param name of the host */
export function withoutTls(name: string): KhachapuriError {
  return refused(`PostgreSQL at ${name} speaks no TLS`, TLS_HINTS);
}

/**
 * What an error of a connection's socket comes to. @param name of the host
 */
export function lossOf(error: Error & { code?: string }, name: string): Error {
  if (!/CERT|SIGNATURE/.test(error.code ?? "")) {
    // Of a name with several addresses it has the code alone.
    return new LostConnection(error.message || `${name}: ${error.code}`, { cause: error });
  }
  const message = `the certificate of PostgreSQL at ${name} is not trusted: ${error.message}`;
  return refused(message, CERTIFICATE_HINTS, error);
}

function refused(message: string, hints: readonly string[], cause?: unknown): KhachapuriError {
  return new KhachapuriError("invalid_config", message, { hints, cause });
}

/** That it stays away, in words for who has just named it. */
export function unanswered(name: string, cause: Error): KhachapuriError {
  return unavailable(`PostgreSQL at ${name} does not answer: ${cause.message}`, cause);
}

/** The same in words for anybody, who need not know where it is. */
export function unavailable(
  message = "the provider's database does not answer right now",
  cause?: Error,
): KhachapuriError {
  return new KhachapuriError("database_unavailable", message, {
    cause,
    retryAfterSeconds: 1,
    hints: ["khachapuri fleet tells how it is"],
  });
}
