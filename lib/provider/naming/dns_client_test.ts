import assert from "node:assert/strict";
// @ts-types="./dns_packet.d.ts"
import * as packet from "dns-packet";
import { dnsmasqPath, startDnsmasq } from "../../../worlds/naming/dnsmasq.ts";
import {
  answering,
  type Asked,
  playNameServer,
  type Say,
  txt,
} from "../../../worlds/naming/name_server.ts";
import { DnsClient } from "./dns_client.ts";
import type { NameServer } from "../../name_server.ts";

const NAME = "_dnslink.www.example.org";
const LINK = "dnslink=/ipfs/bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";

function clientOf(servers: NameServer[], serverTimeoutMs = 300): DnsClient {
  return new DnsClient({ servers: () => Promise.resolve(servers), serverTimeoutMs });
}

const honest: Say = (asked) => [answering(asked, [txt(asked.name, LINK, 77)])];

async function asksOne(say: Say, body: (client: DnsClient, asked: Asked[]) => Promise<void>) {
  await using played = await playNameServer(say);
  await body(clientOf([played.server]), played.asked);
}

Deno.test("a name's records and how long they may be believed", async () => {
  await asksOne(honest, async (client, asked) => {
    assert.deepEqual(await client.txt(NAME), { texts: [LINK], ttl: 77 });
    assert.deepEqual(asked.map(({ name, by }) => [name, by]), [[NAME, "datagram"]]);
  });
});

Deno.test("each question has an id and a port of its own", async () => {
  await using played = await playNameServer(honest);
  const client = clientOf([played.server]);
  for (let i = 0; i < 8; i++) await client.txt(NAME);
  // Two of eight may meet by chance, in one of two thousand times.
  assert.ok(new Set(played.asked.map(({ id }) => id)).size >= 7);
  assert.ok(new Set(played.ports).size >= 7);
});

Deno.test("lies before the answer are passed over: another id, name, type, or no message", async () => {
  const lie = (asked: Asked) => [txt(asked.name, "dnslink=/ipfs/evil")];
  await asksOne((asked) => {
    const other = { ...asked.query, questions: [{ type: "TXT" as const, name: "evil.example" }] };
    return [
      answering({ ...asked, id: asked.id ^ 1 }, lie(asked)),
      answering({ ...asked, query: other }, lie(asked)),
      answering(asked, lie(asked), { questions: [] }),
      new Uint8Array([1, 2, 3]),
      answering(asked, [txt(asked.name, LINK)]),
      answering(asked, lie(asked)),
    ];
  }, async (client) => assert.deepEqual((await client.txt(NAME)).texts, [LINK]));
});

Deno.test("a server buried in lies is given up, and so is one that never answers", async () => {
  const garbage = Array.from({ length: 150 }, () => new Uint8Array(40));
  for (const say of [() => garbage, () => []] satisfies Say[]) {
    await asksOne(say, async (client, asked) => {
      const begun = performance.now();
      await assert.rejects(client.txt(NAME), { code: "name_unavailable" });
      assert.ok(performance.now() - begun < 5_000);
      assert.equal(asked.length, 2);
    });
  }
});

Deno.test("what fails at one server is asked of the next", async () => {
  await using failing = await playNameServer((asked) => [answering(asked, [], { rcode: 2 })]);
  await using silent = await playNameServer(() => []);
  await using good = await playNameServer(honest);
  const client = clientOf([failing.server, silent.server, good.server]);
  assert.deepEqual((await client.txt(NAME)).texts, [LINK]);
  assert.deepEqual([failing.asked.length, silent.asked.length], [1, 1]);
});

Deno.test("a datagram that was lost is sent again", async () => {
  let lost = 0;
  await asksOne((asked) => lost++ === 0 ? [] : [answering(asked, [txt(asked.name, LINK)])], async (
    client,
  ) => assert.deepEqual((await client.txt(NAME)).texts, [LINK]));
});

Deno.test("an answer too long for a datagram comes by TCP", async () => {
  const long = Array.from({ length: 100 }, () => "x".repeat(250));
  await asksOne(
    (asked) =>
      asked.by === "datagram"
        ? [answering(asked, [], { flags: packet.TRUNCATED_RESPONSE })]
        : [answering(asked, [txt(asked.name, long), txt(asked.name, LINK)])],
    async (client, asked) => {
      assert.deepEqual((await client.txt(NAME)).texts, [long.join(""), LINK]);
      assert.deepEqual(asked.map(({ by }) => by), ["datagram", "tcp"]);
    },
  );
});

Deno.test("a TCP answer that lies, or is cut off as well, or never ends, is none", async () => {
  const says: ((asked: Asked) => Uint8Array[])[] = [
    (asked) => [answering({ ...asked, id: asked.id ^ 1 }, [txt(asked.name, LINK)])],
    (asked) => [answering(asked, [], { flags: packet.TRUNCATED_RESPONSE })],
    () => [],
  ];
  for (const say of says) {
    await asksOne(
      (asked) =>
        asked.by === "tcp"
          ? say(asked)
          : [answering(asked, [], { flags: packet.TRUNCATED_RESPONSE })],
      async (client) => {
        await assert.rejects(client.txt(NAME), { code: "name_unavailable" });
      },
    );
  }
});

const dnsmasq = await dnsmasqPath();

Deno.test({
  name: dnsmasq ? "a real name server is understood" : "a real name server: NOT RUN",
  ignore: dnsmasq === null,
  async fn() {
    const huge = Array.from({ length: 60 }, (_, i) => `${i}${"y".repeat(200)}`);
    await using real = await startDnsmasq(dnsmasq!, [
      "local-ttl=40",
      `txt-record=_dnslink.one.test,${LINK}`,
      `txt-record=_dnslink.parts.test,${LINK.slice(0, 35)},${LINK.slice(35)}`,
      `txt-record=_dnslink.huge.test,${huge.join(",")}`,
      `txt-record=_dnslink.huge.test,${LINK}`,
      "cname=_dnslink.alias.test,_dnslink.one.test",
      "local=/test/",
    ]);
    const client = clientOf([real.server], 1_000);
    assert.deepEqual(await client.txt("_dnslink.one.test"), { texts: [LINK], ttl: 40 });
    assert.deepEqual((await client.txt("_dnslink.parts.test")).texts, [LINK]);
    assert.deepEqual(await client.txt("_dnslink.alias.test"), { texts: [LINK], ttl: 40 });
    const { texts } = await client.txt("_dnslink.huge.test");
    assert.deepEqual([...texts].sort(), [huge.join(""), LINK].sort());
    assert.deepEqual((await client.txt("_dnslink.none.test")).texts, []);
    await real.stop();
    await assert.rejects(client.txt("_dnslink.one.test"), { code: "name_unavailable" });
  },
});
