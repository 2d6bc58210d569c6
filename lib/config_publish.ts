/** The list `publish` of config.json: where deployments are copied to, beside the providers. */
import * as v from "valibot";
import { httpUrlShape } from "./shape.ts";

const fileShape = v.pipe(v.string(), v.minLength(1, "no file is named"));

/** By its kind, so that what is wrong with an entry is said of that kind. */
export const publishShape = v.array(
  v.variant("kind", [
    /** A Kubo node's RPC, or a service that speaks it; the token is a bearer's. */
    v.strictObject({
      kind: v.literal("kubo"),
      url: httpUrlShape,
      token: v.exactOptional(v.string()),
    }),
    /** The file holds the JWT alone; paths are relative to the home. */
    v.strictObject({
      kind: v.literal("pinata"),
      url: v.exactOptional(httpUrlShape),
      jwtFile: fileShape,
    }),
    /** The IPFS Pinning Service API; the file holds the token alone. */
    v.strictObject({ kind: v.literal("pinning"), url: httpUrlShape, tokenFile: fileShape }),
  ], 'not one of "kubo", "pinata" and "pinning"'),
);

export type PublishEntry = v.InferOutput<typeof publishShape>[number];
