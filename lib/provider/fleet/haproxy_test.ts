import assert from "node:assert/strict";
import { join } from "node:path";
import { certificateFiles } from "../../../worlds/certificate.ts";
import { inFolder } from "../../../worlds/home.ts";
import { proxyVersion } from "../../../worlds/proxies.ts";
import { haproxyConfig, type HaproxyOptions, type HaproxyServer, parseNode } from "./haproxy.ts";

const PLAIN = { webDomain: "https://paolo.example/", certificate: null };

const nodesNamed = (...names: string[]): HaproxyServer[] =>
  names.map((name, at) => ({ name, address: `10.0.0.${at + 1}:8402` }));

/** The ids of nodes, by their names. */
function idsIn(config: string): Map<string, number> {
  return new Map(
    [...config.matchAll(/^ {2}server (\S+) \S+ id (\d+)$/gm)].map(([, name, id]) => [name!, +id!]),
  );
}

Deno.test("a node is a name and where it listens", () => {
  for (
    const [text, node] of [
      ["n1=10.0.0.1:8402", { name: "n1", address: "10.0.0.1:8402" }],
      ["a-2=[2001:db8::1]:80", { name: "a-2", address: "[2001:db8::1]:80" }],
      ["7=node-7.internal:65535", { name: "7", address: "node-7.internal:65535" }],
    ] as const
  ) assert.deepEqual(parseNode(text), node);
});

Deno.test("what HAProxy would read as something else is refused, wherever it stands", () => {
  const refused = { code: "invalid_input" };
  for (
    const text of [
      ...["", "n1", "=10.0.0.1:8402", "n1=", "n1=10.0.0.1", "n1=10.0.0.1:0", "n1=10.0.0.1:65536"],
      ...["N1=a:1", "n_1=a:1", "-n=a:1", "n-=a:1", "n 1=a:1", "n\n1=a:1", `${"n".repeat(33)}=a:1`],
      ...["n1=a b:1", "n1=a:1 backup", "n1=a:1\n  server x y:1", "n1=a'b:1", 'n1=a"b:1', "n1=$A:1"],
      ...["n1=:1", "n1=[::1:1", "n1=::1:1", "n1=unix@/x:1", "n1=a#b:1", "n1=a\\b:1", "n1=a=b:1"],
    ]
  ) assert.throws(() => parseNode(text), refused, text);
  const nodes = nodesNamed("n1");
  const bad: readonly Partial<HaproxyOptions>[] = [
    { webDomain: 'https://a"b.example/' },
    { webDomain: "https://a$b.example/" },
    { certificate: "relative.pem" },
    { certificate: "/a b.pem" },
    { certificate: "/a.pem\n  bind *:1" },
    { certificate: "/$HOME.pem" },
    { listen: ["*"] },
    { listen: ["*:443 accept-proxy"] },
    { listen: ["**:443"] },
  ];
  for (const options of bad) {
    assert.throws(() => haproxyConfig(nodes, { ...PLAIN, ...options }), refused);
  }
  assert.throws(() => haproxyConfig([{ name: "n1", address: "a:1\n" }], PLAIN), refused);
});

Deno.test("no two nodes have a name or an address, and one there is at least", () => {
  const [one, two] = nodesNamed("n1", "n2") as [HaproxyServer, HaproxyServer];
  for (const nodes of [[], [one, { ...two, name: "n1" }], [one, { ...one, name: "n3" }]]) {
    assert.throws(() => haproxyConfig(nodes, PLAIN), { code: "invalid_input" });
  }
});

Deno.test("a node keeps its place on the ring, whoever comes and goes beside it", () => {
  const all = idsIn(haproxyConfig(nodesNamed("n1", "n2", "n3"), PLAIN));
  assert.equal(new Set(all.values()).size, 3);
  const left = idsIn(haproxyConfig(nodesNamed("n4", "n3", "n1"), PLAIN));
  for (const name of ["n1", "n3"]) assert.equal(left.get(name), all.get(name));
});

Deno.test("of very many nodes each has an id of its own", () => {
  const names = Array.from({ length: 3_000 }, (_, at) => `n${at}`);
  const nodes = names.map((name) => ({ name, address: `${name}:1` }));
  const ids = idsIn(haproxyConfig(nodes, PLAIN));
  assert.equal(new Set(ids.values()).size, 3_000);
});

Deno.test("with a certificate callers come to 443, and 80 leads there, unless it is said where", () => {
  const bindings = (options: Partial<HaproxyOptions>) =>
    haproxyConfig(nodesNamed("n1"), { ...PLAIN, ...options })
      .split("\n").filter((line) => /^ {2}(?:bind (?!abns@)|http-request redirect )/.test(line));
  const certificate = "/etc/haproxy/a.pem";
  const tls = `ssl crt ${certificate} alpn`;
  assert.deepEqual(bindings({}), ["  bind *:80"]);
  assert.deepEqual(bindings({ certificate }), [
    `  bind *:443 ${tls} h2,http/1.1`,
    `  bind *:443 ${tls} http/1.1`,
    "  bind *:80",
    "  http-request redirect scheme https code 308 unless { ssl_fc }",
  ]);
  assert.deepEqual(bindings({ listen: ["127.0.0.1:8443", "[::1]:8443"] }), [
    "  bind 127.0.0.1:8443",
    "  bind [::1]:8443 v6only",
  ]);
});

Deno.test("calls come in once more at a place that no other configuration has", () => {
  const placesIn = (config: string) => config.match(/abns@\S+/g);
  const one = placesIn(haproxyConfig(nodesNamed("n1"), PLAIN))!;
  assert.equal(one.length, 2);
  assert.equal(one[0], one[1]);
  for (const changes of [{ listen: ["*:8080"] }, { webDomain: "https://other.example/" }]) {
    assert.notEqual(
      placesIn(haproxyConfig(nodesNamed("n1"), { ...PLAIN, ...changes }))![0],
      one[0],
    );
  }
  assert.notEqual(placesIn(haproxyConfig(nodesNamed("n1", "n2"), PLAIN))![0], one[0]);
});

Deno.test({
  name: "HAProxy understands what is written, and warns of nothing",
  ignore: await proxyVersion("haproxy") === null,
  fn: () =>
    inFolder(async (dir) => {
      await using files = await certificateFiles("paolo.example");
      const certificate = join(dir, "site.pem");
      const pem = [files.cert, files.key].map((path) => Deno.readTextFile(path));
      await Deno.writeTextFile(certificate, (await Promise.all(pem)).join(""));
      const nodes = [
        ...nodesNamed("n1", "n2", "n3"),
        { name: "v6", address: "[2001:db8::1]:8402" },
        { name: "named", address: "localhost:8402" },
      ];
      for (
        const options of [{}, { certificate }, { certificate, listen: ["[::1]:443", "*:443"] }]
      ) {
        const path = join(dir, "haproxy.cfg");
        await Deno.writeTextFile(path, haproxyConfig(nodes, { ...PLAIN, ...options }));
        const args = ["-c", "-f", path];
        const { code, stderr } = await new Deno.Command("/usr/sbin/haproxy", { args }).output();
        assert.equal(new TextDecoder().decode(stderr), "");
        assert.equal(code, 0);
      }
    }),
});
