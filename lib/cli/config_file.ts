/** `<home>/config.json` as commands change it: checked before it is written, by one at a time. */
import { join } from "node:path";
import { type ConfigJson, parseConfig } from "../config.ts";
import { type HomeFile, openHomeFile } from "../home_file.ts";

export interface ConfigFile extends HomeFile<ConfigJson> {
  readonly path: string;
}

/** The file in `home`; nothing is read or made yet. */
export function openConfigFile(home: string): ConfigFile {
  const path = join(home, "config.json");
  const file = openHomeFile<ConfigJson>(path, {
    empty: {},
    parse(json) {
      parseConfig(json, home);
      return json as ConfigJson;
    },
    toJson: (config) => config,
  });
  return { path, ...file };
}

/** What differs between two configurations, a line for each field: what it says, and said. */
export function changedFields(before: ConfigJson, after: ConfigJson): string[] {
  const [said, says] = [fieldsOf(before), fieldsOf(after)];
  return [...new Set([...said.keys(), ...says.keys()])]
    .filter((field) => said.get(field) !== says.get(field))
    .map((field) => {
      const was = said.get(field);
      return `${field}: ${was === undefined ? "" : `${was} → `}${says.get(field) ?? "nothing"}`;
    });
}

/** Dotted names of the fields, with their values as JSON; a list is one value. */
function fieldsOf(section: object, prefix = ""): Map<string, string> {
  return new Map(
    Object.entries(section).flatMap(([name, value]): [string, string][] => {
      const isSection = typeof value === "object" && value !== null && !Array.isArray(value);
      if (isSection) return [...fieldsOf(value, `${prefix}${name}.`)];
      return [[`${prefix}${name}`, JSON.stringify(value)]];
    }),
  );
}
