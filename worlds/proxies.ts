/** The proxies that docs/proxies and `fleet haproxy` configure, before a test's own providers. */
import { join } from "node:path";
import { haproxyConfig } from "../lib/provider/fleet/haproxy.ts";
import type { CertificateFiles } from "../lib/provider/wire/certificate.ts";
import { childLines } from "./child_lines.ts";
import { freePort } from "./free_port.ts";
import { makeFolder } from "./home.ts";

const CONFIGURATIONS = join(import.meta.dirname!, "../docs/proxies");

export interface Proxy extends AsyncDisposable {
  readonly port: number;
  /** Resolves with the next line that it prints of this form; to be asked before what brings it. */
  said(form: RegExp): Promise<string>;
}

/** What the configurations leave to the reader. */
export interface ProxySite {
  readonly domain: string;
  /** host:port of the provider, or of three nodes. */
  readonly upstreams: readonly string[];
  /** Null: HAProxy is spoken to without TLS. */
  readonly certificate: CertificateFiles | null;
  /** Where HAProxy listens; by default at a free one. */
  readonly port?: number;
  /** Changes to the configuration, for what would take too long otherwise. */
  readonly changes?: readonly [string, string][];
}

const COMMANDS = {
  nginx: "/usr/sbin/nginx",
  caddy: "/usr/bin/caddy",
  haproxy: "/usr/sbin/haproxy",
} as const;

export type ProxyName = keyof typeof COMMANDS;

const STARTS = { nginx: startNginx, caddy: startCaddy, haproxy: startHaproxy } as const;

export function startProxy(name: ProxyName, site: ProxySite): Promise<Proxy> {
  return STARTS[name](site);
}

/** The version that is installed, e.g. "2.6.2"; null when there is none. */
export async function proxyVersion(name: ProxyName): Promise<string | null> {
  const args = [name === "caddy" ? "version" : "-v"];
  try {
    const { stdout, stderr } = await new Deno.Command(COMMANDS[name], { args }).output();
    const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    return /[0-9]+(?:\.[0-9]+)+/.exec(said)?.[0] ?? "";
  } catch {
    return null;
  }
}

