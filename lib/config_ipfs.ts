/** The configuration's section `provider.ipfs`: what owners have kept here, and who reads it. */
import * as v from "valibot";

const GIB = 2 ** 30;
const DAY_SECONDS = 86_400;

const bytes = (most: number) =>
  v.pipe(v.number(), v.integer("not a whole number"), v.minValue(0), v.maxValue(most));

export const ipfsShape = v.optional(
  v.strictObject({
    /** Whether owners with an allowance may push programs and deployments here. */
    push: v.optional(v.boolean(), true),
    /** Whether anybody may read what is kept, as from a trustless gateway. */
    public: v.optional(v.boolean(), true),
    /** What an owner may have kept for each USDC that it has allowed here. */
    bytesPerUsdc: v.optional(bytes(2 ** 50), GIB),
    /** At most. */
    bytesPerOwnerMax: v.optional(bytes(2 ** 50), 8 * GIB),
    /** Of all owners together. */
    bytesMax: v.optional(bytes(2 ** 50), 32 * GIB),
    /** Kept so long after the last deployment that used it was stopped. */
    keepSeconds: v.optional(bytes(100 * 365 * DAY_SECONDS), 30 * DAY_SECONDS),
  }),
  {},
);

export type IpfsConfig = v.InferOutput<typeof ipfsShape>;
