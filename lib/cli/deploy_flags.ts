/** The flags of `deploy`, and the spec that they choose. */
import { KhachapuriError } from "../errors.ts";
import { requestsAtOnce, serverToJson } from "../spec/server.ts";
import { PUBLIC_OPTIONS, publicChoices, type PublicFlags } from "./public_flags.ts";
import { PUBLISHING_OPTIONS } from "./publishing_flags.ts";
import { PROGRAM_OPTIONS, programChoices, wholeNumber } from "./program_flags.ts";

/** Of a program that is started for each call. */
const RUNS_AT_ONCE_DEFAULT = 8;

export const OPTIONS = {
  provider: {
    type: "string",
    value: "NAME",
    multiple: true,
    description: "ENS name of a provider; repeat for several",
  },
  name: {
    type: "string",
    value: "NAME",
    description: "a URL that stays: blog at the provider, blog.eth, or www.example.com",
  },
  ...PROGRAM_OPTIONS,
  private: { type: "boolean", description: "encrypt the program, too" },
  "allow-secret": {
    type: "string",
    value: "PATH",
    multiple: true,
    description: "publish this file though it looks secret; repeat for several",
  },
  access: {
    type: "string",
    value: "WHO",
    choices: ["public", "payer"],
    description: "public (default: you pay for callers who bring no permit) or payer",
  },
  ...PUBLIC_OPTIONS,
  concurrency: {
    type: "string",
    value: "N",
    description: "calls at the same time (default 8; of a server what its instances take, to 64)",
  },
  "owner-credits-per-minute": {
    type: "string",
    value: "N",
    description: "most that strangers can make you pay for in a minute (default 600)",
  },
  "max-price": {
    type: "string",
    value: "USDC",
    description: "most that your permit allows a credit to cost (default: today's price)",
  },
  "accept-terms": { type: "boolean", description: "agree to the providers' terms unasked" },
  ...PUBLISHING_OPTIONS,
  "no-push": { type: "boolean", description: "publish elsewhere only, not to the providers" },
  out: {
    type: "string",
    value: "DIR",
    description: "write CAR files there; publish only where other flags say",
  },
  "no-dry-run": { type: "boolean", description: "don't have the providers rehearse it" },
} as const;

/** Those that choose the spec. */
type SpecFlags = Parameters<typeof programChoices>[0] & PublicFlags & {
  access: string | undefined;
  concurrency: string | undefined;
  "owner-credits-per-minute": string | undefined;
};

/** @throws KhachapuriError `usage` */
export async function specChoices(options: SpecFlags) {
  const { timeoutMs, memoryMb, credits, server, ...choices } = await programChoices(options);
  const access = options.access ?? "public";
  if (access !== "public" && access !== "payer") {
    throw new KhachapuriError("usage", `--access is public or payer, not ${access}`);
  }
  const perMinute = "owner-credits-per-minute";
  const atOnce = server === undefined ? RUNS_AT_ONCE_DEFAULT : requestsAtOnce(server);
  return {
    ...choices,
    ...(server ? { server: serverToJson(server) } : {}),
    access: access as "public" | "payer",
    ...await publicChoices(options),
    limits: {
      timeoutMs,
      memoryMb,
      concurrency: wholeNumber("--concurrency", options.concurrency, atOnce),
      ownerCreditsPerMinute: wholeNumber(`--${perMinute}`, options[perMinute], 600),
      // Said only where it is more: older providers take ordinary specs as before.
      ...(credits === 1 ? {} : { credits }),
    },
  };
}
