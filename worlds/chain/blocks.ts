/** The blocks of a local chain as they come, for tests that wait for what one of them brings. */

/**
 * Resolves once `isSo` holds: asks it now, and after every block. Bounded by the test runner.
 * @param rpc URL of anvil, which takes WebSockets there too
 */
export async function untilMined(rpc: string, isSo: () => Promise<boolean>): Promise<void> {
  for await (const _ of blocks(rpc)) if (await isSo()) return;
  throw new Error("the chain ended before that came");
}

/** One message for the subscription itself, then one for every block (`eth_subscribe`). */
function blocks(rpc: string): ReadableStream<string> {
  const socket = new WebSocket(rpc.replace(/^http/, "ws"));
  const closed = new Promise<void>((resolve) => {
    socket.addEventListener("close", () => resolve(), { once: true });
  });
  const subscription = { jsonrpc: "2.0", id: 1, method: "eth_subscribe", params: ["newHeads"] };
  return new ReadableStream({
    start(controller) {
      socket.onopen = () => socket.send(JSON.stringify(subscription));
      socket.onmessage = ({ data }) => controller.enqueue(data);
      socket.onerror = () => controller.error(new Error(`${rpc} takes no WebSocket`));
      socket.onclose = () => controller.close();
    },
    async cancel() {
      socket.onclose = null;
      socket.close();
      await closed;
    },
  });
}
