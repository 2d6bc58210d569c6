/**
 * Pushes of very many blocks that hold next to nothing, by an owner who has credits allowed: a few
 * that are kept, and one that is refused at its end, over and over.
 */
import { formatCid } from "../lib/cid.ts";
import { pushAuthorization, signPush } from "../lib/spec/push.ts";
import { carOf, rawBlock, tinyBlocks } from "../worlds/content/cars.ts";
import type { Market } from "../worlds/market.ts";
import { tell } from "./attacks_side.ts";

const BLOCKS = 16_000;
const AT_ONCE = 4;
const KEPT = 2;
const ATTACK_MS = 6_000;

interface Pushed {
  readonly root: string;
  readonly car: Uint8Array<ArrayBuffer>;
}

export function tinyPushes() {
  const pushes = prepared();
  return {
    name: "pushes of tiny blocks",
    run: async ({ url }: { url: string }, { market }: { market: Market }) => ({
      status: tell(await pushOn(url, market, pushes)),
    }),
  };
}

/** What is pushed: made once, as it takes longer than any push of it. */
function prepared(): Pushed[] {
  const kept = Array.from({ length: KEPT }, (_, seed) => tinyBlocks(BLOCKS, seed));
  const [first] = kept[0]!;
  const other = rawBlock("nothing links to the others");
  return [
    ...kept.map((blocks) => pushedOf(blocks[0]!.cid, blocks)),
    pushedOf(other.cid, [other, ...kept[0]!.filter((block) => block !== first)]),
  ];
}

function pushedOf(root: Parameters<typeof carOf>[0], blocks: Parameters<typeof carOf>[1]): Pushed {
  return { root: formatCid(root), car: carOf(root, blocks) };
}

/** @returns the statuses of all of them */
async function pushOn(
  url: string,
  market: Market,
  pushes: readonly Pushed[],
): Promise<number[]> {
  const end = performance.now() + ATTACK_MS;
  const statuses: number[] = [];
  const kept = pushes.slice(0, -1);
  const all = Array.from({ length: AT_ONCE }, async () => {
    while (performance.now() < end) {
      statuses.push(await push(url, market, kept.pop() ?? pushes.at(-1)!));
    }
  });
  await Promise.all(all);
  return statuses;
}

async function push(
  url: string,
  { accounts: { owner, provider }, chain: { chainId }, escrow }: Market,
  { root, car }: Pushed,
): Promise<number> {
  const signed = await signPush(owner, {
    root,
    bytes: BigInt(car.length),
    chainId,
    escrow,
    provider: provider.address,
    expires: BigInt(Math.floor(Date.now() / 1_000)) + 100n,
    nonce: `0x${crypto.getRandomValues(new Uint8Array(32)).toHex()}`,
  });
  const headers = {
    "content-type": "application/vnd.ipld.car",
    authorization: pushAuthorization(signed),
  };
  try {
    const response = await fetch(`${url}/ipfs`, { method: "POST", headers, body: car });
    await response.body?.cancel();
    return response.status;
  } catch {
    // It was answered, and the connection closed, before all of it was sent.
    return 0;
  }
}
