/** The chain as nodes of a trial reach it: at a word a transaction is held, and never sent. */

export interface HeldRpc extends AsyncDisposable {
  /** For whoever reaches the chain at `rpc`. */
  behind(rpc: string): string;
  /** Holds the next transaction for good; resolves when there is one. */
  holdNext(): Promise<void>;
}

const SEND = '"eth_sendRawTransaction"';

export function startHeldRpc(): HeldRpc {
  let target = "";
  let hold: (() => void) | null = null;
  const over = Promise.withResolvers<void>();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const body = await request.text();
    if (hold !== null && body.includes(SEND)) {
      hold();
      hold = null;
      await over.promise;
      return new Response(null, { status: 503 });
    }
    const headers = { "content-type": "application/json" };
    return await fetch(target, { method: request.method, body, headers });
  });
  return {
    behind(rpc) {
      target = rpc;
      return `http://127.0.0.1:${server.addr.port}`;
    },
    holdNext: () => new Promise((resolve) => hold = resolve),
    async [Symbol.asyncDispose]() {
      over.resolve();
      await server.shutdown();
    },
  };
}
