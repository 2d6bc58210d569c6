/** `dev`: serves a program to its developer until it is told to stop. */
import { resolve } from "node:path";
import type { Address } from "viem";
import { createLog, type Log } from "../log.ts";
import { type DevServer, startDevServer } from "../provider/dev/server.ts";
import { usageError } from "./arguments.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { type DevTerminal, jsonTerminal, personsTerminal } from "./dev_terminal.ts";
import { noteLeftOut } from "./left_out_note.ts";
import { localHost } from "./local_host.ts";
import { LOCAL_OPTIONS, localChoices, PROGRAM_OPTIONS } from "./program_flags.ts";
import { withFileFlags } from "./program_file.ts";
import { noteServer } from "./server_note.ts";
import { untilAborted } from "./until_aborted.ts";

const HOSTNAME = "127.0.0.1";
const PORT = 8787;
/** So many ports are tried where none was asked for. */
const PORTS = 10;

export const dev = defineCommand({
  usage: "[flags] DIR",
  details: [
    "Serves the program in DIR at / and every path below it, the way a provider would: in the " +
    "sandbox, over the provider's own HTTP, with the same arguments, environment and limits; no " +
    "chain, no IPFS, nobody pays. When a file in DIR changes, or --env-file, the next request " +
    "gets the new program; requests under way end on the old one. What a provider would refuse " +
    "is each request's answer until it is mended. Flags of deploy that DIR's khachapuri.json " +
    "holds need not be given.",
    "What the program writes to stderr goes to stderr as it comes, with one line for each " +
    "request: when, method, path, status, time, bytes, and what was wrong. With --json the lines " +
    "are JSON, and stdout gets one line: the URL that it listens on. It ends on SIGINT (Ctrl-C) " +
    "or SIGTERM.",
  ],
  examples: [
    "dev samples/hello",
    "dev --env-file .env --listen 127.0.0.1:3000 .",
    "dev --interface http --entrypoint server.js .",
    "dev --payer 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 .",
    "dev --egress api.example.com:443 --connect-to api.example.com:443:127.0.0.1:8443 .",
  ],
  options: {
    ...PROGRAM_OPTIONS,
    ...LOCAL_OPTIONS,
    json: { type: "boolean", description: "print JSON: one line, and a line each on stderr" },
    listen: {
      type: "string",
      value: "HOST:PORT",
      description: `where it listens (default ${HOSTNAME}:${PORT}, or the next free port)`,
    },
    "allow-host": {
      type: "string",
      value: "NAME",
      multiple: true,
      description:
        "a host that requests and web pages may name beside localhost; repeat for several",
    },
  },
  positionals: { min: 1, max: 1 },
  async run(context, { options, positionals }) {
    const { world } = context;
    const place = placeOf(options.listen);
    const payer = await payerOf(options.payer);
    // What is wrong with flags ends it here; what becomes wrong with the file is told and mended.
    const dir = positionals[0]!;
    const first = await withFileFlags(dir, options);
    const { connectTo } = await localChoices(first);
    const stop = world.stopSignal();
    if (!context.out.isJson) {
      await noteServer(context, dir, first);
      await noteLeftOut(context, dir);
    }
    const terminal = terminalOf(context);
    const envFile = first["env-file"];
    const server = await startDevServer({
      ...terminal,
      ...place,
      payer,
      allowedHosts: options["allow-host"],
      host: await localHost(context),
      dir,
      connectTo,
      program: async () => localChoices(await withFileFlags(dir, options)),
      envFile: envFile === undefined ? null : resolve(envFile),
      log: logOf(context),
    });
    await untilStopped(context, server, stop);
  },
});

async function untilStopped(
  { world, out }: CommandContext,
  server: DevServer,
  stop: AbortSignal,
): Promise<void> {
  const { promise: hungUp, resolve: hangUp } = Promise.withResolvers<void>();
  world.onHangUp(hangUp);
  if (out.isJson) out.jsonLine({ url: server.url });
  else out.line(`listening on ${server.url}`);
  try {
    await Promise.race([untilAborted(stop), hungUp, server.unable]);
  } finally {
    await server.stop();
  }
}

function terminalOf({ world, out }: CommandContext): DevTerminal {
  const { stderr } = world;
  if (out.isJson) return jsonTerminal(logTo(stderr, false));
  return personsTerminal((bytes) => stderr.write(bytes), stderr.isTerminal() && !Deno.noColor);
}

/** What the server itself has to say, as of connections that it cannot take. */
function logOf({ world: { stderr }, out }: CommandContext): Log {
  return logTo(stderr, stderr.isTerminal() && !out.isJson);
}

function logTo(stderr: CommandContext["world"]["stderr"], isTerminal: boolean): Log {
  const write = (line: string) => stderr.write(new TextEncoder().encode(line));
  return createLog({ write, isTerminal });
}

/** @throws KhachapuriError `usage` */
function placeOf(text: string | undefined): { hostname: string; ports: number[] } {
  if (text === undefined) {
    return { hostname: HOSTNAME, ports: Array.from({ length: PORTS }, (_, at) => PORT + at) };
  }
  const [, hostname, port] = /^(?:(.*):)?([0-9]{1,5})$/.exec(text) ?? [];
  if (port !== undefined && Number(port) < 65_536 && hostname !== "") {
    return { hostname: hostname ?? HOSTNAME, ports: [Number(port)] };
  }
  throw usageError("dev", `--listen ${text}: not HOST:PORT, as ${HOSTNAME}:${PORT}`);
}

/** @throws KhachapuriError `usage` */
async function payerOf(text: string | undefined): Promise<Address | null> {
  if (text === undefined) return null;
  const { addressShape, parseShape } = await import("../shape.ts");
  return parseShape(addressShape, text, "--payer", "usage");
}
