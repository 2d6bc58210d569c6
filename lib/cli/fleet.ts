/** `fleet`: how the nodes of a provider that has several are, and what stands before them. */
import { resolve } from "node:path";
import { type ProviderConfig, requireProvider } from "../config.ts";
import { databaseAddressIn } from "../config_fleet.ts";
import { KhachapuriError } from "../errors.ts";
import { openSink } from "../files.ts";
import { describeAddress } from "../postgres_address.ts";
import { Findings } from "../provider/door/findings.ts";
import { lookAtFleet, toDo } from "../provider/door/fleet_look.ts";
import { haproxyConfig, parseNode } from "../provider/fleet/haproxy.ts";
import { usageError } from "./arguments.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { assertNoneBad, findingJson, findingLines } from "./doctor.ts";
import { fleetLines } from "./fleet_lines.ts";

export const fleet = defineCommand({
  usage:
    "| haproxy --node NAME=HOST:PORT… [--certificate PEM] [--listen HOST:PORT] [--output FILE]",
  details: [
    "Tells how the fleet is that this machine is a node of, as its database knows it: the nodes " +
    "that live with their load and what they hold, the leader, what is due, PostgreSQL and its " +
    "replicas. Below stands what is to be done, as doctor says it; the exit code is that of the " +
    "first failure. No node has to be up for it.",
    "HELD are credits in the database's rows, AHEAD those of them for calls to come; BEAT is when " +
    "a node was heard of last, CHAIN how old its view of the chain is, BEHIND how many changes of " +
    "what nodes share it has not read.",
    "haproxy prints the whole configuration of the HAProxy (2.6 and later) before the nodes of a " +
    "fleet, for the domain in config.json: a deployment's calls go to one node, and to the next " +
    "while that one has twice its share; one that ends gets no new calls; a call is sent again " +
    "only when none of it was sent. docs/fleet.md says how to use it.",
    "NAME is a node's own for good: its place among the others follows from it. HOST:PORT is its " +
    "provider.listen, where it is reached in the clear.",
  ],
  examples: [
    "fleet",
    "fleet --json",
    "fleet haproxy --node n1=10.0.0.1:8402 --node n2=10.0.0.2:8402 --certificate " +
    "/etc/haproxy/paolo.example.pem --output /etc/haproxy/haproxy.cfg",
  ],
  options: {
    node: {
      type: "string",
      value: "NAME=HOST:PORT",
      multiple: true,
      description: "a node; repeat for several",
    },
    certificate: {
      type: "string",
      value: "PEM",
      description: "path of certificate, chain and key in one file (default: without TLS)",
    },
    listen: {
      type: "string",
      value: "HOST:PORT",
      multiple: true,
      description: "where callers come in; repeat for several (default: *:443 and *:80)",
    },
    output: { type: "string", value: "FILE", description: "write it there" },
  },
  choices: ["haproxy"],
  positionals: { min: 0, max: 1 },
  async run(context, { positionals, options }) {
    const [action] = positionals;
    if (action === undefined) return await tellFleet(context, options);
    if (action !== "haproxy") throw usageError("fleet", `"${action}" is no action of it`);
    await writeHaproxy(context, options);
  },
});

async function tellFleet(context: CommandContext, flags: HaproxyFlags): Promise<void> {
  const given = Object.entries(flags).find(([, value]) => value !== undefined && value.length > 0);
  if (given) throw usageError("fleet", `--${given[0]} is of: fleet haproxy`);
  const { out, world } = context;
  const config = await context.config();
  const provider = requireProvider(config);
  const address = databaseAddressIn(config.home, postgresOf(provider));
  out.progress("looking");
  const findings = new Findings();
  const { price } = provider;
  const seen = await lookAtFleet({ address, passfile: world.env("PGPASSFILE"), price }, findings);
  if (seen === null) throw findings.all[0]!.error!;
  const wanting = toDo(findings.all);
  const name = describeAddress(address);
  out.result({ database: name, ...seen, findings: findings.all.map(findingJson) }, [
    ...fleetLines(seen, name, Date.now()),
    ...(wanting.length === 0 ? [] : ["", ...wanting.flatMap(findingLines)]),
  ]);
  assertNoneBad(findings.all);
}

/** @throws KhachapuriError `invalid_config` for a provider that is one machine */
function postgresOf({ ledger: { postgres } }: ProviderConfig): string {
  if (postgres !== undefined) return postgres;
  throw new KhachapuriError("invalid_config", "this provider is one machine, and no fleet", {
    hints: ["provider.ledger.postgres and provider.fleet in config.json: docs/fleet.md"],
  });
}

interface HaproxyFlags {
  readonly node: readonly string[];
  readonly certificate: string | undefined;
  readonly listen: readonly string[];
  readonly output: string | undefined;
}

async function writeHaproxy(
  context: CommandContext,
  { node, certificate, listen, output }: HaproxyFlags,
): Promise<void> {
  const { out } = context;
  if (node.length === 0) throw usageError("fleet", "--node NAME=HOST:PORT is missing");
  const provider = requireProvider(await context.config());
  assertBehindProxy(provider);
  const nodes = node.map(parseNode);
  const config = haproxyConfig(nodes, {
    webDomain: provider.webDomain,
    certificate: certificate === undefined ? null : resolve(certificate),
    ...(listen.length === 0 ? {} : { listen }),
  });
  if (output === undefined) out.result({ nodes, config }, [config.trimEnd()]);
  else {
    await using file = await openSink(output);
    await file.write(new TextEncoder().encode(config));
    out.result({ nodes, file: output }, [`haproxy   ${output}, ${nodes.length} nodes`]);
  }
  if (provider.trustedProxies.isEmpty) {
    out.note("name HAProxy's address in provider.trustedProxies: who called is not believed else");
  }
  if (provider.drainSeconds === 0) {
    out.note("set provider.drainSeconds to 5: a node that stops at once drops what is on its way");
  }
}

/** @throws KhachapuriError `invalid_config` for nodes that would speak TLS to their proxy */
function assertBehindProxy({ tls, acme }: ProviderConfig): void {
  if (!tls && !acme) return;
  const field = tls ? "tls" : "acme";
  throw new KhachapuriError("invalid_config", `provider.${field} has nodes speak TLS themselves`, {
    hints: [
      "HAProxy does, for all of them, and reaches them in the clear: take it out of config.json",
    ],
  });
}
