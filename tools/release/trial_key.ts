/** A minisign key pair of the moment, without a password, for trials of releases. */
import { Buffer } from "node:buffer";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { join } from "node:path";

/** kdf "none", checksum "B2", no salt and no limits: as minisign -W writes a key. */
const HEAD = Buffer.concat([Buffer.from("Ed\0\0B2", "latin1"), Buffer.alloc(48)]);

/**
 * Writes `trial.key` and `trial.pub` into a folder.
 * @returns the path of the first
 */
export async function writeTrialKey(dir: string): Promise<string> {
  const { d, x } = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
  const [seed, point] = [d!, x!].map((part) => Buffer.from(part, "base64url"));
  const id = randomBytes(8);
  const secret = Buffer.concat([HEAD, id, seed!, point!, Buffer.alloc(32)]).toString("base64");
  const open = Buffer.concat([Buffer.from("Ed"), id, point!]).toString("base64");
  const path = join(dir, "trial.key");
  await Deno.writeTextFile(path, `untrusted comment: secret key of a trial\n${secret}\n`, {
    mode: 0o600,
  });
  await Deno.writeTextFile(join(dir, "trial.pub"), `untrusted comment: key of a trial\n${open}\n`);
  return path;
}
