/** `<home>/config.json` as commands change it: checked before it is written, by one at a time. */
import { join } from "node:path";
import { type ConfigJson, parseConfig } from "../config.ts";
import { changesBetween, changeText } from "../config_changes.ts";
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
  return changesBetween(before, after).map(changeText);
}
