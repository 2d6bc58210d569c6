/** Tests that need a peer; without it they say that they did not run. */
import { CLIENTS, isInstalled, type Peer } from "./packages.ts";

type Work = (t: Deno.TestContext) => Promise<void>;

/** `work`, once `peer` is installed. */
export function withPeer(peer: Peer, work: Work): Work {
  return async (t) => {
    if (await isInstalled(peer)) return await work(t);
    const task = CLIENTS.includes(peer) ? "test:clients" : "test:peers";
    // deno-lint-ignore no-console
    console.log(`    NOT RUN: ${peer.name} is not installed; deno task ${task} installs it`);
  };
}
