/**
 * What a provider has around it: a name server, a CA, a chain, an IPFS node, and people with a
 * command line each. All of it runs on the host, in a network of its own, in which ports 80 and 443
 * are the machine's and nothing leads out.
 */
import { join } from "node:path";
import { type Knot, startKnot } from "../../worlds/acme/knot.ts";
import { type Pebble, startPebble } from "../../worlds/acme/pebble.ts";
import { type LocalWorld, NAME, startLocalWorld } from "../../worlds/local_world.ts";
import { makeFolder } from "../../worlds/home.ts";
import { HOST } from "./install_machine.ts";

const ZONE = "test";
export const DOMAIN = `provider.${ZONE}`;
/** pebble's own certificate is for this name. */
const CA_NAME = `pebble.${ZONE}`;
const RECORDS = ["provider A 127.0.0.1", "*.provider A 127.0.0.1", `pebble A ${HOST}`];
/** Set in the process that has the network of its own. */
const INSIDE = "KHACHAPURI_VM_NETWORK";
const NAME_SERVER_PORT = 53;

/** Runs this program once more in a network of its own, and ends with it; there, it returns. */
export async function enterOwnNetwork(): Promise<void> {
  if (Deno.env.has(INSIDE)) return;
  const { dir } = await makeFolder();
  const resolver = join(dir, "resolv.conf");
  await Deno.writeTextFile(resolver, "nameserver 127.0.0.1\n");
  const script = `mount --bind '${resolver}' /etc/resolv.conf; ip link set lo up; exec "$@"`;
  const allowed = ["read", "write", "net", "env", "run", "sys"].map((what) => `--allow-${what}`);
  const flags = ["--quiet", "--frozen", "--no-prompt", "--no-check", ...allowed];
  const { code } = await new Deno.Command("unshare", {
    args: [
      ...["--net", "--mount", "--propagation", "private", "sh", "-euc", script, "sh"],
      ...[Deno.execPath(), "run", ...flags, Deno.mainModule, ...Deno.args],
    ],
    env: { [INSIDE]: "1" },
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn().status;
  await Deno.remove(dir, { recursive: true });
  Deno.exit(code);
}

export interface World extends LocalWorld {
  readonly knot: Knot;
  readonly pebble: Pebble;
  /** PEM of the root under which pebble's certificates are trusted: a file. */
  readonly rootFile: string;
  /** What `up` is told, in a file. */
  readonly answersFile: string;
  readonly termsFile: string;
  /** Under which pebble itself is trusted, as a file for the machine. */
  readonly caFile: string;
}

export async function startWorld(): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const knot = stack.use(await startKnot(ZONE, RECORDS, NAME_SERVER_PORT));
  const pebble = stack.use(
    await startPebble({ dns: knot.server, proofs: { http: 80, tls: 443 } }),
  );
  const { dir } = stack.use(await makeFolder());
  const file = async (name: string, text: string) => {
    await Deno.writeTextFile(join(dir, name), text);
    return join(dir, name);
  };
  const rootFile = await file("root.pem", await pebble.root());
  // Everybody's command line trusts it from here on.
  Deno.env.set("DENO_CERT", rootFile);
  const local = stack.use(await startLocalWorld());
  await local.ask("root", "assign", NAME, local.addresses.provider);
  await local.ask("developer", "deposit", "20");
  const answersFile = await file("answers.json", JSON.stringify(answersFor(local, pebble)));
  const caFile = await file("ca.pem", await Deno.readTextFile(pebble.caFile));
  const termsFile = await file("terms.txt", "Be kind.\n");
  const owned = stack.move();
  const files = { rootFile, answersFile, termsFile, caFile };
  const dispose = { [Symbol.asyncDispose]: () => owned.disposeAsync() };
  return { ...local, knot, pebble, ...files, ...dispose };
}

/** How the machine reaches what listens at a URL of the host's loopback. */
export function fromMachine(url: string): string {
  return url.replace(/^http:\/\/(?:127\.0\.0\.1|localhost)/, `http://${HOST}`);
}

/** The answers' file, as whoever sets up many servers would have it. */
function answersFor({ addresses, rpc, gateway, escrow, registry }: LocalWorld, pebble: Pebble) {
  return {
    name: NAME,
    domain: DOMAIN,
    price: "0.001",
    address: addresses.provider,
    rpc: [fromMachine(rpc)],
    gateways: [fromMachine(gateway.url)],
    escrow,
    registry,
    agreeToCa: true,
    email: "paolo@paolo.example",
    acme: {
      directory: pebble.directory.replace("127.0.0.1", CA_NAME),
      caFile: "/etc/ssl/pebble.pem",
    },
  };
}
