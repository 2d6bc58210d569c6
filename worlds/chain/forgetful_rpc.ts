/** A JSON-RPC endpoint before another one that searches no events, as public ones may. */

export interface ForgetfulRpc extends AsyncDisposable {
  readonly url: string;
}

interface Call {
  readonly id: number;
  readonly method: string;
}

const REFUSAL = { code: -32_005, message: "query exceeds max block range" };

export function startForgetfulRpc(target: string): ForgetfulRpc {
  const answer = async (call: Call): Promise<unknown> => {
    if (call.method === "eth_getLogs") return { jsonrpc: "2.0", id: call.id, error: REFUSAL };
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify(call);
    return await (await fetch(target, { method: "POST", headers, body })).json();
  };
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      const asked: Call | Call[] = await request.json();
      const answers = Array.isArray(asked) ? Promise.all(asked.map(answer)) : answer(asked);
      return Response.json(await answers);
    },
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}
