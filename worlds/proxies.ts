/** The proxies that docs/proxies configures, before a provider of a test's own. */
import { join } from "node:path";
import type { CertificateFiles } from "../lib/provider/wire/certificate.ts";
import { freePort } from "./free_port.ts";
import { makeFolder } from "./home.ts";

const CONFIGURATIONS = join(import.meta.dirname!, "../docs/proxies");

export interface Proxy extends AsyncDisposable {
  readonly port: number;
}

/** What the configurations leave to the reader. */
export interface ProxySite {
  readonly domain: string;
  /** host:port of the provider. */
  readonly upstream: string;
  readonly certificate: CertificateFiles;
}

const COMMANDS = { nginx: "/usr/sbin/nginx", caddy: "/usr/bin/caddy" } as const;

export type ProxyName = keyof typeof COMMANDS;

export function startProxy(name: ProxyName, site: ProxySite): Promise<Proxy> {
  return name === "nginx" ? startNginx(site) : startCaddy(site);
}

/** The version that is installed, e.g. "2.6.2"; null when there is none. */
export async function proxyVersion(name: ProxyName): Promise<string | null> {
  const args = [name === "nginx" ? "-v" : "version"];
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
  const text = replaced(await Deno.readTextFile(join(CONFIGURATIONS, "nginx.conf")), [
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
  await start(stack, COMMANDS.nginx, ["-p", dir, "-c", join(dir, "nginx.conf")], port);
  return owned(stack, port);
}

async function startCaddy(site: ProxySite): Promise<Proxy> {
  await using stack = new AsyncDisposableStack();
  const { dir } = stack.use(await makeFolder());
  const [port, plainPort] = [freePort(), freePort()];
  const own = `admin off\n\tskip_install_trust\n\thttp_port ${plainPort}\n\thttps_port ${port}\n\t`;
  const text = replaced(await Deno.readTextFile(join(CONFIGURATIONS, "Caddyfile")), [
    ...substitutions(site),
    ["servers {", `default_bind 127.0.0.1\n\t${own}servers {`],
  ]);
  await Deno.writeTextFile(join(dir, "Caddyfile"), text);
  const env = { HOME: dir, XDG_DATA_HOME: dir, XDG_CONFIG_HOME: dir };
  const args = ["run", "--config", join(dir, "Caddyfile"), "--adapter", "caddyfile"];
  await start(stack, COMMANDS.caddy, args, port, env);
  return owned(stack, port);
}

function substitutions({ domain, upstream, certificate }: ProxySite): [string, string][] {
  return [
    ["paolo.example", domain],
    ["127.0.0.1:8402", upstream],
    ["/etc/khachapuri/cert.pem", certificate.cert],
    ["/etc/khachapuri/key.pem", certificate.key],
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
async function start(
  stack: AsyncDisposableStack,
  command: string,
  args: string[],
  port: number,
  env: Record<string, string> = {},
): Promise<void> {
  const options = { args, env, stdin: "null", stdout: "null", stderr: "piped" } as const;
  const child = new Deno.Command(command, options).spawn();
  const complaints = new Response(child.stderr).text();
  let hasEnded = false;
  const ended = child.status.then(() => hasEnded = true);
  stack.defer(async () => {
    if (!hasEnded) child.kill("SIGTERM");
    await Promise.all([ended, complaints]);
  });
  while (!await isListening(port)) {
    if (hasEnded) throw new Error(`${command} ended: ${await complaints}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function isListening(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch {
    return false;
  }
}

function owned(stack: AsyncDisposableStack, port: number): Proxy {
  const kept = stack.move();
  return { port, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}
