/** `deno task bench NAME [--json]`: one of the benchmarks beside this file. */
const NAMES = ["payments", "ipfs", "sandbox", "growth money", "attacks"];

const name = Deno.args.filter((argument) => !argument.startsWith("-")).join(" ");
if (!NAMES.includes(name)) {
  const usage = `usage: deno task bench ${NAMES.join("|")} [--json]\n`;
  Deno.stderr.writeSync(new TextEncoder().encode(usage));
  Deno.exit(2);
}
await import(new URL(`./${name.replace(" ", "_")}.ts`, import.meta.url).href);
