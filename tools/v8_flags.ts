/**
 * What V8 is told wherever the program runs: a young generation of one MB, which V8 lets grow to
 * sixteen as a provider starts and never gives back (`deno task bench start`, "idle RSS").
 */
export const V8_FLAGS = "--v8-flags=--max-semi-space-size=1";
