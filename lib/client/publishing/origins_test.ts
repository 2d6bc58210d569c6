import assert from "node:assert/strict";
import { kuboOrigins } from "./origins.ts";

const PUBLIC = ["/ip4/192.0.2.1/tcp/4001/p2p/Qm", "/dns4/node.example/tcp/4001/p2p/Qm"];
const LOCAL = ["/ip4/127.0.0.1/tcp/4001", "/ip6/::1/tcp/4001", "/dns/localhost/tcp/4001"];

/** A Kubo node that answers so. */
function startKubo(answer: () => Response) {
  const seen: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const { pathname } = new URL(request.url);
    seen.push(`${request.method} ${pathname} ${request.headers.get("authorization")}`);
    return answer();
  });
  const url = `http://127.0.0.1:${server.addr.port}`;
  return { url, seen, [Symbol.asyncDispose]: () => server.shutdown() };
}

Deno.test("a node's addresses are those that lead to it from elsewhere", async () => {
  await using kubo = startKubo(() => Response.json({ Addresses: [...LOCAL, ...PUBLIC] }));
  assert.deepEqual(await kuboOrigins({ url: kubo.url }), PUBLIC);
  assert.deepEqual(await kuboOrigins({ url: `${kubo.url}/`, token: "s3cret" }), PUBLIC);
  assert.deepEqual(kubo.seen, ["POST /api/v0/id null", "POST /api/v0/id Bearer s3cret"]);
});

Deno.test("a node that does not say has none, and its token goes nowhere else", async () => {
  await using elsewhere = startKubo(() => Response.json({ Addresses: PUBLIC }));
  const answers = [
    () => Response.json({ Addresses: null }),
    () => Response.json({}),
    () => new Response("403 - Forbidden\n", { status: 403 }),
    () => new Response("[".repeat(100_000)),
    () => Response.redirect(`${elsewhere.url}/api/v0/id`, 307),
  ];
  for (const answer of answers) {
    await using kubo = startKubo(answer);
    assert.deepEqual(await kuboOrigins({ url: kubo.url, token: "s3cret" }), []);
  }
  assert.deepEqual(await kuboOrigins({ url: "http://127.0.0.1:1" }), []);
  assert.deepEqual(elsewhere.seen, []);
});
