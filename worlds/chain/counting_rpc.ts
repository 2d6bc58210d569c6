/** A JSON-RPC endpoint before another one that counts what passes, and may refuse batches. */

export interface CountingRpc extends AsyncDisposable {
  readonly url: string;
  /** Each HTTP request: its methods, more than one in a batch, and the length of its body. */
  readonly requests: { methods: string[]; bytes: number }[];
  takesBatches: boolean;
}

/** @param delayMs how far away the other one is, there and back */
export function startCountingRpc(target: string, delayMs = 0): CountingRpc {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      const body = await request.text();
      const calls = [JSON.parse(body)].flat() as { method: string }[];
      rpc.requests.push({ methods: calls.map(({ method }) => method), bytes: body.length });
      if (calls.length > 1 && !rpc.takesBatches) {
        const error = { code: -32_600, message: "batches are not supported" };
        return Response.json({ jsonrpc: "2.0", id: null, error });
      }
      if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
      const headers = { "content-type": "application/json" };
      return await fetch(target, { method: "POST", headers, body });
    },
  );
  const rpc: CountingRpc = {
    url: `http://127.0.0.1:${server.addr.port}`,
    requests: [],
    takesBatches: true,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
  return rpc;
}
