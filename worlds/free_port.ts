/** A port for a server that has to be told one, and cannot choose: free when it was looked for. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
