/** What no program of an interface can do, refused before it costs anything. */
import { KhachapuriError } from "../../errors.ts";
import type { Spec } from "../../spec/schema.ts";
import type { HttpRequest } from "../http/request.ts";

/** Not gRPC-Web, which is made for HTTP/1.1. */
const GRPC = /^application\/grpc(?![^+;\s])/i;

/** @throws KhachapuriError `not_implemented` */
export function assertServed(
  { upgrade, fields }: Pick<HttpRequest, "upgrade" | "fields">,
  style: Spec["interface"],
): void {
  if (upgrade !== null && style !== "http") {
    const why = `a program with interface "${style}" cannot take a WebSocket`;
    throw new KhachapuriError("not_implemented", why, {
      hints: ['one with interface "http" can, which is a server'],
    });
  }
  if (style === "http" && GRPC.test(fields.get("content-type") ?? "")) {
    const why = "gRPC needs HTTP/2 all the way, and programs are spoken to in HTTP/1.1";
    throw new KhachapuriError("not_implemented", why, {
      hints: ["gRPC-Web and Connect do without"],
    });
  }
}
