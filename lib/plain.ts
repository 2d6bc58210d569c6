/**
 * Values as JSON can carry them: with bigints, bytes, maps and dates, which it has no words for.
 * Both ends are processes of one provider.
 */

/** A member that no value of ours has. */
const KIND = "$";

type Kind = "bigint" | "bytes" | "map" | "date" | "undefined";

/** @throws TypeError for a function, or an object that has a member of that name */
export function toPlain(value: unknown): unknown {
  if (typeof value === "bigint") return said("bigint", String(value));
  if (value === undefined) return said("undefined", "");
  if (value === null || typeof value !== "object") return scalar(value);
  if (value instanceof Uint8Array) return said("bytes", value.toBase64());
  if (value instanceof Map) return said("map", [...value].map((pair) => pair.map(toPlain)));
  if (value instanceof Date) return said("date", value.getTime());
  if (Array.isArray(value)) return value.map(toPlain);
  if (Object.hasOwn(value, KIND)) throw new TypeError(`${KIND} is no name of ours`);
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, toPlain(each)]));
}

/** @throws TypeError for what `toPlain` never makes */
export function fromPlain(plain: unknown): unknown {
  if (plain === null || typeof plain !== "object") return plain;
  if (Array.isArray(plain)) return plain.map(fromPlain);
  if (Object.hasOwn(plain, KIND)) return meant(plain as { [KIND]: Kind; value: unknown });
  return Object.fromEntries(Object.entries(plain).map(([name, each]) => [name, fromPlain(each)]));
}

function said(kind: Kind, value: unknown) {
  return { [KIND]: kind, value };
}

function scalar(value: unknown): unknown {
  if (typeof value !== "function" && typeof value !== "symbol") return value;
  throw new TypeError(`a ${typeof value} stays where it is`);
}

function meant({ [KIND]: kind, value }: { [KIND]: Kind; value: unknown }): unknown {
  switch (kind) {
    case "bigint":
      return BigInt(value as string);
    case "bytes":
      return Uint8Array.fromBase64(value as string);
    case "map":
      return new Map((value as unknown[]).map((pair) => fromPlain(pair) as [unknown, unknown]));
    case "date":
      return new Date(value as number);
    case "undefined":
      return undefined;
    default:
      throw new TypeError(`nothing is said by ${KIND} ${String(kind)}`);
  }
}
