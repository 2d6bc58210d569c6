/** `deno task bench NAME [--json]`: one of the benchmarks beside this file. */
const NAMES = ["payments", "ipfs", "sandbox"];

const name = Deno.args[0] ?? "";
if (!NAMES.includes(name)) {
  const usage = `usage: deno task bench ${NAMES.join("|")} [--json]\n`;
  Deno.stderr.writeSync(new TextEncoder().encode(usage));
  Deno.exit(2);
}
await import(new URL(`./${name}.ts`, import.meta.url).href);
