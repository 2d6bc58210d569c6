/** `deno task bench NAME [--json]`: one of the benchmarks beside this file. */
import { PEERS, requireAll, WIRE_LOAD } from "../tools/requirements.ts";

const NAMES = [
  "payments",
  "ipfs",
  "sandbox",
  "growth",
  "growth money",
  "storms",
  "sizes",
  "eviction",
  "fleet",
  "hot",
  "attacks",
  "wire",
  "egress",
  "http",
  "deploy",
  "start",
  "admission",
];

const flagsAt = Deno.args.findIndex((argument) => argument.startsWith("-"));
const name = Deno.args.slice(0, flagsAt < 0 ? Deno.args.length : flagsAt).join(" ");
if (!NAMES.includes(name)) {
  const usage = `usage: deno task bench ${NAMES.join("|")} [--json]\n`;
  Deno.stderr.writeSync(new TextEncoder().encode(usage));
  Deno.exit(2);
}
if (["sandbox", "growth", "hot", "http"].includes(name)) {
  await requireAll(`bench ${name}`, PEERS);
}
if (["wire", "growth", "admission", "sizes", "fleet"].includes(name)) {
  await requireAll(`bench ${name}`, WIRE_LOAD);
}
await import(new URL(`./${name.replace(" ", "_")}.ts`, import.meta.url).href);
