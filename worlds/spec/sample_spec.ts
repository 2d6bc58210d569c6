/** A valid spec for tests of what reads and checks specs. */
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { deploymentLane, signPermit, UINT128_MAX, UINT64_MAX } from "../../lib/permit.ts";
import {
  newDeploymentId,
  parseUnsignedSpec,
  type Spec,
  type UnsignedSpec,
} from "../../lib/spec/schema.ts";
import { signSpec } from "../../lib/spec/signature.ts";
import { permitToJson } from "../../lib/permit.ts";

/** What a sample names; whatever is left out is made up. */
export interface SampleOptions {
  owner?: ReturnType<typeof privateKeyToAccount>;
  provider?: `0x${string}`;
  escrow?: `0x${string}`;
  chainId?: number;
  /** Fields that replace the sample's own. */
  fields?: Record<string, unknown>;
}

/** An unsigned spec with one provider entry and its signed permit. */
export async function sampleUnsigned(
  options: SampleOptions = {},
): Promise<{ spec: UnsignedSpec; owner: ReturnType<typeof privateKeyToAccount> }> {
  const owner = options.owner ?? privateKeyToAccount(generatePrivateKey());
  const chainId = options.chainId ?? 31_337;
  const escrow = options.escrow ?? "0x5FbDB2315678afecb367f032d93F642f64180aa3";
  const address = options.provider ?? privateKeyToAccount(generatePrivateKey()).address;
  const id = newDeploymentId();
  const permit = await signPermit(owner, { chainId, escrow }, {
    payer: owner.address,
    provider: address,
    lane: deploymentLane(id),
    price: 1_000_000n,
    credits: UINT128_MAX,
    deadline: UINT64_MAX,
    epoch: 0,
  });
  const spec = parseUnsignedSpec({
    version: 1,
    id,
    program: {
      cid: "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy",
      entrypoint: "./main",
      args: [],
    },
    interface: "curl",
    env: { API_KEY: "s3cr3t" },
    limits: { timeoutMs: 15_000, memoryMb: 256, concurrency: 8, ownerCreditsPerMinute: 600 },
    egress: [],
    access: "public",
    owner: owner.address,
    providers: [{
      address,
      chainId,
      escrow,
      terms: `0x${"11".repeat(32)}`,
      permit: permitToJson(permit),
    }],
    ...options.fields,
  });
  return { spec, owner };
}

/** A spec signed by its owner. */
export async function sampleSpec(options: SampleOptions = {}): Promise<Spec> {
  const { spec, owner } = await sampleUnsigned(options);
  return await signSpec(spec, owner);
}
