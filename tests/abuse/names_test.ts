/**
 * Names that lead where programs must not come: a network of its own with another machine in it,
 * which answers for names as an attacker would, and the provider's machine, which has something to
 * hide at each of its addresses.
 */
import assert from "node:assert/strict";
import { eachLauncher, type Launcher } from "../../worlds/sandbox/launchers.ts";
import * as net from "./names.ts";
import { OURS, REACHED, REFUSED, type Seen, THEIRS, THEIRS6 } from "./names.ts";

const ROOT = Deno.uid() === 0;
const WORLD = new URL("../../worlds/sandbox/internet.py", import.meta.url).pathname;
const PROGRAM = new URL("names.ts", import.meta.url).pathname;

/**
 * Namespaces in which /etc/resolv.conf names the other machine, and all that we start ends. The
 * machine has a neighbour, behind which the other one is: both are the namespace `world`.
 */
const NETWORK = `set -e
ip link set lo up
mount -t tmpfs run /run
ip netns add world
ip link add near type veth peer name far netns world
for one in ${OURS.join(" ")}; do ip addr add "$one/24" dev near; done
ip addr add 2a00:5::1/64 dev near nodad
ip link set near up
ip -n world addr add ${net.NEIGHBOUR}/24 dev far
ip -n world addr add ${net.NEIGHBOUR6}/64 dev far nodad
for one in ${[THEIRS, ...net.LINKED, net.ROUTED].join(" ")}; do
  ip -n world addr add "$one/32" dev lo
done
ip -n world addr add ${THEIRS6}/128 dev lo nodad
ip -n world link set far up
ip -n world link set lo up
ip route add default via ${net.NEIGHBOUR}
ip route add ${net.ROUTED}/32 via ${net.NEIGHBOUR}
ip route add ${net.LINKED[0]}/32 dev near
ip route add ${net.LINKED[1]!.replace(/[0-9]+$/, "0")}/24 dev near
ip -6 route add default via ${net.NEIGHBOUR6}
printf '%s\n' "nameserver ${THEIRS}" "search ${net.SEARCHED}" "options ndots:5" >/run/resolv.conf
mount --bind /run/resolv.conf "$(realpath /etc/resolv.conf)"
(cat /etc/hosts; echo "${THEIRS} ${net.HOSTS_NAME}") >/run/hosts
mount --bind /run/hosts /etc/hosts
cd /
python3 -c 'import socket
listener = socket.create_server(("", 80)); print("secret", flush=True)
while True:
    one = listener.accept()[0]; one.recv(4096)
    one.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\nSECRET"); one.close()' >/run/secret &
ip netns exec world python3 "$1" ${THEIRS} "$2" >/run/world &
until grep -q names /run/world && grep -q web /run/world && grep -q secret /run/secret; do
  sleep 0.05
done
shift 2
exec "$@"
`;

async function seenIn(launcher: Launcher): Promise<Seen> {
  const here = [Deno.execPath(), "run", "--no-check", "--frozen", "-A", PROGRAM];
  const { success, stdout, stderr } = await new Deno.Command("unshare", {
    args: [
      ...["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"],
      ...["/bin/sh", "-c", NETWORK, "names", WORLD, JSON.stringify(net.LEADS)],
      ...here,
      JSON.stringify(launcher),
    ],
  }).output();
  assert(success, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

eachLauncher(
  { name: "no name leads a program into the provider's machine or network", ignore: !ROOT },
  async (launcher) => {
    const { control, said, record } = await seenIn(launcher);
    assert.deepEqual(control, [...Array(3).fill("SECRET"), ...Array(6).fill("hello")]);
    assert.doesNotMatch(said, /SECRET|tunnel/);
    const answers = new Map(
      said.trim().split("\n").map((line) => {
        const at = line.indexOf(" ");
        return [line.slice(0, at), line.slice(at + 1)];
      }),
    );
    for (const name of [...REACHED, "redirect-control"]) {
      assert.equal(answers.get(name), "hello", name);
    }
    for (const name of REFUSED) assert.equal(answers.get(name), "none", name);
    assert.equal(answers.get("rebind-later"), "none");
    for (const [name, answer] of answers) {
      if (name.startsWith("redirect-1") || name.startsWith("redirect-5")) {
        assert.equal(answer, "none", name);
      }
    }
    const asked: string[] = JSON.parse(answers.get("asked")!);
    assert(asked.includes("good.test"));
    // The machine itself asks for other names, but for none of those.
    assert.deepEqual(asked.filter((name) => name.includes("unlisted")), []);
    const refused = record.egress!.unreached.filter(({ failure }) => failure === "notPublic");
    for (const name of ["second.test", "loopback.test", "neighbour.test", "linked.test"]) {
      assert(refused.some(({ host }) => host === name), name);
    }
  },
);
