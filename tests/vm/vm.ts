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
import { writePrograms } from "./programs.ts";

const ROOT = join(import.meta.dirname!, "../..");
const CACHE = join(ROOT, ".cache/vm");
const SUITE = "bookworm";
const PACKAGES = "systemd-sysv,bubblewrap,linux-image-cloud-amd64,initramfs-tools,procps," +
  "gunicorn,python3-uvicorn,nodejs";
const BOOT_TIMEOUT_MS = 60 * 60_000;

const decoder = new TextDecoder();
const print = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));

async function run(command: string, args: string[], cwd = CACHE): Promise<void> {
  const { success, stderr } = await new Deno.Command(command, { args, cwd }).output();
  if (success) return;
  print(`test:vm: ${command} failed: ${decoder.decode(stderr).slice(-2000)}`);
  Deno.exit(1);
}

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

const CORE_HANDLER = '#!/bin/sh\necho "$1" >> /run/cores\n';
const CORE_SETTING = "kernel.core_pattern=|/opt/core %e\n";

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

/** Boots and shows what the guest tells; returns how many cases passed and failed. */
async function boot(machine: { disk: string; kernel: string; initrd: string }) {
  const args = [
    ...["-machine", "q35", "-cpu", "max", "-smp", "2", "-m", "2048", "-display", "none"],
    ...["-no-reboot", "-serial", "stdio", "-monitor", "none", "-nic", "none"],
    ...["-kernel", machine.kernel, "-initrd", machine.initrd],
    ...["-append", "root=/dev/vda rw console=ttyS0 quiet systemd.show_status=0"],
    ...["-drive", `file=${machine.disk},format=raw,if=virtio`],
  ];
  const qemu = new Deno.Command("qemu-system-x86_64", { args, stdin: "null", stdout: "piped" })
    .spawn();
  const timer = setTimeout(() => qemu.kill("SIGKILL"), BOOT_TIMEOUT_MS);
  const log = await Deno.open(join(CACHE, "console.log"), {
    create: true,
    write: true,
    truncate: true,
  });
  const count = { passed: 0, failed: 0, done: 0 };
  let rest = "";
  for await (const text of qemu.stdout.pipeThrough(new TextDecoderStream())) {
    await log.write(new TextEncoder().encode(text));
    const lines = (rest + text).split(/\r?\n/);
    rest = lines.pop()!;
    for (const line of lines) {
      const told = line.match(/VM (.*)$/)?.[1];
      if (!told) continue;
      print(told);
      if (/^\w+: ok /.test(told)) count.passed += 1;
      if (/^\w+: FAILED /.test(told)) count.failed += 1;
      if (/^\w+: done /.test(told)) count.done += 1;
    }
  }
  clearTimeout(timer);
  log.close();
  await qemu.status;
  return count;
}

const startedAt = Date.now();
await assertTools();
const { passed, failed, done } = await boot(await makeDisk(await baseSystem()));
const complete = done === VARIANTS.length;
if (!complete) print("test:vm: the guest did not come to its end; see .cache/vm/console.log");
const seconds = ((Date.now() - startedAt) / 1000).toFixed(0);
print(`${passed} passed, ${failed} failed in ${seconds} s`);
Deno.exit(failed === 0 && complete ? 0 : 1);
