/**
 * `deno task test:arm64`: boots Debian's kernel for arm64 under qemu, on a root of that
 * architecture's bubblewrap and libc, with the cross-built helper and attackers, and runs
 * arm64_guest.ts in it: all of its cases, or those whose names hold one of the words that are its
 * arguments. No step of it runs a program of that architecture but the emulator. Takes
 * minutes; what Debian and npm bring is kept in `.cache/vm`.
 */
import { join } from "node:path";
import { buildInit, builtFor, bundleFor } from "../../sandbox/build.ts";
import { stop } from "../../tools/print.ts";
import { ARM64_EMULATOR, requireAll } from "../../tools/requirements.ts";
import { compileC } from "../../worlds/sandbox/c_programs.ts";
import { buildServer } from "../../worlds/sandbox/servers.ts";
import { buildAbuse } from "../abuse/program.ts";
import {
  boot,
  CACHE,
  conclude,
  CORE_HANDLER,
  CORE_PATTERN,
  must,
  print,
  ROOT,
} from "./emulator.ts";
import { type Entry, initramfs } from "./initramfs.ts";

const TASK = "test:arm64";
const SUITE = "bookworm";
const PACKAGES = ["busybox-static", "bubblewrap", "libc6", "libgcc-s1", "dash", "coreutils", "grep"]
  .concat(
    "sed",
    "findutils",
    "util-linux",
    "mount",
    "procps",
    "perl-base",
    "linux-image-cloud-arm64",
  );
/** So that `/lib` is where the sandbox shows it; mmdebstrap brings it. */
const MERGED_USR = "/usr/share/mmdebstrap/hooks/merged-usr";
const DENO = `@deno/linux-arm64-glibc@${Deno.version.deno}`;
/** In the order in which they need each other: the kernel has ext4 built in, but not its disk. */
const MODULES = ["virtio/virtio_ring", "virtio/virtio", "virtio/virtio_pci_legacy_dev"]
  .concat("virtio/virtio_pci_modern_dev", "virtio/virtio_pci", "block/virtio_blk");
const PARTS = ["bare", "cgroups"];

const INIT = `#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
for module in ${MODULES.map((path) => path.split("/")[1]).join(" ")}; do
  /bin/busybox insmod /$module.ko
done
/bin/busybox mount -t ext4 /dev/vda /root
exec /bin/busybox switch_root /root /opt/init
`;

/** What a provider leaves that was killed together with its supervisors is swept: sb-999999-1-1. */
const GUEST = `#!/bin/sh
export PATH=/usr/local/bin:/usr/bin:/usr/sbin HOME=/home LANG=C NO_COLOR=1
export DENO_DIR=/home/deno DENO_NO_UPDATE_CHECK=1
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts -o ptmxmode=666 pts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t tmpfs run /run
busybox ifconfig lo 127.0.0.1 up
busybox hostname machine
echo '${CORE_PATTERN}' >/proc/sys/kernel/core_pattern
busybox insmod /usr/lib/modules/*/kernel/net/netfilter/nfnetlink.ko
# What the kernel says of each that it kills takes the emulated console seconds.
echo 1 >/proc/sys/kernel/printk
guest() {
  exec /opt/deno run --no-prompt --cached-only --no-config --no-lock \\
    --allow-read --allow-write --allow-net --allow-env --allow-run --allow-sys \\
    /opt/guest.js $1 $(cat /opt/words)
}
(guest bare)
mount -t cgroup2 cgroups /sys/fs/cgroup
echo '+memory +pids +cpu' >/sys/fs/cgroup/cgroup.subtree_control
mkdir -p /sys/fs/cgroup/guest/sb-999999-1-1/run-0
(sh -c 'echo $PPID' >/sys/fs/cgroup/guest/cgroup.procs; guest cgroups)
busybox poweroff -f
`;

/** In /etc: secrets, people, and what tells machines apart. */
const ETC = {
  passwd: "root:x:0:0::/root:/bin/sh\n",
  group: "root:x:0:\n",
  shadow: "root:*:1::::::\n",
  hostname: "machine\n",
  "machine-id": "0123456789abcdef0123456789abcdef\n",
  "nsswitch.conf": "hosts: files dns\n",
};

const run = (command: string, args: string[], cwd?: string) => must(TASK, command, args, cwd);
const exists = (path: string) => Deno.stat(path).then(() => true, () => false);

/** Debian's packages, unpacked and not set up; made once. */
async function baseSystem(): Promise<string> {
  const tar = join(CACHE, `${SUITE}-arm64.tar`);
  await Deno.mkdir(CACHE, { recursive: true });
  if (await exists(tar)) return tar;
  print(`${TASK}: fetching Debian ${SUITE} for arm64 (once)`);
  const shape = ["--architectures=arm64", "--format=tar", "--variant=extract"];
  const what = [`--hook-dir=${MERGED_USR}`, `--include=${PACKAGES.join(",")}`];
  await run("mmdebstrap", [...shape, ...what, SUITE, `${tar}.new`]);
  await Deno.rename(`${tar}.new`, tar);
  return tar;
}

