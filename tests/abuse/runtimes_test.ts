/** Honest programs of many runtimes live well in the sandbox: nothing they need is refused. */
import assert from "node:assert/strict";
import { makeEtc } from "../../sandbox/etc.ts";
import { openSandbox } from "../../sandbox/sandbox.ts";
import { eachLauncher } from "../../worlds/sandbox/launchers.ts";

const runUid = Deno.uid() === 0 ? 1_830_000_000 : null;
const limits = { timeoutMs: 60_000, memoryMb: 512, stdoutBytes: 1e6, stderrBytes: 64 * 1024 };

const home = await Deno.makeTempDir();
await Deno.chmod(home, 0o755);
const etc = makeEtc(`${home}/etc`);
globalThis.addEventListener("unload", () => Deno.removeSync(home, { recursive: true }));

interface Runtime {
  /** The tool that must be there, else the case says that it was not run. */
  needs: string;
  /** File name and content. */
  source: readonly [name: string, content: string];
  /** Builds `main` from the source; without it the source is the program. */
  build?: (source: string, main: string) => string[];
}

const C = `#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
static void *add(void *to) { ++*(int *)to; return to; }
int main(void) {
  int sum = 41;
  pthread_t thread;
  pthread_create(&thread, 0, add, &sum);
  pthread_join(thread, 0);
  if (fork() == 0) return 0;
  wait(0);
  printf("%d\\n", sum);
}
`;
const GO = `package main

import (
	"fmt"
	"os/exec"
)

func main() {
	c := make(chan int)
	for i := 0; i < 42; i++ {
		go func() { c <- 1 }()
	}
	sum := 0
	for i := 0; i < 42; i++ {
		sum += <-c
	}
	if exec.Command("/bin/true").Run() == nil {
		fmt.Println(sum)
	}
}
`;
const RUST = `fn main() {
    let all: Vec<_> = (0..42).map(|_| std::thread::spawn(|| 1)).collect();
    println!("{}", all.into_iter().map(|t| t.join().unwrap()).sum::<i32>());
}
`;
const PYTHON = `#!/usr/bin/python3
import asyncio, getpass, mimetypes, multiprocessing, socket, sqlite3, ssl, subprocess, tempfile
import threading
threading.Thread(target=print, args=("",), kwargs={"end": ""}).start()
with multiprocessing.Pool(2) as pool: assert pool.map(abs, [-1]) == [1]
with tempfile.NamedTemporaryFile() as f: sqlite3.connect(f.name).execute("create table t(a)")
assert subprocess.run(["/bin/true"]).returncode == 0
assert ssl.create_default_context().get_ca_certs()
assert getpass.getuser() == "nobody" and socket.gethostbyname(socket.gethostname())
assert socket.getservbyname("https") == 443 and mimetypes.guess_type("a.docx")[0]
asyncio.run(asyncio.sleep(0))
print(42)
`;
const NODE = `#!NODE
const { Worker } = require("node:worker_threads");
require("node:child_process").execFileSync("/bin/true");
if (require("node:os").userInfo().username !== "nobody") throw new Error("nobody");
const server = require("node:http").createServer((_, r) => r.end("41")).listen(0, "localhost");
server.on("listening", async () => {
  const text = await (await fetch("http://localhost:" + server.address().port)).text();
  new Worker("require('node:worker_threads').parentPort.postMessage(1)", { eval: true })
    .on("message", (n) => { console.log(Number(text) + n); process.exit(0); });
});
`;
const JAVA = `public class Main {
  public static void main(String[] a) throws Exception {
    java.net.InetAddress.getLocalHost();
    if (!System.getProperty("user.home").equals("/tmp")) throw new Error("no home");
    java.nio.file.Files.createFile(java.nio.file.Path.of("/tmp/caf\\u00e9"));
    System.out.println(java.util.stream.IntStream.range(0, 42).parallel().map(i -> 1).sum());
  }
}
`;

const PERL = `#!/usr/bin/perl
getpwuid($<) eq "nobody" && getprotobyname("tcp") && getservbyname("smtp", "tcp") or die;
print 6*7, "\\n";
`;
const PHP = `#!/usr/bin/php
<?php session_start(); $_SESSION["a"] = 42; session_write_close(); session_start();
echo get_current_user() === "nobody" && gethostbyname("localhost") === "127.0.0.1"
  ? $_SESSION["a"] : "no world", PHP_EOL;
`;
const RUBY = `#!/usr/bin/ruby
require "etc"
require "socket"
raise "no UTF-8" unless Encoding.default_external.name == "UTF-8"
puts 42 if Etc.getpwuid.name == "nobody" && Addrinfo.tcp("localhost", "http")
`;
const ERLANG = `#!/bin/sh
exec erl -sname one -noshell -eval \
  '{ok,_} = inet:getaddr("localhost", inet), one@sandbox = node(), \
    utf8 = file:native_name_encoding(), io:format("42~n"), halt().'
`;
const TOOLS = `#!/bin/bash
cd /tmp
openssl req -x509 -newkey rsa:2048 -nodes -keyout k -out c -subj /CN=x -days 1 2>/dev/null || exit 1
[ "$(whoami)@$(hostname -f)" = nobody@sandbox ] && [ ~ = /tmp ] || exit 1
[ "$(printf é | wc -m)" = 1 ] && echo 42
`;

