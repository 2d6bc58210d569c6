/** A CGI program as its callers meet it, by the wire: RFC 3875 with real requests and sandbox. */
import assert from "node:assert/strict";
import { eachLauncher } from "../worlds/sandbox/launchers.ts";
import { type Market, startMarket } from "../worlds/market.ts";
import { spent } from "../worlds/refuses.ts";
import { say } from "../worlds/wire.ts";

/** Prints its variables, and how many bytes came in; redirects itself where it is asked to. */
const MIRROR = `#!/bin/sh
case $PATH_INFO in
  /again) printf 'Location: %s/target?from=again\\n\\n' "$SCRIPT_NAME"; exit ;;
  /elsewhere) printf 'Location: /metrics\\n\\n'; exit ;;
  /loop) printf 'Location: %s\\n\\n' "$REQUEST_URI"; exit ;;
  /slow) sleep 0.7; printf 'Location: %s/slow\\n\\n' "$SCRIPT_NAME"; exit ;;
  /half) printf 'Content-Type: a/b\\nContent-Length: 200\\n\\nhalf'; kill -9 $$ ;;
  /halfway) printf 'Content-Type: a/b\\nContent-Length: 2000000\\n\\n'
    head -c 1000000 /dev/zero; exit ;;
  /size) printf 'Content-Type: a/b\\nContent-Length: 200\\n\\n'; exit ;;
  /twice) printf 'Content-Type: a/b\\nContent-Type: a/c\\n\\n'; exit ;;
esac
printf 'Content-Type: text/plain\\\n\\n'
echo "method=$REQUEST_METHOD"
echo "script=$SCRIPT_NAME"
echo "path=$(printf %s "$PATH_INFO" | od -An -tx1 | tr -d ' \\n')"
echo "uri=$REQUEST_URI"
echo "query=$QUERY_STRING"
echo "length=\${CONTENT_LENGTH-unset}"
echo "type=\${CONTENT_TYPE-unset}"
echo "host=\${HTTP_HOST-unset}"
echo "x=$(printf %s "$HTTP_X_A" | od -An -tx1 | tr -d ' \\n')"
echo "bytes=$(wc -c)"
`;

const hexOf = (text: string) => Array.from(text, (c) => c.charCodeAt(0).toString(16)).join("");

interface Sent {
  method?: string;
  /** Lines, each with its end. */
  fields?: string;
  body?: string;
}

/** Status, head and what the mirror says; the target goes out as it stands. */
async function ask(
  market: Market,
  target: string,
  { method = "GET", fields = "", body = "" }: Sent,
) {
  const head = `${method} ${target} HTTP/1.1\r\nHost: provider.test\r\nConnection: close\r\n`;
  const answer = await say(market.provider.url, `${head}${fields}\r\n${body}`);
  const end = answer.indexOf("\r\n\r\n");
  const said = Object.fromEntries(
    answer.slice(end).split(/\r?\n/).map((line) => line.split(/=(.*)/s).slice(0, 2)),
  );
  return { status: Number(answer.slice(9, 12)), head: answer.slice(0, end), said };
}

const LIMITS = { timeoutMs: 2_000, memoryMb: 256, concurrency: 8, ownerCreditsPerMinute: 600 };

