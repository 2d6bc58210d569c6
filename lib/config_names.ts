/** What a provider's configuration says of names: `provider.names`. */
import * as v from "valibot";
import { nameServerFault } from "./name_server.ts";

export const namesShape = v.optional(
  v.strictObject({
    /** Whether deployments are called by names here. */
    enabled: v.optional(v.boolean(), true),
    /** Names of the register that an owner may have, for each USDC that it has allowed. */
    perUsdc: v.optional(
      v.pipe(
        v.number(),
        v.integer("not a whole number"),
        v.minValue(0),
        v.maxValue(1_000_000),
      ),
      10,
    ),
    /** The name server that is asked for DNSLink; by default those of /etc/resolv.conf. */
    resolver: v.exactOptional(
      v.pipe(
        v.string(),
        v.check((text) => nameServerFault(text) === null, nameServerFault("")!),
      ),
    ),
  }),
  {},
);
