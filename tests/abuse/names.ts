/**
 * What a program sees of names that lead where it must not come. Run by itself, in the namespaces
 * that names_test.ts makes, it prints that.
 */
import { makeEtc } from "../../sandbox/etc.ts";
import type { SandboxHost } from "../../sandbox/policy.ts";
import { openSandbox, type RunRecord } from "../../sandbox/sandbox.ts";

/** The machine's addresses, of which the second is a "secondary" one. */
export const OURS = ["5.5.5.1", "5.5.5.2"];
/** On the machine's own link: a neighbour, which is the gateway too. */
export const NEIGHBOUR = "5.5.5.9";
export const NEIGHBOUR6 = "2a00:5::9";
/** Behind it: another machine. */
export const THEIRS = "6.6.6.6";
export const THEIRS6 = "2a00:6::6";
/** Behind it, but by routes that name no gateway: one of a host, and one of a network. */
export const LINKED = ["7.7.7.7", "8.8.4.4"];
/** Behind it by a route of its own, with a gateway. */
export const ROUTED = "9.9.9.9";
/** What this machine appends to names with few dots. */
export const SEARCHED = "inside.test";
/** A name that the machine's /etc/hosts has. */
export const HOSTS_NAME = "hosts.test";

/** Where each name leads, look by look. */
export const LEADS: Record<string, string[][]> = {
  "good.test": [[THEIRS]],
  "good6.test": [[THEIRS6]],
  "routed.test": [[ROUTED]],
  "neighbour.test": [[NEIGHBOUR]],
  "neighbour6.test": [[NEIGHBOUR6]],
  "linked.test": [[LINKED[0]!]],
  "linked-too.test": [[LINKED[1]!]],
  // What is asked for has no address, but would have one below the machine's search domain.
  "jenkins.corp": [[]],
  [`jenkins.corp.${SEARCHED}`]: [[THEIRS]],
  [HOSTS_NAME]: [[]],
  "some.test": [["127.0.0.1", THEIRS]],
  "rebind.test": [[THEIRS], ["127.0.0.1"]],
  "loopback.test": [["127.0.0.1"]],
  "loopback9.test": [["127.9.9.9"]],
  "nowhere.test": [["0.0.0.0"]],
  "first.test": [[OURS[0]!]],
  "second.test": [[OURS[1]!]],
  "broadcast.test": [["5.5.5.255"]],
  "everybody.test": [["255.255.255.255"]],
  "multicast.test": [["224.0.0.1"]],
  "metadata.test": [["169.254.169.254"]],
  "azure.test": [["168.63.129.16"]],
  "alibaba.test": [["100.100.100.200"]],
  "private10.test": [["10.0.0.1"]],
  "private172.test": [["172.16.0.1"]],
  "private192.test": [["192.168.0.1"]],
  "cgnat.test": [["100.64.0.1"]],
  "benchmark.test": [["198.18.0.1"]],
  "documentation.test": [["203.0.113.1"]],
  "reserved.test": [["240.0.0.1"]],
  "loopback6.test": [["::1"]],
  "mapped.test": [["::ffff:127.0.0.1"]],
  "compatible.test": [["::127.0.0.1"]],
  "translated.test": [["::ffff:0:7f00:1"]],
  "sixtofour.test": [["2002:7f00:1::"]],
  "nat64.test": [["64:ff9b::7f00:1"]],
  "nat64-local.test": [["64:ff9b:1::7f00:1"]],
  "teredo.test": [["2001:0:7f00:1::"]],
  "documentation6.test": [["2001:db8::1"]],
  "unique-local.test": [["fd00:ec2::254"]],
  "link-local.test": [["fe80::1"]],
  "multicast6.test": [["ff02::1"]],
};
export const REACHED = [
  "good.test",
  "good6.test",
  "routed.test",
  "some.test",
  "rebind.test",
  `jenkins.corp.${SEARCHED}`,
];
export const REFUSED = Object.keys(LEADS).filter((name) => !REACHED.includes(name));

/** What a program says of each name; the last look is made when the first is no longer known. */
const PROGRAM = `#!/bin/bash
get() { echo "$1 $(curl -s --max-time 8 "\${@:3}" "$2" || echo "none")"; }
get rebind.test http://rebind.test/
for name in ${
  [...REFUSED, ...REACHED.filter((name) => name !== "rebind.test")].join(" ")
}; do get $name http://$name/; done
get redirect-control "http://good.test/redirect?http://good.test/" -L
for to in 127.0.0.1 ${OURS.join(" ")} 169.254.169.254 loopback.test unlisted.test; do
  get "redirect-$to" "http://good.test/redirect?http://$to/" -L
done
for i in $(seq 20); do getent hosts "secret$i.unlisted.test" && echo "tunnel $i"; done
sleep 5.2
get rebind-later http://rebind.test/
get asked http://good.test/asked
`;

export interface Seen {
  /** What the machine itself gets at its own addresses, near it and by name: the control. */
  control: string[];
  said: string;
  record: RunRecord;
}

/** Runs in the namespaces: prints what it saw. */
async function tryNames(launcher: SandboxHost): Promise<Seen> {
  const control = await Promise.all(
    [
      ...["127.0.0.1", ...OURS],
      ...[NEIGHBOUR, `[${NEIGHBOUR6}]`, ...LINKED, "jenkins.corp", HOSTS_NAME],
    ].map((host) => fetch(`http://${host}/`).then((r) => r.text())),
  );
  const dir = await Deno.makeTempDir();
  await Deno.chmod(dir, 0o755);
  await Deno.mkdir(`${dir}/program`, { mode: 0o755 });
  await Deno.writeTextFile(`${dir}/program/main`, PROGRAM, { mode: 0o755 });
  const limits = { timeoutMs: 60_000, memoryMb: 256, stdoutBytes: 1e6, stderrBytes: 1e5 };
  const egress = {
    hosts: Object.keys(LEADS).map((name) => `${name}:80`),
    overrides: {},
    connections: 16,
    connectionsPerSecond: 1_000,
    bytesPerSecond: 1e9,
    connectMs: 2_000,
    idleMs: 10_000,
  };
  const host = { ...launcher, runUid: 1_850_000_000, etc: makeEtc(`${dir}/etc`) };
  const sandbox = await openSandbox(host, { programDir: `${dir}/program`, limits, egress });
  const live = await sandbox.run({ argv: ["main"], env: {}, stdin: null });
  const said = await new Response(live.stdout()).text();
  const record = await live.record;
  await sandbox.close();
  await Deno.remove(dir, { recursive: true });
  return { control, said, record };
}

if (import.meta.main) {
  // deno-lint-ignore no-console
  console.log(JSON.stringify(await tryNames(JSON.parse(Deno.args[0]!))));
}
