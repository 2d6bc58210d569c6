/** A Kubo node, or a service that speaks its RPC. */
import { type Kubo, publish } from "../../ipfs/publish.ts";
import { quotedWord } from "../../shell_word.ts";
import type { Destination } from "./destination.ts";
import type { ReadBack } from "./read_back.ts";

export function kuboNode(kubo: Kubo, readBack: ReadBack): Destination {
  return {
    name: `kubo at ${new URL(kubo.url).host}`,
    flags: `--kubo ${quotedWord(kubo.url)}`,
    reach: "network",
    order: "first",
    async publish(dag, { onSent, signal }) {
      await publish(dag, { kubo, onSent, signal });
      await readBack(dag, signal);
    },
  };
}
