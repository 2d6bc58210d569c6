/**
 * The program that discovery_test.ts asks: x402's bazaar extension as its own package declares and
 * validates it, a validator of OpenAPI, and the reader of `/openapi.json` that agents have. It
 * takes the folder of its packages, which are no imports of this project and so have no types here,
 * and a question on stdin.
 */
import { join } from "node:path";

const packages = join(Deno.args[0]!, "node_modules");
const load = async (path: string) => await import(join(packages, path));

const bazaar = await load("@x402/extensions/dist/esm/bazaar/index.mjs");
const { Validator } = await load("@seriousme/openapi-schema-validator/index.js");
const agents = await load("@agentcash/discovery/dist/index.js");

const { declared = [], extensions = [], openapi = null, origin = null } = await new Response(
  Deno.stdin.readable,
).json();

const answer = {
  declared: declared.map(({ config, method }: { config: unknown; method: string }) => {
    const { bazaar: extension } = bazaar.declareDiscoveryExtension(config);
    const request = { method, adapter: { getPath: () => "/" } };
    return bazaar.bazaarResourceServerExtension.enrichDeclaration(extension, request);
  }),
  validated: extensions.map((extension: unknown) => [
    bazaar.validateDiscoveryExtension(extension),
    bazaar.validateDiscoveryExtensionSpec(extension),
  ]),
  openapi: openapi && await new Validator().validate(openapi),
  discovered: origin && await agents.discoverOriginSchema({ target: origin }),
};
// deno-lint-ignore no-console -- the answer
console.log(JSON.stringify(answer));
