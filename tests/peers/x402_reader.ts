/**
 * The program that x402_test.ts starts: reads what stdin holds, by name, as clients of x402 do, and
 * prints what each does not take; nothing where all is taken. It takes the folder of its packages,
 * which are no imports of this project and so have no types here.
 */
import { join } from "node:path";

const core = join(Deno.args[0]!, "node_modules/@x402/core/dist/esm");
const { validatePaymentRequired } = await import(join(core, "schemas/index.mjs"));
const { x402HTTPClient } = await import(join(core, "client/index.mjs"));

interface Told {
  readonly header: string | null;
  readonly body: unknown;
}

const answers: Record<string, Told> = await new Response(Deno.stdin.readable).json();
const complaints: Record<string, string> = {};

for (const [name, { header, body }] of Object.entries(answers)) {
  try {
    // What @x402/fetch and @x402/axios ask it for.
    const client = new x402HTTPClient({});
    const read = client.getPaymentRequiredResponse(() => header ?? undefined, body);
    validatePaymentRequired(read);
  } catch (error) {
    complaints[name] = String(error);
  }
}
// deno-lint-ignore no-console
console.log(JSON.stringify(complaints));
