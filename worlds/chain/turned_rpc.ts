/** A JSON-RPC endpoint before another one, whose answers to single methods a test takes in hand. */

/** A request, as it came. */
export interface RpcCall {
  readonly id: number;
  readonly method: string;
  readonly params: readonly unknown[];
}

/**
 * What is answered in the place of the truth: a result, `DOWN`, or undefined for the truth itself.
 * @param truth asks the endpoint behind, as it was asked or otherwise
 */
export type Turn = (
  call: RpcCall,
  truth: (params?: readonly unknown[]) => Promise<unknown>,
) => Promise<unknown> | unknown;

/** No answer but an error. */
export const DOWN = Symbol("down");

export interface TurnedRpc extends AsyncDisposable {
  readonly url: string;
  /** Where the truth is. */
  target: string;
  /** By method. */
  readonly turns: Map<string, Turn>;
  /** So often was each asked for. */
  readonly asked: Map<string, number>;
}

/** Starts one that tells the truth; `target` must be set before the first request. */
export function startTurnedRpc(): TurnedRpc {
  async function ask(body: object): Promise<Record<string, unknown>> {
    const headers = { "content-type": "application/json" };
    const init = { method: "POST", headers, body: JSON.stringify(body) };
    return await (await fetch(rpc.target, init)).json();
  }

  async function answer(call: RpcCall): Promise<object> {
    rpc.asked.set(call.method, (rpc.asked.get(call.method) ?? 0) + 1);
    const turn = rpc.turns.get(call.method);
    const truth = async (params = call.params) => (await ask({ ...call, params })).result;
    const turned = await turn?.(call, truth);
    if (turned === undefined) return await ask(call);
    const about = { jsonrpc: "2.0", id: call.id };
    return turned === DOWN
      ? { ...about, error: { code: -32_000, message: "the node is down" } }
      : { ...about, result: turned };
  }

  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      const asked = await request.json() as RpcCall | RpcCall[];
      return Response.json(
        Array.isArray(asked) ? await Promise.all(asked.map(answer)) : await answer(asked),
      );
    },
  );
  const rpc: TurnedRpc = {
    url: `http://127.0.0.1:${server.addr.port}`,
    target: "",
    turns: new Map(),
    asked: new Map(),
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
  return rpc;
}
