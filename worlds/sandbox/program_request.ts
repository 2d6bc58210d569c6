/** A request as an interface gives it to a program. */
import type { ProgramRequest } from "../../lib/provider/program/interface/interface.ts";

export type RequestFields = Partial<Omit<ProgramRequest, "headers">> & { headers?: HeadersInit };

/** A plain GET, but for these fields. */
export function programRequest({ headers, ...fields }: RequestFields = {}): ProgramRequest {
  return {
    method: "GET",
    base: new URL("https://provider.example"),
    mount: "/bafkcid",
    path: "/",
    query: "",
    hasBody: false,
    remoteAddress: "192.0.2.7",
    ...fields,
    headers: [...new Headers(headers)],
  };
}
