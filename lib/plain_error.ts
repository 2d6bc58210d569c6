/** A failure as one process of a provider passes it to another. */
import { asKhachapuriError, KhachapuriError, knownCode } from "./errors.ts";
import { fromPlain, toPlain } from "./plain.ts";

export interface PlainError {
  code: string;
  message: string;
  hints: readonly string[];
  data: unknown;
  retryAfterSeconds: number | null;
}

export function toPlainError(thrown: unknown): PlainError {
  const { code, shortMessage, hints, data, retryAfterSeconds } = asKhachapuriError(thrown);
  return {
    code,
    message: shortMessage,
    hints,
    data: toPlain(data),
    retryAfterSeconds: retryAfterSeconds ?? null,
  };
}

/** The same failure; a code that is none of ours, of another release say, is `internal`. */
export function fromPlainError(
  { code, message, hints, data, retryAfterSeconds }: PlainError,
): KhachapuriError {
  return new KhachapuriError(knownCode(code) ?? "internal", message, {
    hints: [...hints],
    data: fromPlain(data) as Record<string, unknown>,
    ...(retryAfterSeconds === null ? {} : { retryAfterSeconds }),
  });
}
