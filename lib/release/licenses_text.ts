/**
 * The licences of all that is in a build, as lib/release/licenses.ts has them in JSON. Empty: the
 * packaged file has them beside its bundle instead, and from source they lie in node_modules. A
 * compiled binary has another module in this one's place (tools/compile.ts).
 */
export const LICENSES_JSON: string = "";
