/** Each JSON-RPC endpoint of the chain, as `doctor` tells it: is it there, level, of our time? */
import type { EndpointHead, EndpointStatus } from "../../chain/endpoint.ts";
import type { Look } from "./findings.ts";

/** Blocks of two endpoints, or a block and this machine's clock, may be so far apart, seconds. */
const APART_SECONDS = 30;
/** Chains on a developer's machine: they make a block when they are asked to. */
const LOCAL_CHAIN_IDS = [1_337, 31_337];

export interface EndpointsSeen {
  chainId: number;
  heads: readonly EndpointHead[];
  statuses: readonly EndpointStatus[];
  /** Unix seconds. */
  now: number;
}

/** What is to be said of the endpoint at that place in the configuration. */
export function judgeEndpoint(seen: EndpointsSeen, index: number): Look {
  const { chainId, heads, statuses, now } = seen;
  const { block } = heads[index]!;
  const { trouble, disagreements } = statuses[index]!;
  const advice = adviceOn(heads, index);
  if (block === null) {
    const hints = ["meanwhile what another one says of the chain is believed alone"];
    return { detail: `it does not answer: ${trouble ?? "not yet"}`, hints };
  }
  const age = now - block.time;
  const newest = Math.max(...heads.map((head) => head.block?.time ?? 0));
  const late = newest - block.time;
  const hints: string[] = [];
  if (late > APART_SECONDS) hints.push(`it is ${late} s behind another one`);
  if (age < -APART_SECONDS) {
    hints.push(`its newest block is ${-age} s ahead of this machine's clock: set the clock`);
  }
  // One that stands still is told by the others; a local chain does so by its nature.
  const isOld = age > APART_SECONDS && late <= APART_SECONDS;
  if (isOld && !LOCAL_CHAIN_IDS.includes(chainId)) {
    hints.push(
      `its newest block is ${age} s old: does the chain stand still, or is this clock ahead?`,
    );
  }
  if (disagreements > 0) hints.push(`it and another one disagreed ${disagreements} times`);
  return { detail: `block ${block.number}, ${age} s old`, hints, advice };
}

function adviceOn(heads: readonly EndpointHead[], index: number): string[] {
  if (heads.length === 1) {
    return ['list a second one under "rpc", so that no single node decides about money'];
  }
  const isTwice = heads.some(({ origin }, at) => at !== index && origin === heads[index]!.origin);
  return isTwice ? ["another one is at the same host: nodes of one host may err alike"] : [];
}
