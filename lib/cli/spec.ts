/** A deployment's spec as this machine can read it. */
import type { CID } from "../cid.ts";
import { formatCid } from "../cid.ts";
import { createFetcher } from "../ipfs/gateway.ts";
import { SPEC_BYTES_MAX } from "../limits.ts";
import { openSpec } from "../spec/envelope.ts";
import type { Spec } from "../spec/schema.ts";
import { verifySpec } from "../spec/signature.ts";
import type { CommandContext } from "./command.ts";

/**
 * Fetches, decrypts and checks a spec; null when it is encrypted to others.
 * @throws KhachapuriError `ipfs_unavailable`, `invalid_spec`, `invalid_signature`
 */
export async function fetchSpec(
  context: CommandContext,
  cid: CID,
  identities: readonly string[],
): Promise<Spec | null> {
  const { gateways } = await context.config();
  context.out.progress(`fetching ${formatCid(cid)}`);
  const bytes = await createFetcher({ gateways, cache: null })
    .readFile(cid, { maxBytes: SPEC_BYTES_MAX });
  const spec = await openSpec(bytes, identities);
  if (spec) await verifySpec(spec);
  return spec;
}
