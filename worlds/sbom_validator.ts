/**
 * CycloneDX's own validator (its library for JavaScript, with ajv), as npm has it, in a folder of
 * its own: nothing that is shipped or built needs it, so deno.lock knows none of it.
 */
import { join } from "node:path";
import { complain } from "../tools/print.ts";
import { runQuietly } from "../tools/quiet.ts";

const FOLDER = join(import.meta.dirname!, "../.cache/cyclonedx");
const RECORD = join(FOLDER, "installed.json");

/** By their exact versions. */
const PACKAGES: Readonly<Record<string, string>> = {
  "@cyclonedx/cyclonedx-library": "10.3.0",
  "ajv": "8.20.0",
  "ajv-formats": "3.0.1",
  "ajv-formats-draft2019": "1.6.1",
};

/** Says what is wrong with the document in a file; nothing when it is valid. */
const SCRIPT = `
const { readFileSync } = require("node:fs");
const { Spec, Validation } = require("@cyclonedx/cyclonedx-library");
new Validation.JsonStrictValidator(Spec.Version.v1dot6)
  .validate(readFileSync(process.argv[2], "utf8"))
  .then((fault) => console.log(JSON.stringify(fault)));
`;

/**
 * Installs it where it is not yet; no script of it runs.
 * @returns whether it is there
 */
export async function isValidatorThere(): Promise<boolean> {
  await Deno.mkdir(FOLDER, { recursive: true });
  using lock = await Deno.open(join(FOLDER, "lock"), { create: true, write: true });
  await lock.lock(true);
  const wanted = JSON.stringify(PACKAGES);
  if (await Deno.readTextFile(RECORD).catch(() => "") === wanted) return true;
  await Deno.writeTextFile(join(FOLDER, "package.json"), '{ "private": true }\n');
  await Deno.writeTextFile(join(FOLDER, "validate.cjs"), SCRIPT);
  const names = Object.entries(PACKAGES).map(([name, version]) => `${name}@${version}`);
  const quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--save-exact", "--loglevel=error"];
  const optional = ["--omit=optional", "--legacy-peer-deps"];
  const args = ["--prefix", FOLDER, "install", ...quiet, ...optional, ...names];
  const { isDone, said } = await runQuietly("npm", args)
    .catch((thrown) => ({ isDone: false, said: String(thrown) }));
  if (isDone) await Deno.writeTextFile(RECORD, wanted);
  else complain(`cyclonedx: the validator is not installed, its test is NOT RUN\n${said}`);
  return isDone;
}

/** What CycloneDX 1.6's schema has against a document; null: nothing. */
export async function schemaFault(text: string): Promise<unknown> {
  const path = await Deno.makeTempFile({ suffix: ".cdx.json" });
  try {
    await Deno.writeTextFile(path, text);
    const { isDone, said } = await runQuietly("node", [join(FOLDER, "validate.cjs"), path]);
    return isDone ? JSON.parse(said) : said;
  } finally {
    await Deno.remove(path);
  }
}
