/** A stock Debian 12 with systemd as a hoster gives it, on which nothing of a provider's is yet. */
import { basename, join } from "node:path";
import { pause } from "../../lib/pause.ts";
import { addAgent, type Agent, agentDevice, openAgent } from "./agent.ts";
import { CACHE, must, print } from "./emulator.ts";

const SUITE = "bookworm";
const PACKAGES = "systemd-sysv,dbus,udev,ca-certificates,procps,curl,iproute2," +
  "linux-image-cloud-amd64,initramfs-tools";
/** What `up` installs: it is fetched, and lies in a repository of the machine's own. */
const FETCHED = "bubblewrap";
/** How the machine calls the host. */
export const HOST = "10.0.2.2";
const REPOSITORY = "opt/packages";
const MEMORY_MIB = "2048";
const DISK_SIZE = "3G";

const run = (command: string, args: string[], cwd?: string) =>
  must("test:vm:install", command, args, cwd);

/** The stock system as an archive; made once, and only then somewhere else is asked. */
export async function baseSystem(): Promise<string> {
  const tar = join(CACHE, `${SUITE}-install.tar`);
  await Deno.mkdir(CACHE, { recursive: true });
  if (await Deno.stat(tar).then(() => true, () => false)) return tar;
  print(`test:vm:install: making a Debian ${SUITE} root file system (once)`);
  const fetch = `chroot "$1" sh -ec ` +
    `"mkdir /${REPOSITORY}; cd /${REPOSITORY}; apt-get download ${FETCHED}"`;
  const shape = ["--format=tar", "--variant=minbase", `--include=${PACKAGES}`];
  await run("mmdebstrap", [...shape, `--customize-hook=${fetch}`, SUITE, `${tar}.new`]);
  await Deno.rename(`${tar}.new`, tar);
  return tar;
}

/** One interface, as qemu's network wants it; names are asked of the host. */
const SYSTEM_FILES: Readonly<Record<string, string>> = {
  "etc/systemd/network/ether.network":
    `[Match]\nType=ether\n[Network]\nAddress=10.0.2.15/24\nGateway=${HOST}\n`,
  "etc/resolv.conf": `nameserver ${HOST}\n`,
  "etc/hostname": "server\n",
  "etc/hosts": "127.0.0.1 localhost\n127.0.1.1 server\n",
  "etc/apt/sources.list": `deb [trusted=yes] file:/${REPOSITORY} ./\n`,
  "etc/fstab": "/dev/vda / ext4 defaults 0 1\n",
};

/** An index as apt reads it (deb-src-control(5), the repository format's flat form). */
async function writeIndex(root: string): Promise<void> {
  const folder = join(root, REPOSITORY);
  const script = `for file in *.deb; do dpkg-deb -f "$file"; echo "Filename: ./$file"
echo "Size: $(stat -c %s "$file")"; echo "SHA256: $(sha256sum "$file" | cut -d' ' -f1)"; echo
done >Packages`;
  await run("sh", ["-euc", script], folder);
}

export interface Disk {
  readonly disk: string;
  readonly kernel: string;
  readonly initrd: string;
}

/** @param files what lies in root's home, by name: paths of this machine */
export async function makeDisk(tar: string, files: readonly string[]): Promise<Disk> {
  const root = await Deno.makeTempDir({ dir: CACHE });
  try {
    await run("tar", ["-xf", tar, "-C", root]);
    await writeIndex(root);
    for (const [path, text] of Object.entries(SYSTEM_FILES)) {
      await Deno.remove(join(root, path)).catch(() => {});
      await Deno.writeTextFile(join(root, path), text);
    }
    await run("sh", ["-c", "rm -f etc/apt/sources.list.d/*"], root);
    await run("chroot", [root, "systemctl", "enable", "systemd-networkd.service"]);
    await addAgent(root);
    for (const file of files) await run("cp", [file, join(root, "root", basename(file))]);
    const boot = await Array.fromAsync(Deno.readDir(join(root, "boot")), ({ name }) => name);
    const take = async (prefix: string) => {
      const name = boot.find((name) => name.startsWith(prefix))!;
      await Deno.copyFile(join(root, "boot", name), join(CACHE, `install-${prefix}`));
      return join(CACHE, `install-${prefix}`);
    };
    const [kernel, initrd] = [await take("vmlinuz"), await take("initrd")];
    const disk = join(CACHE, "install.ext4");
    await run("mke2fs", ["-q", "-F", "-t", "ext4", "-d", root, disk, DISK_SIZE]);
    return { disk, kernel, initrd };
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

export interface Machine extends AsyncDisposable {
  readonly agent: Agent;
}

/** Boots it; ports 80 and 443 of this network lead to it. Its console is kept in CACHE. */
export async function bootMachine({ disk, kernel, initrd }: Disk): Promise<Machine> {
  await using stack = new AsyncDisposableStack();
  const socket = join(CACHE, "install-agent");
  await Deno.remove(socket).catch(() => {});
  const forwarded = [80, 443].map((port) => `,hostfwd=tcp:127.0.0.1:${port}-:${port}`).join("");
  const hasKvm = await Deno.stat("/dev/kvm").then(() => true, () => false);
  const child = new Deno.Command("qemu-system-x86_64", {
    args: [
      ...["-machine", "q35", "-accel", hasKvm ? "kvm" : "tcg", "-cpu", "max"],
      ...["-smp", "2", "-m", MEMORY_MIB, "-display", "none", "-monitor", "none"],
      ...["-kernel", kernel, "-initrd", initrd],
      ...["-append", "root=/dev/vda rw console=ttyS0 quiet systemd.show_status=0"],
      ...["-drive", `file=${disk},format=raw,if=virtio,cache=unsafe`],
      ...["-netdev", `user,id=net${forwarded}`, "-device", "virtio-net-pci,netdev=net"],
      ...["-serial", `file:${join(CACHE, "install-console.log")}`],
      ...agentDevice(socket),
    ],
    stdin: "null",
    stdout: "null",
    stderr: "inherit",
  }).spawn();
  stack.defer(async () => {
    child.kill("SIGKILL");
    await child.status;
  });
  const agent = stack.use(await opened(socket));
  const owned = stack.move();
  return { agent, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

const LOOKS = 100;

/** qemu says nothing when it listens. */
async function opened(socket: string): Promise<Agent> {
  for (let look = 0;; look++) {
    try {
      return await openAgent(socket);
    } catch (error) {
      if (look === LOOKS) throw error;
      await pause(100);
    }
  }
}
