/** The package's entry: index.d.ts says what it is for. */
export { CreditsScheme } from "./src/credits_scheme.ts";
