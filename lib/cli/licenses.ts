/** `licenses`: the texts that whoever passes the program on has to pass on, too. */
import { KhachapuriError } from "../errors.ts";
import { type License, readLicenses } from "../release/licenses.ts";
import { defineCommand } from "./command.ts";

const RULE = "-".repeat(78);

export const licenses = defineCommand({
  usage: "[NAME]",
  details: [
    "Prints our licence and that of every package in this file, with the runtime that runs it and " +
    "the C library in its sandbox's helper. With a NAME, that one's alone.",
  ],
  examples: ["licenses", "licenses viem", "licenses --json"],
  options: {},
  positionals: { min: 0, max: 1 },
  async run({ out }, { positionals: [name] }) {
    const all = await readLicenses();
    const asked = name === undefined ? all : all.filter((each) => each.name === name);
    if (asked.length === 0) {
      throw new KhachapuriError("not_found", `there is nothing named ${name} in this file`, {
        hints: [`there are: ${[...new Set(all.map((each) => each.name))].join(", ")}`],
      });
    }
    out.result({ licenses: asked }, asked.flatMap(linesOf));
  },
});

function linesOf({ name, version, license, text }: License): string[] {
  return [RULE, `${name} ${version}  ${license}`, RULE, "", text.trimEnd(), ""];
}
