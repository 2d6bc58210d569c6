/**
 * The facts of a release in its signature's trusted comment: `name:value`, with tabs between them,
 * as minisign writes its own. So a file that is signed cannot be passed off as another one.
 */
import { KhachapuriError } from "../errors.ts";

/** What a signed package says of itself. */
export interface ReleaseFacts {
  /** The file's name in the release. */
  readonly file: string;
  /** As in deno.json. */
  readonly version: string;
  /** `x86_64` or `arm64`; null for a file of no architecture, as SHA256SUMS. */
  readonly architecture: string | null;
  /** The commit it was built from, 40 hex digits. */
  readonly commit: string;
  /** When that was committed; Unix seconds. */
  readonly timestamp: number;
}

const ORDER = ["timestamp", "file", "version", "architecture", "commit"] as const;

/** The trusted comment that says `facts`. */
export function writeReleaseComment(facts: ReleaseFacts): string {
  const said = ORDER.filter((name) => facts[name] !== null);
  return said.map((name) => `${name}:${facts[name]}`).join("\t");
}

/**
 * Reads a trusted comment of ours; facts that are not known yet are passed over.
 * @throws KhachapuriError `invalid_input` when it is of something else than a release of ours
 */
export function readReleaseComment(comment: string): ReleaseFacts {
  const fields = new Map<string, string>();
  for (const field of comment.split("\t")) {
    const [name = "", ...value] = field.split(":");
    if (fields.has(name)) throw foreign(`says ${name} twice`);
    fields.set(name, value.join(":"));
  }
  const told = (name: string, shape: RegExp) => {
    const value = fields.get(name) ?? "";
    if (shape.test(value)) return value;
    throw foreign(`does not say which ${name}`);
  };
  return {
    timestamp: Number(told("timestamp", /^\d{1,12}$/)),
    file: told("file", /^[\w.+-]{1,200}$/),
    version: told("version", /^\d{1,6}\.\d{1,6}\.\d{1,6}(?:-[\w.-]{1,64})?$/),
    architecture: fields.has("architecture") ? told("architecture", /^\w{1,32}$/) : null,
    commit: told("commit", /^[0-9a-f]{40}$/),
  };
}

function foreign(what: string): KhachapuriError {
  return new KhachapuriError("invalid_input", `this is signed, but no release: it ${what}`, {
    hints: ["take package and .minisig of one release"],
  });
}
