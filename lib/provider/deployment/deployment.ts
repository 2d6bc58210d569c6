/** A deployment as this provider runs it: a published spec, opened, verified and meant for us. */
import type { CidText } from "../../cid.ts";
import type { ProviderEntry, Spec } from "../../spec/schema.ts";

export interface Deployment {
  readonly cid: CidText;
  readonly spec: Spec;
  /** What the spec says about this provider. */
  readonly entry: ProviderEntry;
  /** Which of our keys it is encrypted to, as `shortRecipient` has it; absent where nobody asks. */
  readonly recipient?: string;
}
