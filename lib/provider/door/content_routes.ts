/** Paths of content that is kept here, for whoever asks. */
import { KhachapuriError } from "../../errors.ts";
import type { Answer, HttpRequest } from "../http/request.ts";
import type { RouteParts } from "./parts.ts";

/** A block, or a CAR of what a path leads to; a provider that gives none out has none. */
export async function content({ content }: RouteParts, request: HttpRequest): Promise<Answer> {
  if (content.gateway !== null) return await content.gateway.answer(request);
  throw new KhachapuriError("not_found", "this provider gives out no content");
}
