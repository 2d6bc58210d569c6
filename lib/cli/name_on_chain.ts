/** A name of ENS, or of a Registry of ours: its owner says by a transaction what it points to. */
import type { Address, LocalAccount } from "viem";
import type { Chain } from "../chain/client.ts";
import { chainText } from "../chain/deployments.ts";
import { readContentHistory } from "../chain/content_history.ts";
import { readContenthash } from "../chain/contenthash.ts";
import type { NameSource } from "../chain/ens.ts";
import { planContent, pointContent } from "../chain/name_content.ts";
import type { CidText } from "../cid.ts";
import type { NameMoved, NamePlace } from "./name_place.ts";

export interface ChainNameOptions {
  chain: Chain;
  source: NameSource;
  /** Where the name's owner is known. */
  registry: Address;
  publicResolver: Address | null;
  replacesResolver: boolean;
}

export function nameOnChain(name: string, options: ChainNameOptions): NamePlace {
  const { chain, source } = options;
  return {
    where: chainText(chain.chainId),
    async look() {
      const [cid, changes] = await Promise.all([
        readContenthash(chain, name, source),
        readContentHistory(chain, name, source),
      ]);
      const history = changes && changes.map(({ cid, at }) => ({ cid, at: Number(at) * 1_000 }));
      return { cid, history, facts: { chainId: chain.chainId } };
    },
    prepare: (account) => prepare(name, options, account),
  };
}

async function prepare(
  name: string,
  { chain, registry, publicResolver, replacesResolver }: ChainNameOptions,
  account: LocalAccount,
): Promise<(cid: CidText | null) => Promise<NameMoved>> {
  const plan = await planContent(chain, account.address, {
    registry,
    name,
    replacesResolver,
    ...(publicResolver === null ? {} : { publicResolver }),
  });
  return async (cid) => {
    const { action, resolver, transactions } = await pointContent(chain, account, plan, cid);
    return {
      action,
      facts: { chainId: chain.chainId, resolver, transactions },
      lines: [
        `resolver  ${resolver}`,
        ...transactions.map((hash) => `mined     ${hash}`),
      ],
    };
  };
}
