/** A gateway before another, which counts what it is asked and may have little to give. */

export interface ScarceGateway extends AsyncDisposable {
  readonly url: string;
  /** Where what it is asked goes. */
  stand(before: string): void;
  /** Requests that may come in a minute from now on; beyond them it answers 429. */
  limit(perMinute: number): void;
  /** Requests so far, refused ones too. */
  asked(): number;
}

export function startScarceGateway(): ScarceGateway {
  let [origin, asked, left] = ["", 0, Infinity];
  const options = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
  const server = Deno.serve(options, async (request) => {
    asked += 1;
    left -= 1;
    if (left < 0) return new Response("too many requests\n", { status: 429 });
    const { pathname, search } = new URL(request.url);
    const { status, headers, body } = await fetch(`${origin}${pathname}${search}`, {
      headers: request.headers,
    });
    return new Response(body, { status, headers });
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    stand: (before) => void (origin = before),
    limit: (perMinute) => void (left = perMinute),
    asked: () => asked,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}