eachLauncher("a CGI program finds its request as RFC 3875 says", async (sandbox, t) => {
  await using market = await startMarket({ settings: { sandbox } });
  const { owner } = market.accounts;
  const fields = { interface: "cgi", limits: LIMITS };
  const cid = await market.deploy({ files: { main: MIRROR }, fields });
  const charged = async (work: () => Promise<void>) => {
    const before = await spent(market, owner);
    await work();
    return await spent(market, owner) - before;
  };

  await t.step("nothing behind the cid, a slash and an empty query are told apart", async () => {
    for (const [rest, path] of [["", ""], ["/", "2f"], ["?", ""], ["/?", "2f"]] as const) {
      const { said } = await ask(market, `/${cid}${rest}`, {});
      const { script, uri } = said;
      assert.deepEqual([script, said.path, uri], [`/${cid}`, path, `/${cid}${rest}`]);
    }
  });

  await t.step("path and fields arrive octet by octet, and only NUL does not", async () => {
    const { said } = await ask(market, `/${cid}/caf%E9%ff`, { fields: "X-A: caf\xe9\r\n" });
    assert.deepEqual([said.path, said.x], [hexOf("/caf\xe9\xff"), hexOf("caf\xe9")]);
    const cost = await charged(async () => {
      assert.equal((await ask(market, `/${cid}/%00`, {})).status, 400);
    });
    assert.equal(cost, 0n);
  });

  await t.step("Host is whom the request was for, however it said so", async () => {
    const { said } = await ask(market, `http://other.test/${cid}/a`, {});
    assert.deepEqual([said.host, said.path], ["other.test", hexOf("/a")]);
    assert.equal((await ask(market, `/${cid}/a`, {})).said.host, "provider.test");
    const old = await say(market.provider.url, `GET /${cid}/a HTTP/1.0\r\n\r\n`);
    assert.match(old, /^host=unset$/m);
  });

  await t.step("a body has its length, chunked or not", async () => {
    const chunked = "Transfer-Encoding: chunked\r\nContent-Type: a/b\r\n";
    const post = { method: "POST", fields: chunked, body: "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n" };
    const { said } = await ask(market, `/${cid}/`, post);
    assert.deepEqual([said.length, said.type, said.bytes?.trim()], ["6", "a/b", "6"]);
    const none = await ask(market, `/${cid}/`, { method: "POST", fields: "Content-Length: 0\r\n" });
    assert.deepEqual([none.said.length, none.said.bytes?.trim()], ["0", "0"]);
    assert.equal((await ask(market, `/${cid}/`, {})).said.length, "unset");
  });

  await t.step("a local redirect is answered as its target is, for one credit", async () => {
    const cost = await charged(async () => {
      const post = { method: "POST", fields: "Content-Length: 4\r\n", body: "data" };
      const { status, head, said } = await ask(market, `/${cid}/again`, post);
      assert.equal(status, 200);
      assert.ok(!/^location:/im.test(head));
      const { method, uri, query, length, bytes } = said;
      assert.deepEqual(
        [method, uri, query, length, bytes?.trim()],
        ["GET", `/${cid}/target?from=again`, "from=again", "unset", "0"],
      );
    });
    assert.equal(cost, 1n);
  });

  await t.step(
    "a redirect to elsewhere is the client's, and one without end has failed",
    async () => {
      const { status, head } = await ask(market, `/${cid}/elsewhere`, {});
      assert.equal(status, 302);
      assert.match(head, /^location: \/metrics\r?$/im);
      const cost = await charged(async () => {
        assert.equal((await ask(market, `/${cid}/loop`, {})).status, 502);
      });
      assert.equal(cost, 1n);
    },
  );

  // Each run is within its time, and eleven of them would be an endless redirect.
  await t.step("redirects share the time of one run", async () => {
    const cost = await charged(async () => {
      assert.equal((await ask(market, `/${cid}/slow`, {})).status, 504);
    });
    assert.equal(cost, 1n);
  });

  await t.step(
    "a body that is shorter than its program said is never taken for whole",
    async () => {
      // By whether the run's end or its first bytes are there first.
      const cost = await charged(async () => {
        const half = ask(market, `/${cid}/half`, {});
        const answer = await half.catch(({ code }) => void assert.equal(code, "ECONNRESET"));
        if (!answer) return;
        const { status, head } = answer;
        assert.deepEqual([status, /content-length: 200\b/i.test(head)], [502, false]);
      });
      assert.equal(cost, 1n);
      const halfway = say(market.provider.url, `GET /${cid}/halfway HTTP/1.0\r\n\r\n`);
      await assert.rejects(halfway, { code: "ECONNRESET" });
    },
  );

  await t.step("an answer to HEAD says the length that its program says", async () => {
    const { status, head } = await ask(market, `/${cid}/size`, { method: "HEAD" });
    assert.equal(status, 200);
    assert.match(head, /^content-length: 200\r?$/im);
  });

  await t.step("two values of what has one are a failure", async () => {
    assert.equal((await ask(market, `/${cid}/twice`, {})).status, 502);
  });
});
