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

const PARSER = "/usr/sbin/apparmor_parser";
const ANALYZER = "/usr/bin/systemd-analyze";
const isHere = (path: string) => Deno.stat(path).then(() => true, () => false);

async function said(command: string, args: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(command, { args }).output();
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  return `${code}\n${text}`;
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

Deno.test("the profile is attached to the helper of this home alone", () => {
  const profile = apparmorProfile(HOME);
  assert.match(profile, /^profile khachapuri-init \/var\/lib\/khachapuri\/.*khachapuri-init /m);
  assert.doesNotMatch(profile, /bwrap/);
  assert.match(profile, /^ {2}userns,$/m);
});

Deno.test({
  name: "AppArmor's parser reads the profile",
  ignore: !await isHere(PARSER),
  fn: () =>
    inFolder(async (dir) => {
      // Debian 12's is of 3.0: rules for what newer kernels mediate are not known to it.
      const path = join(dir, "khachapuri");
      const profile = apparmorProfile(HOME);
      const known = profile.replace(/^ {2}(?:userns|mqueue|io_uring),\n/gm, "")
        .replace("abi/4.0", "abi/3.0");
      const args = ["-Q", "--skip-kernel-load", "--skip-cache"];
      const isOld = /version 3\./.test(await said(PARSER, ["--version"]));
      await Deno.writeTextFile(path, isOld ? known : profile);
      assert.match(await said(PARSER, [...args, path]), /^0\n/);
      await Deno.writeTextFile(path, known.replace("file rwlkm", "file nonsense"));
      assert.doesNotMatch(await said(PARSER, [...args, path]), /^0\n/);
    }),
});

Deno.test("each descriptor has its name", () => {
  const files = wantedFiles(PUBLIC, MACHINE, null);
  const text = (name: string) => files.get(`${UNIT_FOLDER}/${name}`)!;
  assert.match(text("khachapuri.socket"), /ListenStream=443\n.*\nFileDescriptorName=listen\n/);
  assert.match(text("khachapuri-http.socket"), /ListenStream=80\n.*\nFileDescriptorName=http\n/);
});

Deno.test({
  name: "systemd understands the units",
  ignore: !await isHere(ANALYZER),
  fn: () =>
    inFolder(async (dir) => {
      const paths: string[] = [];
      for (const [path, text] of wantedFiles(PUBLIC, MACHINE, null)) {
        if (!path.startsWith(UNIT_FOLDER) || text === null) continue;
        paths.push(join(dir, path.slice(UNIT_FOLDER.length)));
        const runnable = text.replaceAll("/usr/local/bin/khachapuri", "/usr/bin/true");
        await Deno.writeTextFile(paths.at(-1)!, runnable);
      }
      assert.equal(paths.length, 3);
      assert.doesNotMatch(await said(ANALYZER, ["verify", ...paths]), /khachapuri/);
    }),
});

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
