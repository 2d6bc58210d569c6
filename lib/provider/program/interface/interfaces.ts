/** The interfaces that a spec may name. */
import type { Spec } from "../../../spec/schema.ts";
import { cgi } from "./cgi.ts";
import { curl } from "./curl.ts";
import { http } from "./http.ts";
import type { ProgramInterface } from "./interface.ts";

const INTERFACES: Readonly<Record<Spec["interface"], ProgramInterface>> = {
  curl,
  cgi,
  http,
};

export function interfaceOf(name: Spec["interface"]): ProgramInterface {
  return INTERFACES[name];
}
