import assert from "node:assert/strict";
import { join } from "node:path";
import {
  apparmorProfile,
  needsProfile,
  sysctlText,
  UNIT_FOLDER,
  wantedFiles,
} from "./system_files.ts";

const HOME = "/var/lib/khachapuri";
const MACHINE = {
  migrateReq: "0",
  usernsClone: null,
  apparmorUserns: null,
  hasProfile: null,
  addresses: [],
};
const PUBLIC = { home: HOME, sockets: { listen: "443", http: "80" } };

async function said(command: string, args: string[]): Promise<string | null> {
  try {
    const { code, stdout, stderr } = await new Deno.Command(command, { args }).output();
    const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    return `${code}\n${text}`;
  } catch {
    console.warn(`not run: ${command} is not here`);
    return null;
  }
}

async function inFolder(test: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  await test(dir).finally(() => Deno.remove(dir, { recursive: true }));
}

Deno.test("only a kernel that keeps user namespaces from us gets a profile, or a setting", () => {
  assert.equal(needsProfile(MACHINE), false);
  assert.equal(needsProfile({ ...MACHINE, apparmorUserns: "0" }), false);
  assert.equal(needsProfile({ ...MACHINE, apparmorUserns: "1" }), true);
  assert.equal(sysctlText({ ...MACHINE, migrateReq: null }, null), null);
  const debian = sysctlText({ ...MACHINE, usernsClone: "0" }, null);
  assert.match(
    debian!,
    /^net\.ipv4\.tcp_migrate_req = 1\n.*\n^kernel\.unprivileged_userns_clone = 1$/m,
  );
  assert.doesNotMatch(sysctlText({ ...MACHINE, usernsClone: "1" }, null)!, /userns/);
  assert.equal(
    sysctlText({ ...MACHINE, usernsClone: "1", migrateReq: "1" }, debian),
    debian,
    "what it has mended is not undone by being mended",
  );
});

Deno.test("the profile is attached to the helper of this home alone, and is AppArmor's language", () =>
  inFolder(async (dir) => {
    const profile = apparmorProfile(HOME);
    assert.match(profile, /^profile khachapuri-init \/var\/lib\/khachapuri\/.*khachapuri-init /m);
    assert.doesNotMatch(profile, /bwrap/);
    assert.match(profile, /^ {2}userns,$/m);
    // Debian 12's parser is of 3.0: rules for what newer kernels mediate are not known to it.
    const path = join(dir, "khachapuri");
    const known = profile.replace(/^ {2}(?:userns|mqueue|io_uring),\n/gm, "")
      .replace("abi/4.0", "abi/3.0");
    const args = ["-Q", "--skip-kernel-load", "--skip-cache"];
    const version = await said("apparmor_parser", ["--version"]);
    if (version === null) return;
    await Deno.writeTextFile(path, /version 3\./.test(version) ? known : profile);
    assert.match((await said("apparmor_parser", [...args, path]))!, /^0\n/);
    await Deno.writeTextFile(path, known.replace("file rwlkm", "file nonsense"));
    assert.doesNotMatch((await said("apparmor_parser", [...args, path]))!, /^0\n/);
  }));

Deno.test("systemd understands the units, and each descriptor has its name", () =>
  inFolder(async (dir) => {
    const files = wantedFiles(PUBLIC, MACHINE, null);
    const paths: string[] = [];
    for (const [path, text] of files) {
      if (!path.startsWith(UNIT_FOLDER) || text === null) continue;
      paths.push(join(dir, path.slice(UNIT_FOLDER.length)));
      const runnable = text.replaceAll("/usr/local/bin/khachapuri", "/usr/bin/true");
      await Deno.writeTextFile(paths.at(-1)!, runnable);
    }
    assert.equal(paths.length, 3);
    const text = (name: string) => files.get(`${UNIT_FOLDER}/${name}`)!;
    assert.match(text("khachapuri.socket"), /ListenStream=443\n.*\nFileDescriptorName=listen\n/);
    assert.match(text("khachapuri-http.socket"), /ListenStream=80\n.*\nFileDescriptorName=http\n/);
    const verified = await said("systemd-analyze", ["verify", ...paths]);
    if (verified === null) return;
    assert.doesNotMatch(verified, /khachapuri/);
  }));

Deno.test("behind a proxy nothing listens for a certificate authority", () => {
  const shape = {
    home: HOME,
    sockets: { listen: "127.0.0.1:8402", http: null },
    runsSeconds: 1_800,
  };
  const files = wantedFiles(shape, MACHINE, null);
  assert.equal(files.get(`${UNIT_FOLDER}/khachapuri-http.socket`), null);
  const unit = files.get(`${UNIT_FOLDER}/khachapuri.service`)!;
  assert.doesNotMatch(unit, /http/);
  assert.match(unit, /^Requires=khachapuri\.socket$/m);
  assert.match(unit, /^TimeoutStopSec=1860$/m);
});
