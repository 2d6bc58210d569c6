/** A request as an interface gives it to a program. */
import type { ProgramRequest } from "../../lib/provider/program/interface/interface.ts";

export type RequestFields = Partial<Omit<ProgramRequest, "headers">> & {
  headers?: Readonly<Record<string, string>> | ProgramRequest["headers"];
};

/** A plain GET, but for these fields. */
export function programRequest({ headers = [], ...fields }: RequestFields = {}): ProgramRequest {
  return {
    method: "GET",
    protocol: "HTTP/1.1",
    base: new URL("https://provider.example"),
    mount: "/bafkcid",
    path: "/",
    query: null,
    hasBody: false,
    bodyBytes: null,
    remoteAddress: "192.0.2.7",
    upgrade: null,
    payer: null,
    ...fields,
    headers: isList(headers) ? headers : Object.entries(headers),
  };
}

function isList(headers: RequestFields["headers"]): headers is ProgramRequest["headers"] {
  return Array.isArray(headers);
}