async function startNginx(site: ProxySite): Promise<Proxy> {
  await using stack = new AsyncDisposableStack();
  const { dir } = stack.use(await makeFolder());
  const [port, plainPort] = [freePort(), freePort()];
  const text = replaced(await read(site, "nginx.conf", "nginx-fleet.conf"), [
    ...substitutions(site),
    ["listen 443", `listen 127.0.0.1:${port}`],
    ["listen 80", `listen 127.0.0.1:${plainPort}`],
  ]);
  await Deno.writeTextFile(join(dir, "site.conf"), text);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${dir}/${name};`).join(" ");
  const config = `daemon off; pid ${dir}/nginx.pid; error_log ${dir}/error.log;
${Deno.uid() === 0 ? "user root;" : ""} events {}
http { access_log off; ${temporary} include ${dir}/site.conf; }`;
  await Deno.writeTextFile(join(dir, "nginx.conf"), config);
  const args = ["-p", dir, "-c", join(dir, "nginx.conf")];
  return await started(stack, COMMANDS.nginx, args, port);
}

async function startCaddy(site: ProxySite): Promise<Proxy> {
  await using stack = new AsyncDisposableStack();
  const { dir } = stack.use(await makeFolder());
  const [port, plainPort] = [freePort(), freePort()];
  const own = `admin off\n\tskip_install_trust\n\thttp_port ${plainPort}\n\thttps_port ${port}\n\t`;
  const text = replaced(await read(site, "Caddyfile", "Caddyfile-fleet"), [
    ...substitutions(site),
    ["servers {", `default_bind 127.0.0.1\n\t${own}servers {`],
  ]);
  await Deno.writeTextFile(join(dir, "Caddyfile"), text);
  const env = { HOME: dir, XDG_DATA_HOME: dir, XDG_CONFIG_HOME: dir };
  const args = ["run", "--config", join(dir, "Caddyfile"), "--adapter", "caddyfile"];
  return await started(stack, COMMANDS.caddy, args, port, env);
}

/** What Debian's service brings is left out: its user, its folders, its log. */
async function startHaproxy(
  { domain, upstreams, certificate, port = freePort(), changes = [] }: ProxySite,
): Promise<Proxy> {
  await using stack = new AsyncDisposableStack();
  const { dir } = stack.use(await makeFolder());
  const pem = certificate && await writePem(dir, certificate);
  const nodes = upstreams.map((address, at) => ({ name: `n${at + 1}`, address }));
  const listen = [`127.0.0.1:${port}`];
  const webDomain = `${pem === null ? "http" : "https"}://${domain}`;
  const text = haproxyConfig(nodes, { webDomain, certificate: pem, listen });
  const path = join(dir, "haproxy.cfg");
  await Deno.writeTextFile(path, replaced(text, [...HAPROXY_SERVICE, ...changes]));
  return await started(stack, COMMANDS.haproxy, ["-db", "-f", path], port);
}

async function writePem(dir: string, { cert, key }: CertificateFiles): Promise<string> {
  const pem = join(dir, "site.pem");
  const parts = await Promise.all([cert, key].map((path) => Deno.readTextFile(path)));
  await Deno.writeTextFile(pem, parts.join(""), { mode: 0o600 });
  return pem;
}

const HAPROXY_SERVICE: readonly [string, string][] = [
  ["  log /dev/log local0 notice\n", ""],
  ["  chroot /var/lib/haproxy\n  user haproxy\n  group haproxy\n", ""],
  ["  stats socket /run/haproxy/admin.sock mode 660 level admin expose-fd listeners\n", ""],
  // For which files would have to be allowed that a test may not have.
  ["  maxconn 32768\n", "  maxconn 1000\n"],
];

function read({ upstreams }: ProxySite, alone: string, fleet: string): Promise<string> {
  return Deno.readTextFile(join(CONFIGURATIONS, upstreams.length === 1 ? alone : fleet));
}

function substitutions(
  { domain, upstreams, certificate, changes = [] }: ProxySite,
): [string, string][] {
  return [
    ["paolo.example", domain],
    ...upstreams.map((upstream, at): [string, string] => [
      upstreams.length === 1 ? "127.0.0.1:8402" : `10.0.0.${at + 1}:8402`,
      upstream,
    ]),
    ["/etc/khachapuri/cert.pem", certificate!.cert],
    ["/etc/khachapuri/key.pem", certificate!.key],
    ...changes,
  ];
}

function replaced(text: string, substitutions: readonly [string, string][]): string {
  for (const [from, to] of substitutions) {
    if (!text.includes(from)) throw new Error(`the configuration has no ${from}`);
    text = text.replaceAll(from, to);
  }
  return text;
}

/** Starts a server that ends with the stack, and waits until it listens. */
async function started(
  stack: AsyncDisposableStack,
  command: string,
  args: string[],
  port: number,
  env: Record<string, string> = {},
): Promise<Proxy> {
  const options = { args, env, stdin: "null", stdout: "null", stderr: "piped" } as const;
  const child = new Deno.Command(command, options).spawn();
  const lines: string[] = [];
  const awaited = new Map<RegExp, (line: string) => void>();
  const heard = childLines(child.stderr, (line) => {
    lines.push(line);
    for (const [form, hear] of awaited) if (form.test(line)) hear(line);
  });
  let hasEnded = false;
  const ended = child.status.then(() => hasEnded = true);
  stack.defer(async () => {
    if (!hasEnded) child.kill("SIGTERM");
    await Promise.all([ended, heard]);
  });
  while (!await isListening(port)) {
    if (hasEnded) throw new Error(`${command} ended: ${lines.join("\n")}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const owned = stack.move();
  return {
    port,
    said: (form) => new Promise((resolve) => awaited.set(form, resolve)),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function isListening(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch {
    return false;
  }
}