const GPG = `#!/bin/sh
gpg --batch --passphrase '' --quick-gen-key a@b ed25519 &&
  echo text | gpg --batch --clearsign | gpg --batch --verify && echo 42
`;

const compile = (command: string, ...flags: string[]) => (source: string, main: string) => [
  command,
  ...flags,
  "-o",
  main,
  source,
];

const RUNTIMES: Record<string, Runtime> = {
  "C, musl, static": {
    needs: "musl-gcc",
    source: ["main.c", C],
    build: compile("musl-gcc", "-static"),
  },
  "C, glibc, static": { needs: "gcc", source: ["main.c", C], build: compile("gcc", "-static") },
  "C, glibc, dynamic": { needs: "gcc", source: ["main.c", C], build: compile("gcc") },
  "Go": { needs: "/usr/bin/go", source: ["main.go", GO], build: compile("/usr/bin/go", "build") },
  "Rust": { needs: "/usr/bin/rustc", source: ["main.rs", RUST], build: compile("/usr/bin/rustc") },
  "sh": { needs: "sh", source: ["main", "#!/bin/sh\necho $(($(printf 4; true)2)) | cat\n"] },
  "bash": { needs: "bash", source: ["main", "#!/bin/bash\ncat <(echo 42) <<<x\n"] },
  "Python": { needs: "/usr/bin/python3", source: ["main", PYTHON] },
  "Perl": { needs: "/usr/bin/perl", source: ["main", PERL] },
  "Node": { needs: "node", source: ["main", NODE] },
  "Java": { needs: "java", source: ["Main.java", JAVA] },
  "Ruby": { needs: "/usr/bin/ruby", source: ["main", RUBY] },
  "PHP": { needs: "php", source: ["main", PHP] },
  "Erlang": { needs: "/usr/bin/erl", source: ["main", ERLANG] },
  "gpg, which starts an agent": { needs: "/usr/bin/gpg", source: ["main", GPG] },
  "openssl, hostname": { needs: "/usr/bin/openssl", source: ["main", TOOLS] },
};

async function which(command: string): Promise<string | null> {
  const { success, stdout } = await new Deno.Command("which", { args: [command] }).output();
  if (!success) return null;
  const path = await Deno.realPath(new TextDecoder().decode(stdout).trim());
  // What the sandbox shows of the host.
  return path.startsWith("/usr/") || path.startsWith("/bin/") ? path : null;
}

async function prepare(runtime: Runtime, tool: string, dir: string): Promise<void> {
  const [name, content] = runtime.source;
  const source = `${dir}/${name}`;
  await Deno.writeTextFile(source, content.replace("NODE", tool), { mode: 0o755 });
  if (name === "Main.java") {
    const start = "#!/bin/sh\nexec java -Xmx128m Main.java\n";
    await Deno.writeTextFile(`${dir}/main`, start, { mode: 0o755 });
  }
  if (!runtime.build) return;
  const [command, ...args] = runtime.build(source, `${dir}/main`);
  const env = { GOCACHE: `${dir}/cache`, HOME: dir };
  const { success, stderr } = await new Deno.Command(command!, { args, env }).output();
  assert(success, new TextDecoder().decode(stderr));
}

for (const [name, runtime] of Object.entries(RUNTIMES)) {
  const tool = await which(runtime.needs);
  const title = tool
    ? `${name} works`
    : `${name}: NOT RUN, ${runtime.needs} is not under /usr here`;
  eachLauncher({ name: title, ignore: tool === null }, async (launcher) => {
    const dir = await Deno.makeTempDir();
    try {
      await Deno.chmod(dir, 0o755);
      await prepare(runtime, tool!, dir);
      const sandbox = await openSandbox({ ...launcher, runUid, etc }, { programDir: dir, limits });
      const run = await sandbox.run({ argv: ["main"], env: {}, stdin: null });
      const text = await new Response(run.stdout()).text();
      const { exit, signal, stderr } = await run.record;
      await sandbox.close();
      const said = new TextDecoder().decode(stderr);
      assert.deepEqual([text, exit, signal], ["42\n", 0, null], said);
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  });
}

const stressors =
  "--fork 4 --pipe 2 --shm 2 --sem 2 --mmap 2 --mmap-bytes 32M --vm 1 --vm-bytes 32M --clone 2 " +
  "--sock 2 --poll 2 --timer 2 --eventfd 2 --fifo 2 --dentry 2 --zombie 2 --sigq 2";
const stress = await which("stress-ng");
eachLauncher({
  name: stress ? "stress-ng leaves nothing behind" : "stress-ng: NOT RUN, it is not installed",
  ignore: stress === null,
}, async (launcher) => {
  const sandbox = await openSandbox({ ...launcher, runUid, etc }, {
    programDir: "/usr/bin",
    limits: { ...limits, memoryMb: 4_096 },
  });
  const argv = ["stress-ng", ...stressors.split(" "), "--timeout", "3", "--temp-path", "/tmp"];
  const run = await sandbox.run({ argv, env: {}, stdin: null });
  await new Response(run.stdout()).text();
  const { limit } = await run.record;
  assert.equal(limit, null);
  const again = await sandbox.run({ argv: ["true"], env: {}, stdin: null });
  await again.stdout().cancel();
  await again.record;
  await sandbox.close();
  const found = await new Deno.Command("pgrep", { args: ["-r", "R,S,D,T,t", "-f", "stress-ng"] })
    .output();
  assert.equal(new TextDecoder().decode(found.stdout), "");
});
