/** A JSON-RPC endpoint before another one that counts what passes, and may refuse batches. */

export interface CountingRpc extends AsyncDisposable {
  readonly url: string;
  /** Each HTTP request: its methods, more than one in a batch, and the length of its body. */
  readonly requests: { methods: string[]; bytes: number }[];
  takesBatches: boolean;
  /** How many of them at least waited for another's answer, one after the other, and the first. */
  rounds(): number;
}

/** @param delayMs how far away the other one is, there and back */
export function startCountingRpc(target: string, delayMs = 0): CountingRpc {
  /** Of the longest such row, what came and what is answered. */
  let [asked, answered] = [0, 0];
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      const body = await request.text();
      const round = answered + 1;
      asked = Math.max(asked, round);
      const calls = [JSON.parse(body)].flat() as { method: string }[];
      rpc.requests.push({ methods: calls.map(({ method }) => method), bytes: body.length });
      if (calls.length > 1 && !rpc.takesBatches) {
        const error = { code: -32_600, message: "batches are not supported" };
        return Response.json({ jsonrpc: "2.0", id: null, error });
      }
      if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
      const headers = { "content-type": "application/json" };
      const answer = await fetch(target, { method: "POST", headers, body });
      answered = Math.max(answered, round);
      return answer;
    },
  );
  const rpc: CountingRpc = {
    url: `http://127.0.0.1:${server.addr.port}`,
    requests: [],
    takesBatches: true,
    rounds: () => asked,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
  return rpc;
}
