/** The licences that a build carries: ours, and those of whatever others wrote that is in it. */
import * as v from "valibot";
import { KhachapuriError } from "../errors.ts";
import { parseJson, parseShape } from "../shape.ts";

/** A part of the program and the text of its licence. */
export interface License {
  /** As npm or its project names it. */
  readonly name: string;
  readonly version: string;
  /** SPDX expression (https://spdx.org/licenses/). */
  readonly license: string;
  /** With its copyright notices. */
  readonly text: string;
}

const licensesShape = v.array(v.object({
  name: v.string(),
  version: v.string(),
  license: v.string(),
  text: v.string(),
}));

/** Under this name it lies beside the bundle's folder in the packaged file. */
export const LICENSES_FILE = "licenses.json";

/**
 * Reads what this build carries; nothing is loaded before it is asked for.
 * @param beside where the file would be: beside the bundle's folder
 * @throws KhachapuriError `not_found` from source
 */
export async function readLicenses(
  beside: URL = new URL(`../${LICENSES_FILE}`, import.meta.url),
): Promise<License[]> {
  const text = await Deno.readTextFile(beside).catch(async (thrown) => {
    if (thrown instanceof Deno.errors.NotFound || Deno.build.standalone) return await inside();
    throw thrown;
  });
  if (text === "") {
    throw new KhachapuriError("not_found", "the licences are collected when a file is built", {
      hints: [
        "ours is LICENSE, each package's lies in its folder of node_modules",
        "deno task package     builds a file that has them all",
      ],
    });
  }
  return parseShape(
    licensesShape,
    parseJson(text, LICENSES_FILE, "invalid_input"),
    LICENSES_FILE,
    "invalid_input",
  );
}

async function inside(): Promise<string> {
  return (await import("./licenses_text.ts")).LICENSES_JSON;
}
