/** The last file of a backup: what is in it, and of which machine it is. */
import * as v from "valibot";
import { parseJson, parseShape } from "../../shape.ts";

export const MANIFEST_NAME = "manifest.json";

/** A backup of another version is refused by name. */
export const BACKUP_VERSION = 1;

/** Of a path in the archive: below one of its places, and never out of it. */
const nameShape = v.pipe(
  v.string(),
  v.check((name) => isWayDown(name), "a name that leads out of its folder"),
);

const manifestShape = v.strictObject({
  version: v.literal(BACKUP_VERSION, `not version ${BACKUP_VERSION}: another release made it`),
  /** The release that made it. */
  khachapuri: v.string(),
  /** Unix ms. */
  madeAt: v.pipe(v.number(), v.integer()),
  /** The provider's name. */
  provider: v.string(),
  /** Where its folders were. */
  places: v.array(v.strictObject({ prefix: v.string(), path: v.string() })),
  files: v.array(v.strictObject({
    name: nameShape,
    bytes: v.pipe(v.number(), v.integer(), v.minValue(0)),
    sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
    mode: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0o777)),
  })),
});

export type Manifest = v.InferOutput<typeof manifestShape>;
export type ManifestFile = Manifest["files"][number];

/** Whether a name in the archive is one below its first part. */
export function isWayDown(name: string): boolean {
  const parts = name.split("/");
  return parts.length > 1 && !name.includes("\0") && !name.includes("\\") &&
    parts.every((part) => part !== "" && part !== "." && part !== "..");
}

/** @throws KhachapuriError `invalid_input` */
export function parseManifest(text: string, path: string): Manifest {
  return parseShape(manifestShape, parseJson(text, path, "invalid_input"), path, "invalid_input");
}
