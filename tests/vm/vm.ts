/**
 * `deno task test:vm`: boots a stock Debian (systemd, cgroup v2) under qemu without KVM and runs
 * guest.ts in it as three services: an ordinary user, root, and a user with ambient capabilities.
 * Takes minutes; the root file system is kept in `.cache/vm`.
 */
import { join } from "node:path";
import { buildAbuse } from "../abuse/program.ts";
import { HELPER } from "../../tools/permissions.ts";
import { stop } from "../../tools/print.ts";
import { buildServer } from "../../worlds/sandbox/servers.ts";
import { EMULATOR, requireAll } from "../../tools/requirements.ts";
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
import { writePrograms } from "./programs.ts";

const SUITE = "bookworm";
const PACKAGES = "systemd-sysv,bubblewrap,linux-image-cloud-amd64,initramfs-tools,procps," +
  "gunicorn,python3-uvicorn,nodejs";

const run = (command: string, args: string[], cwd?: string) => must("test:vm", command, args, cwd);

async function assertTools(): Promise<void> {
  if (Deno.uid() !== 0) stop(["test:vm: making a root file system takes root"]);
  await requireAll("test:vm", EMULATOR);
}

/** The stock system; made once. */
async function baseSystem(): Promise<string> {
  const tar = join(CACHE, `${SUITE}-servers.tar`);
  await Deno.mkdir(CACHE, { recursive: true });
  if (await Deno.stat(tar).then(() => true, () => false)) return tar;
  print(`test:vm: making a Debian ${SUITE} root file system (once)`);
  // By the name alone mmdebstrap would make a folder of it.
  const shape = ["--format=tar", "--variant=minbase", `--include=${PACKAGES}`];
  const args = [...shape, SUITE, `${tar}.new`];
  await run("mmdebstrap", args);
  await Deno.rename(`${tar}.new`, tar);
  return tar;
}

const CORE_SETTING = `kernel.core_pattern=${CORE_PATTERN}\n`;

interface Variant {
  label: string;
  /** Lines of its [Service] section. */
  lines: string[];
}

const VARIANTS: Variant[] = [
  { label: "user", lines: ["User=khachapuri"] },
  { label: "root", lines: ["User=root"] },
  {
    label: "ambient",
    lines: ["User=khachapuri", "AmbientCapabilities=CAP_SETUID CAP_SETGID CAP_SETPCAP CAP_KILL"],
  },
];

function unit({ label, lines }: Variant, after: string | undefined): string {
  const helper = "/opt/khachapuri-init";
  const deno = `/opt/deno run --no-prompt --cached-only --no-config --no-lock --allow-read ` +
    `--allow-write=/tmp --allow-sys=uid --allow-net --allow-run=${helper},/bin/sh ` +
    `/opt/guest.js ${label} ${helper}`;
  return [
    "[Unit]",
    ...(after ? [`After=${after}.service`] : []),
    "[Service]",
    "Type=oneshot",
    "Delegate=yes",
    // As the unit that ships.
    "UMask=0077",
    "Environment=DENO_DIR=/tmp/deno-%N NO_COLOR=1 DENO_NO_UPDATE_CHECK=1",
    "StandardOutput=journal+console",
    "StandardError=journal+console",
    "TimeoutStartSec=1800",
    ...lines,
    // What a provider leaves that was killed together with its supervisors.
    "ExecStartPre=/bin/mkdir -p /sys/fs/cgroup/system.slice/%n/sb-999999-1-1/run-0",
    `ExecStart=${deno}`,
    "[Install]",
    "WantedBy=multi-user.target",
    "",
  ].join("\n");
}

/** The stock system with the sandbox, its attackers and three services, as a disk. */
async function makeDisk(tar: string): Promise<{ disk: string; kernel: string; initrd: string }> {
  const root = await Deno.makeTempDir({ dir: CACHE });
  await run("tar", ["-xf", tar, "-C", root]);
  await Deno.mkdir(join(root, "opt/abuse"), { recursive: true });
  await Deno.writeFile(join(root, "opt/abuse/abuse"), await buildAbuse(), { mode: 0o755 });
  await Deno.mkdir(join(root, "opt/server"));
  await Deno.writeFile(join(root, "opt/server/server"), await buildServer(), { mode: 0o755 });

  await writePrograms(join(root, "opt"));
  await Deno.copyFile(Deno.execPath(), join(root, "opt/deno"));
  await Deno.copyFile(join(ROOT, HELPER), join(root, "opt/khachapuri-init"));
  for (const name of ["deno", "khachapuri-init"]) await Deno.chmod(join(root, "opt", name), 0o755);
  const bundle = ["bundle", "--quiet", "--platform", "deno", "-o", join(root, "opt/guest.js")];
  await run(Deno.execPath(), [...bundle, "tests/vm/guest.ts"], ROOT);
  await run("chroot", [root, "useradd", "--system", "khachapuri"]);
  // Like Ubuntu's apport or systemd-coredump: root's own program gets what crashes.
  await Deno.writeTextFile(join(root, "opt/core"), CORE_HANDLER, { mode: 0o755 });
  await Deno.writeTextFile(join(root, "etc/sysctl.d/core.conf"), CORE_SETTING);
  const units = join(root, "etc/systemd/system");
  const wanted = join(units, "multi-user.target.wants");
  await Deno.mkdir(wanted, { recursive: true });
  for (const [index, variant] of VARIANTS.entries()) {
    const name = `${variant.label}.service`;
    await Deno.writeTextFile(join(units, name), unit(variant, VARIANTS[index - 1]?.label));
    await Deno.symlink(join("..", name), join(wanted, name));
  }
  const off = "[Unit]\nAfter=ambient.service\n[Service]\nType=oneshot\n" +
    "ExecStart=/bin/systemctl poweroff --force --force\n";
  await Deno.writeTextFile(join(units, "off.service"), off);
  await Deno.symlink("../off.service", join(wanted, "off.service"));
  const boot: string[] = [];
  for await (const { name } of Deno.readDir(join(root, "boot"))) boot.push(name);
  const find = (prefix: string) => join(CACHE, boot.find((name) => name.startsWith(prefix))!);
  const [kernel, initrd] = [find("vmlinuz-"), find("initrd.img-")];
  for (const path of [kernel, initrd]) {
    await Deno.copyFile(join(root, "boot", path.slice(CACHE.length + 1)), path);
  }
  const disk = join(CACHE, "disk.ext4");
  await run("mke2fs", ["-q", "-F", "-t", "ext4", "-d", root, disk, "2G"]);
  await Deno.remove(root, { recursive: true });
  return { disk, kernel, initrd };
}

async function main(): Promise<void> {
  const startedAt = Date.now();
  await assertTools();
  const { disk, kernel, initrd } = await makeDisk(await baseSystem());
  const count = await boot("qemu-system-x86_64", [
    ...["-machine", "q35", "-cpu", "max", "-smp", "2", "-m", "2048"],
    ...["-kernel", kernel, "-initrd", initrd],
    ...["-append", "root=/dev/vda rw console=ttyS0 quiet systemd.show_status=0"],
    ...["-drive", `file=${disk},format=raw,if=virtio`],
  ]);
  conclude("test:vm", count, VARIANTS.length, startedAt);
}

if (import.meta.main) await main();
