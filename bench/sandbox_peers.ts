/** Who the sandbox is measured against: web servers that start the same program without any. */
import { dirname, join } from "node:path";
import { freePort } from "../worlds/free_port.ts";
import { childrenOf } from "../worlds/processes.ts";
import { buildStatic } from "../worlds/static_program.ts";

export interface Peer extends AsyncDisposable {
  name: string;
  url: string;
}

const HELLO = `#include <stdio.h>
#include <unistd.h>
/* CGI (RFC 3875) for every server; nothing but the write is the program's own. */
int main(void) {
  static const char text[] = "Content-Type: text/plain\\r\\n\\r\\nhello\\n";
  return write(1, text, sizeof text - 1) < 0;
}
`;

/** fork, exec and wait of one program, N times in K processes: what no server can beat. */
const FLOOR = `#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}
static int less(const void *a, const void *b) {
  return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}
int main(int argc, char **argv) {
  int count = atoi(argv[1]), drivers = atoi(argv[2]);
  (void)argc;
  for (int i = 1; i < drivers; i++) {
    if (fork() == 0) break;
  }
  double *took = calloc((size_t)count, sizeof *took), start = now();
  for (int i = 0; i < count; i++) {
    double at = now();
    int ends[2], status;
    char text[64];
    if (pipe(ends)) return 1;
    pid_t pid = vfork();
    if (pid == 0) {
      dup2(ends[1], 1);
      close(ends[0]);
      close(ends[1]);
      execl(argv[3], argv[3], (char *)0);
      _exit(1);
    }
    close(ends[1]);
    while (read(ends[0], text, sizeof text) > 0) continue;
    close(ends[0]);
    waitpid(pid, &status, 0);
    took[i] = now() - at;
  }
  double all = now() - start;
  qsort(took, (size_t)count, sizeof *took, less);
  printf("%f %f %f\\n", took[count / 2] * 1e3, took[count * 99 / 100] * 1e3, count / all);
  return 0;
}
`;

export interface Times {
  p50Ms: number;
  p99Ms: number;
}

export interface Figures extends Times {
  perSecond: number;
}

/** Builds the static hello and the floor's loop into `dir`. */
export async function buildPrograms(dir: string): Promise<{ hello: string; floor: string }> {
  return {
    hello: await buildStatic(join(dir, "hello.cgi"), HELLO),
    floor: await buildStatic(join(dir, "floor"), FLOOR),
  };
}

/** The floor at `drivers` processes. */
export async function measureFloor(
  { hello, floor }: { hello: string; floor: string },
  drivers: number,
): Promise<Figures> {
  const text = await succeed(floor, ["1500", String(drivers), hello]);
  const all = text.trim().split("\n").map((line) => line.split(" ").map(Number));
  const mean = (column: number) => all.reduce((sum, row) => sum + row[column]!, 0) / all.length;
  return { p50Ms: mean(0), p99Ms: mean(1), perSecond: mean(2) * all.length };
}

/** The same program under a plain bubblewrap with new namespaces, started from a shell. */
export async function measureShellBwrap(hello: string, runs: number): Promise<Figures> {
  const command = "/usr/bin/bwrap --unshare-all --die-with-parent --ro-bind / / --proc /proc " +
    `--dev /dev --tmpfs /tmp --setenv A 1 -- ${hello}`;
  const took: number[] = [];
  const uid = Deno.uid() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  // The user it runs as may have no way into the folder that we were started in.
  const options: Deno.CommandOptions = { args: ["-c", command], stdin: "null", cwd: "/", ...uid };
  for (let run = 0; run < runs; run++) {
    const startedAt = performance.now();
    await new Deno.Command("/bin/sh", options).output();
    took.push(performance.now() - startedAt);
  }
  took.sort((a, b) => a - b);
  const sum = took.reduce((a, b) => a + b);
  return {
    p50Ms: took[runs >> 1]!,
    p99Ms: took[Math.floor(runs * 0.99)]!,
    perSecond: runs * 1000 / sum,
  };
}

/**
 * nginx in front of fcgiwrap, both from Debian.
 * @param children of fcgiwrap; Debian's own service starts one
 */