/** The deno of that machine, of the version that runs this; fetched once. */
async function foreignDeno(): Promise<string> {
  const path = join(CACHE, `deno-${Deno.version.deno}-arm64`);
  if (await exists(path)) return path;
  print(`${TASK}: fetching ${DENO} (once)`);
  const folder = await Deno.makeTempDir({ dir: CACHE });
  await run("npm", ["pack", "--silent", DENO], folder);
  await run("tar", ["-xzf", await only(folder, "")], folder);
  await Deno.rename(join(folder, "package/deno"), path);
  await Deno.remove(folder, { recursive: true });
  return path;
}

/** All that is ours, below /opt. */
async function addPrograms(root: string): Promise<void> {
  const write = async (path: string, content: Uint8Array | string) => {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    await Deno.writeFile(join(root, path), bytes);
    await Deno.chmod(join(root, path), 0o755);
  };
  for (const folder of ["opt/abuse", "opt/server"]) {
    await Deno.mkdir(join(root, folder), { recursive: true });
  }
  await buildInit("aarch64");
  await write("opt/khachapuri-init", await Deno.readFile(builtFor("aarch64").binary));
  await write("opt/abuse/abuse", await buildAbuse("aarch64"));
  await write("opt/abuse/sessions", await compileC([join(ROOT, "tests/vm/sessions.c")], "aarch64"));
  await write("opt/server/server", await buildServer("aarch64"));
  await write("opt/deno", await Deno.readFile(await foreignDeno()));
  await write("opt/core", CORE_HANDLER);
  await write("opt/init", GUEST);
  await write("opt/words", Deno.args.join(" "));
  const bundle = join(root, "opt/guest.js");
  const flags = ["--quiet", "--frozen", "--platform", "deno"];
  await run(Deno.execPath(), ["bundle", ...flags, "-o", bundle, "tests/vm/arm64_guest.ts"], ROOT);
  await Deno.writeTextFile(bundle, await bundleFor("aarch64", await Deno.readTextFile(bundle)));
}

interface Machine {
  disk: string;
  kernel: string;
  initrd: string;
}

async function makeMachine(tar: string): Promise<Machine> {
  const root = await Deno.makeTempDir({ dir: CACHE });
  await run("tar", ["-xf", tar, "-C", root]);
  await addPrograms(root);
  for (const folder of ["proc", "sys", "dev", "run", "tmp", "root", "home", "mnt"]) {
    await Deno.mkdir(join(root, folder), { recursive: true });
  }
  await Deno.chmod(join(root, "tmp"), 0o1777);
  for (const [name, text] of Object.entries(ETC)) {
    await Deno.writeTextFile(join(root, "etc", name), text);
  }
  await Deno.writeTextFile(join(root, "home/keys.json"), "{}", { mode: 0o600 });
  const [kernel, initrd, disk] = ["vmlinuz-arm64", "initrd-arm64", "disk-arm64.ext4"]
    .map((name) => join(CACHE, name)) as [string, string, string];
  await Deno.copyFile(join(root, "boot", await only(join(root, "boot"), "vmlinuz-")), kernel);
  await Deno.writeFile(initrd, await firstRoot(root));
  await Deno.chmod(root, 0o755);
  await run("mke2fs", ["-q", "-F", "-t", "ext4", "-d", root, disk, "2G"]);
  await Deno.remove(root, { recursive: true });
  return { disk, kernel, initrd };
}

/** The one name in a folder that begins so. */
async function only(folder: string, prefix: string): Promise<string> {
  for await (const { name } of Deno.readDir(folder)) if (name.startsWith(prefix)) return name;
  throw new Error(`${folder} has no ${prefix}`);
}

/** It brings the disk's drivers, and starts from the disk. */
async function firstRoot(root: string): Promise<Uint8Array> {
  const modules = join(root, "usr/lib/modules");
  const drivers = join(modules, await only(modules, ""), "kernel/drivers");
  const entries: Entry[] = ["bin", "dev", "root"].map((path) => ({ path, bytes: null }));
  const busybox = await Deno.readFile(join(root, "usr/bin/busybox"));
  entries.push({ path: "bin/busybox", bytes: busybox });
  entries.push({ path: "init", bytes: new TextEncoder().encode(INIT) });
  for (const path of MODULES) {
    const bytes = await Deno.readFile(join(drivers, `${path}.ko`));
    entries.push({ path: `${path.split("/")[1]}.ko`, bytes });
  }
  return initramfs(entries);
}

async function main(): Promise<void> {
  const startedAt = Date.now();
  if (Deno.uid() !== 0) stop([`${TASK}: making a root file system takes root`]);
  await requireAll(TASK, ARM64_EMULATOR);
  const { disk, kernel, initrd } = await makeMachine(await baseSystem());
  const count = await boot("qemu-system-aarch64", [
    // Pointers are signed by a quick hash in place of the real one, which emulation makes slow.
    ...["-machine", "virt", "-cpu", "max,pauth-impdef=on", "-smp", "2", "-m", "3072"],
    ...["-kernel", kernel, "-initrd", initrd, "-append", "console=ttyAMA0 quiet panic=-1"],
    ...["-drive", `file=${disk},format=raw,if=none,id=disk`],
    ...["-device", "virtio-blk-pci,drive=disk"],
  ], "arm64");
  conclude(TASK, count, PARTS.length, startedAt);
}

if (import.meta.main) await main();
