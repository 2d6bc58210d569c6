import assert from "node:assert/strict";
import { join } from "node:path";
import { makeEtc } from "./etc.ts";
import { openSandbox } from "./sandbox.ts";

/** A machine's /etc in a folder of its own: content by path, links as { to }. */
async function madeFrom(
  machine: Record<string, string | { to: string } | { secret: string }>,
  look: (etc: string, root: string) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir();
  const root = join(dir, "machine");
  try {
    for (const [path, what] of Object.entries(machine)) {
      await Deno.mkdir(join(root, path, ".."), { recursive: true });
      if (typeof what === "string") await Deno.writeTextFile(join(root, path), what);
      else if ("to" in what) await Deno.symlink(what.to.replace("ROOT", root), join(root, path));
      else await Deno.writeTextFile(join(root, path), what.secret, { mode: 0o640 });
    }
    await look(await makeEtc(join(dir, "etc"), root), root);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const namesIn = async (dir: string) =>
  (await Array.fromAsync(Deno.readDir(dir), ({ name }) => name)).sort();

Deno.test("what interpreters read is copied with open modes, and made anew when it changes", async () => {
  await madeFrom({
    "ssl/certs/deep/a": "a",
    "php/8.2/cli/php.ini": "cli",
    "php/8.2/fpm/pool.d/www.conf": "env[PASSWORD] = x",
    "python3.99/sitecustomize.py": "s",
    "java-77-openjdk/net.properties": "j",
    "services": "old",
  }, async (etc, root) => {
    await Deno.writeTextFile(join(root, "services"), "new");
    assert.equal(await makeEtc(etc, root), etc);
    assert.equal(await Deno.readTextFile(join(etc, "services")), "new");
    assert.deepEqual(await namesIn(join(etc, "php/8.2")), ["cli"]);
    for (const path of ["python3.99/sitecustomize.py", "java-77-openjdk/net.properties"]) {
      await Deno.stat(join(etc, path));
    }
    assert.equal(await Deno.readLink(join(etc, "mtab")), "/proc/self/mounts");
    const modes = ["", "ssl", "ssl/certs/deep/a", "passwd"].map((path) =>
      Deno.statSync(join(etc, path)).mode! & 0o777
    );
    assert.deepEqual(modes, [0o755, 0o755, 0o644, 0o644]);
  });
});

Deno.test("what programs below /usr find by links into /etc is there, and passwords are not", async () => {
  await madeFrom({
    "X11/rgb.txt": "255 250 250 snow",
    "X11/Xsession": "s",
    "libreoffice/registry/main.xcd": "x",
    "maven/m2.conf": "m",
    "maven/settings.xml": "<password>",
  }, async (etc) => {
    for (const path of ["X11/rgb.txt", "libreoffice/registry/main.xcd"]) {
      await Deno.stat(join(etc, path));
    }
    assert.deepEqual(await namesIn(join(etc, "X11")), ["rgb.txt"]);
    assert.deepEqual(await namesIn(join(etc, "maven")), ["m2.conf"]);
  });
});

Deno.test("secrets, people and what tells machines apart are not there", async () => {
  const secrets = ["shadow", "ssh/ssh_host_rsa_key", "ssl/private/key", "machine-id", "gitconfig"];
  await madeFrom({
    ...Object.fromEntries(secrets.map((path) => [path, "s"])),
    "ssl/certs/ssl-cert-snakeoil.pem": "CN=machine-7",
    "ssl/certs/1234abcd.0": { to: "ssl-cert-snakeoil.pem" },
    "ssl/certs/hidden.pem": { secret: "s" },
    "ssl/certs/ca.pem": "ca",
    "passwd": "alice:x:1000:1000::/home/alice:/bin/bash",
    "hosts": "10.0.0.7 machine-7",
    "hostname": "machine-7",
    "resolv.conf": "search provider.example",
  }, async (etc) => {
    for (const path of secrets) await assert.rejects(Deno.lstat(join(etc, path)), path);
    assert.deepEqual(await namesIn(join(etc, "ssl/certs")), ["ca.pem"]);
    assert.equal(await Deno.readLink(join(etc, "resolv.conf")), "/run/names/resolv.conf");
    const tables = ["passwd", "hosts", "hostname", "names/none/resolv.conf"];
    for (const path of [...tables, "names/relay/resolv.conf"]) {
      assert.doesNotMatch(await Deno.readTextFile(join(etc, path)), /alice|machine-7|provider/);
    }
  });
});

Deno.test("a link leads to what programs see, by a detour if need be, or is not there", async () => {
  await madeFrom({
    "alternatives/kept": { to: "/usr/bin/env" },
    "alternatives/inside": { to: "ROOT/services" },
    "alternatives/by-a-detour": { to: "ROOT/default/detour" },
    "alternatives/nowhere": { to: "/usr/bin/no-such-program" },
    "alternatives/out": { to: "ROOT/shadow" },
    "alternatives/out-again": { to: "out" },
    "ssl/certs/relative": { to: "../openssl.cnf" },
    "ssl/openssl.cnf": "o",
    "default/detour": { to: "/usr/bin/env" },
    "services": "s",
    "shadow": "s",
  }, async (etc, root) => {
    const links = join(etc, "alternatives");
    assert.deepEqual(await namesIn(links), ["by-a-detour", "inside", "kept"]);
    assert.equal(
      await Deno.readLink(join(links, "by-a-detour")),
      await Deno.realPath("/usr/bin/env"),
    );
    assert.equal(await Deno.readLink(join(links, "inside")), join(root, "services"));
    assert.equal(await Deno.readTextFile(join(etc, "ssl/certs/relative")), "o");
  });
});

Deno.test("a program knows itself, its machine and its loopback, and other names are unknown at once", async () => {
  const dir = await Deno.makeTempDir();
  try {
    await Deno.chmod(dir, 0o755);
    const etc = await makeEtc(join(dir, "etc"));
    const script = "id -un; id -gn; uname -n; echo ~; getent hosts sandbox localhost | wc -l; " +
      "getent ahostsv4 example.com; echo $?; echo kept > /var/tmp/a && cat /tmp/a";
    const runUid = Deno.uid() === 0 ? 1_830_000_100 : null;
    const limits = { timeoutMs: 10_000, memoryMb: 64, stdoutBytes: 4_096, stderrBytes: 4_096 };
    const host = { launcher: "bwrap", runUid, etc } as const;
    const sandbox = await openSandbox(host, { programDir: "/usr", limits });
    const run = await sandbox.run({ argv: ["bin/sh", "-c", script], env: {}, stdin: null });
    const lines = (await new Response(run.stdout()).text()).trim().split("\n");
    const { wallMs } = await run.record;
    await sandbox.close();
    assert.deepEqual(lines, ["nobody", "nogroup", "sandbox", "/tmp", "2", "2", "kept"]);
    assert(wallMs < 2_000, `${wallMs} ms`);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("all of it is open to programs, whatever umask the provider was started with", async () => {
  await madeFrom({ "ssl/certs/a": "a" }, async (_, root) => {
    const copy = join(root, "..", "strict");
    const module = new URL("./etc.ts", import.meta.url).href;
    const code = `import { makeEtc } from ${JSON.stringify(module)};
      makeEtc(${JSON.stringify(copy)}, ${JSON.stringify(root)});`;
    // A process of its own, as all of a process's threads share one umask.
    const args = ["-c", 'umask 077; exec "$0" eval "$1"', Deno.execPath(), code];
    const { success, stderr } = await new Deno.Command("sh", { args }).output();
    assert(success, new TextDecoder().decode(stderr));
    const closed: string[] = [];
    const look = async (dir: string) => {
      for await (const { name, isDirectory, isSymlink } of Deno.readDir(dir)) {
        const path = join(dir, name);
        if (isSymlink) continue;
        const needed = isDirectory ? 0o755 : 0o644;
        if (((await Deno.stat(path)).mode! & 0o777) !== needed) closed.push(path);
        if (isDirectory) await look(path);
      }
    };
    await look(copy);
    assert.deepEqual(closed, []);
  });
});
