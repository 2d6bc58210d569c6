/** What differs between two configurations, as people are told it. */
import { isSecretName, withoutUrlSecrets } from "./log.ts";

/** A field that differs; a value is null where it is not said. */
export interface ChangedField {
  /** Dotted, as `provider.price`. */
  readonly field: string;
  readonly was: string | null;
  readonly is: string | null;
}

/** The fields that differ; a list is one value. */
export function changesBetween(before: object, after: object): ChangedField[] {
  const [said, says] = [fieldsOf(before), fieldsOf(after)];
  return [...new Set([...said.keys(), ...says.keys()])].flatMap((field) => {
    const [was = null, is = null] = [said.get(field), says.get(field)];
    return was === is ? [] : [{ field, was, is }];
  });
}

/** A line of it: what the field said, and says. */
export function changeText({ field, was, is }: ChangedField): string {
  return `${field}: ${was === null ? "" : `${was} → `}${is ?? "nothing"}`;
}

/**
 * A line of it for logs and other people's eyes: of URLs scheme and host, as paths and queries hold
 * keys, and nothing of what is called a secret.
 */
export function maskedChangeText({ field, was, is }: ChangedField): string {
  const [shownWas, shownIs] = [was, is].map((value) => value && masked(field, value));
  if (shownWas === shownIs) return `${field}: changed in what is not shown`;
  return changeText({ field, was: shownWas ?? null, is: shownIs ?? null });
}

const WITHHELD = "[withheld]";

function masked(field: string, value: string): string {
  if (field.split(".").some(isSecretName)) return WITHHELD;
  return JSON.stringify(JSON.parse(value, (name, item) => {
    if (isSecretName(name) && typeof item !== "object") return WITHHELD;
    return typeof item === "string" ? withoutUrlSecrets(item) : item;
  }));
}

/** Dotted names of the fields, with their values as JSON. */
function fieldsOf(section: object, prefix = ""): Map<string, string> {
  return new Map(
    Object.entries(section).flatMap(([name, value]): [string, string][] => {
      const isSection = typeof value === "object" && value !== null && !Array.isArray(value);
      if (isSection) return [...fieldsOf(value, `${prefix}${name}.`)];
      return [[`${prefix}${name}`, JSON.stringify(value)]];
    }),
  );
}
