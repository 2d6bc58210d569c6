/** A relay before a server, whose connections break when so many bytes have gone up. */

export interface CuttingRelay extends AsyncDisposable {
  readonly url: string;
  /** Connections that broke. */
  readonly cuts: () => number;
}

/**
 * @param upstream the server's URL
 * @param limits of the connections that carry so much, in their order: after how many bytes each
 *   breaks; later ones go on
 */
export function startCuttingRelay(upstream: string, limits: readonly number[]): CuttingRelay {
  const { hostname, port } = new URL(upstream);
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const left = [...limits];
  let cuts = 0;
  const relay = async (down: Deno.TcpConn) => {
    using _down = down;
    using up = await Deno.connect({ hostname, port: Number(port) });
    const back = up.readable.pipeTo(down.writable, { preventClose: true }).catch(() => {});
    const buffer = new Uint8Array(16_384);
    for (let sent = 0;;) {
      const count = await down.read(buffer).catch(() => null);
      if (count === null) break;
      sent += count;
      if (left.length > 0 && sent > left[0]!) {
        left.shift();
        cuts++;
        return;
      }
      for (let at = 0; at < count;) at += await up.write(buffer.subarray(at, count));
    }
    await up.closeWrite().catch(() => {});
    await back;
  };
  const accepting = (async () => {
    for await (const conn of listener) relay(conn).catch(() => {});
  })();
  return {
    url: `http://127.0.0.1:${listener.addr.port}`,
    cuts: () => cuts,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting.catch(() => {});
    },
  };
}