export async function startNginx(dir: string, hello: string, children: number): Promise<Peer> {
  const port = freePort();
  const own = await Deno.makeTempDir({ dir });
  const socket = join(own, "fcgiwrap.sock");
  const config = `daemon off; worker_processes 2; pid ${own}/nginx.pid; error_log ${own}/nginx.log;
${Deno.uid() === 0 ? "user root;" : ""}
events { worker_connections 256; }
http { access_log off; client_body_temp_path ${own}/b; proxy_temp_path ${own}/p;
fastcgi_temp_path ${own}/f; uwsgi_temp_path ${own}/u; scgi_temp_path ${own}/s;
server { listen 127.0.0.1:${port}; location / { fastcgi_pass unix:${socket};
include /etc/nginx/fastcgi_params; fastcgi_param SCRIPT_FILENAME ${hello}; } } }`;
  await Deno.writeTextFile(join(own, "nginx.conf"), config);
  const options = ["-c", String(children), "-s", `unix:${socket}`];
  const wrap = await start("/usr/sbin/fcgiwrap", options, socket);
  const args = ["-c", join(own, "nginx.conf"), "-p", own];
  const nginx = await start("/usr/sbin/nginx", args, join(own, "nginx.pid"));
  const name = children === 1 ? "nginx + fcgiwrap, one child" : "nginx + fcgiwrap";
  return await peer(name, `http://127.0.0.1:${port}/`, [nginx, wrap]);
}

/** lighttpd's own CGI module. */
export async function startLighttpd(dir: string, hello: string): Promise<Peer> {
  const port = freePort();
  const own = await Deno.makeTempDir({ dir });
  const config = `server.modules = ("mod_cgi")
server.document-root = "${dir}"
server.pid-file = "${own}/lighttpd.pid"
server.bind = "127.0.0.1"
server.port = ${port}
server.max-keep-alive-requests = 1000000
cgi.assign = (".cgi" => "")
`;
  await Deno.writeTextFile(join(own, "lighttpd.conf"), config);
  const args = ["-D", "-f", join(own, "lighttpd.conf")];
  const child = await start("/usr/sbin/lighttpd", args, join(own, "lighttpd.pid"));
  const url = `http://127.0.0.1:${port}/${hello.split("/").at(-1)}`;
  return await peer("lighttpd mod_cgi", url, [child]);
}

/** wrk for some seconds at `connections`. */
export async function measureHttp(
  url: string,
  connections: number,
  seconds: number,
): Promise<Figures> {
  const args = ["-t1", `-c${connections}`, `-d${seconds}s`, "--latency", url];
  const text = await succeed("wrk", args);
  const failed = /Non-2xx or 3xx responses: (\d+)/.exec(text) ?? /Socket errors: (.*)/.exec(text);
  if (failed) throw new Error(`${url}: ${failed[0]}`);
  return {
    p50Ms: milliseconds(/^ +50% +(\S+)/m.exec(text)![1]!),
    p99Ms: milliseconds(/^ +99% +(\S+)/m.exec(text)![1]!),
    perSecond: Number(/Requests\/sec:\s+(\S+)/.exec(text)![1]),
  };
}

function milliseconds(text: string): number {
  const value = parseFloat(text);
  return text.endsWith("us") ? value / 1000 : text.endsWith("ms") ? value : value * 1000;
}

/**
 * Starts a server and waits until it listens.
 * @param sign its pid file, which it writes once it does, or the socket itself
 */
async function start(command: string, args: string[], sign: string): Promise<Deno.ChildProcess> {
  using watcher = Deno.watchFs(dirname(sign));
  const options = { args, stdin: "null", stdout: "null", stderr: "null" } as const;
  const child = new Deno.Command(command, options).spawn();
  child.status.then(() => watcher.close());
  for await (const _ of watcher) {
    const { isSocket, size } = await Deno.stat(sign).catch(() => ({ isSocket: false, size: 0 }));
    if (isSocket || size > 0) return child;
  }
  throw new Error(`${command} ended before it listened`);
}

async function peer(name: string, url: string, children: Deno.ChildProcess[]): Promise<Peer> {
  const text = await (await fetch(url)).text();
  if (text !== "hello\n") throw new Error(`${name} answers ${JSON.stringify(text)}`);
  return {
    name,
    url,
    async [Symbol.asyncDispose]() {
      for (const child of children) {
        // fcgiwrap's own children outlive it, and it replaces those that end before it.
        const workers = await childrenOf(child.pid);
        child.kill("SIGTERM");
        await child.status;
        await new Deno.Command("kill", { args: ["-TERM", ...workers.map(String)] }).output();
      }
    },
  };
}

async function succeed(command: string, args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args }).output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`${command} ${args.join(" ")}: ${decoder.decode(stderr)}`);
  return decoder.decode(stdout);
}
