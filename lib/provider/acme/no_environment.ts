/**
 * Before modules that list the environment as they load, which we may not: `debug` does, behind
 * acme-client. They find none; `giveBack` once they are loaded. Modules load one after the other
 * and in one go, so that nobody else meets it.
 */
import process from "node:process";

const environment = process.env;
process.env = {};

/** To be called when they are loaded. */
export function giveBack(): void {
  process.env = environment;
}
