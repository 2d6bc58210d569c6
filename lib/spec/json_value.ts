/** JSON that an owner chose and others read: what of it could trip those who hash or walk it. */

/** Objects keep no member of such a name where it is assigned. */
const UNSAFE_NAMES: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);

/**
 * Why a value is not one that every reader takes for the same; null: it is.
 * @param depthMax objects and lists in each other
 */
export function jsonFault(value: unknown, depthMax: number): string | null {
  if (value === null || typeof value === "boolean") return null;
  // JSON has no such number, but 1e999 is read as one, and has no canonical form (RFC 8785).
  if (typeof value === "number") return Number.isFinite(value) ? null : "a number out of range";
  if (typeof value === "string") return value.isWellFormed() ? null : "text with half a character";
  if (typeof value !== "object") return "no JSON";
  if (depthMax === 0) return "nested too deeply";
  if (Array.isArray(value)) return firstFault(value, depthMax - 1);
  const names = Object.keys(value);
  const unsafe = names.find((name) => UNSAFE_NAMES.has(name));
  if (unsafe !== undefined) return `a member named ${unsafe}`;
  return firstFault(names, 1) ?? firstFault(Object.values(value), depthMax - 1);
}

function firstFault(values: readonly unknown[], depthMax: number): string | null {
  for (const value of values) {
    const fault = jsonFault(value, depthMax);
    if (fault !== null) return fault;
  }
  return null;
}

/** Of the value as JSON, UTF-8. */
export function jsonBytes(value: unknown): number {
  return new TextEncoder().encode(JSON.stringify(value)).length;
}
