/** Files signed as releases are, by a key that a test has made. */
import { generateKeyPairSync } from "node:crypto";
import { Buffer } from "node:buffer";
import { writeReleaseComment } from "../lib/release/comment.ts";
import { signFile, type SigningKey } from "../tools/release/sign.ts";

/** A key pair of minisign's. */
export function newSigningKey(): SigningKey {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const point = Buffer.from(publicKey.export({ format: "jwk" }).x!, "base64url");
  const id = crypto.getRandomValues(new Uint8Array(8));
  const publicLine = Buffer.concat([Buffer.from("Ed"), id, point]).toString("base64");
  return { id, secret: privateKey, publicLine };
}

/** The text of a package's `.minisig`. */
export function signPackage(
  bytes: Uint8Array,
  key: SigningKey,
  { version = "0.2.0", architecture = "x86_64" as string | null } = {},
): string {
  return signFile(
    bytes,
    key,
    writeReleaseComment({
      timestamp: 1_700_000_000,
      file: `khachapuri-${version}-linux-${architecture}`,
      version,
      architecture,
      commit: "0".repeat(40),
    }),
  );
}
