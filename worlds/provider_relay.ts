/** What stands before a market's provider, and does something before it passes a request on. */
import type { Market } from "./market.ts";

export function startRelay({ provider }: Market, before: (url: URL) => Promise<void>) {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      const url = new URL(request.url);
      await before(url);
      const { method, headers } = request;
      const body = method === "GET" || method === "HEAD" ? null : await request.bytes();
      return await fetch(provider.url + url.pathname + url.search, { method, headers, body });
    },
  );
  const url = `http://127.0.0.1:${server.addr.port}`;
  return { url, [Symbol.asyncDispose]: () => server.shutdown() };
}
