/** `reload`: has the running provider do what its files say now, without dropping a call. */
import { join } from "node:path";
import * as v from "valibot";
import { readConfig, requireProvider, resolveFromHome } from "../config.ts";
import { KhachapuriError } from "../errors.ts";
import { askControl } from "../provider/control/control_client.ts";
import { parseShape } from "../shape.ts";
import { defineCommand } from "./command.ts";

export const reload = defineCommand({
  usage: "[--force]",
  details: [
    "Has the provider of this machine do what config.json, the terms and the key file say now, " +
    "and run the program's file as it is now. Certificates are read anew in place; for all else a " +
    "successor is started, which looks at everything as serve does and then takes over: no call " +
    "is dropped, and running ones end where they began.",
    "What is wrong is refused as serve would, and the provider goes on as it was. Where nothing " +
    "has changed nothing is done. `systemctl reload khachapuri` and SIGHUP do the same.",
  ],
  examples: ["reload", "reload --home /var/lib/khachapuri"],
  options: {
    force: { type: "boolean", description: "start anew though nothing has changed" },
  },
  positionals: { min: 0, max: 0 },
  async run({ home, out }, { options }) {
    const done = await askReload(await bookIn(home), options.force, (line) => out.note(line));
    if (done === null) {
      throw new KhachapuriError("provider_unavailable", "no provider runs with this home", {
        hints: [`start it: khachapuri serve --home ${home}`, "systemctl start khachapuri"],
      });
    }
    out.result(done, [TOLD[done.outcome]]);
  },
});

const TOLD = {
  unchanged: "nothing has changed, and nothing was done",
  certificate: "the certificate was read anew",
  succeeded: "reloaded: a successor serves",
} as const;

const reloadedShape = v.object({
  outcome: v.picklist(["unchanged", "certificate", "succeeded"]),
  pid: v.exactOptional(v.number()),
  changes: v.exactOptional(v.array(v.string())),
});

export type ReloadDone = v.InferOutput<typeof reloadedShape>;

/** The folder of the books of the provider with this home. @throws KhachapuriError */
export async function bookIn(home: string): Promise<string> {
  const config = await readConfig(home);
  return join(resolveFromHome(config, requireProvider(config).stateDir), "book");
}

/**
 * @returns null when no provider runs there
 * @throws KhachapuriError what it is refused with
 */
export async function askReload(
  book: string,
  isForced: boolean,
  onProgress: (line: string) => void,
): Promise<ReloadDone | null> {
  const answer = await askControl(book, "reload", { isForced }, onProgress).catch(asRefused);
  if (answer === null) return null;
  return parseShape(reloadedShape, answer.done, "the provider's answer", "provider_unavailable");
}

/** The socket is its owner's, and root's. */
function asRefused(error: unknown): never {
  if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
  throw new KhachapuriError("access_denied", "only the provider's own user may ask it to reload", {
    hints: ["as root: systemctl reload khachapuri", "runuser -u khachapuri -- khachapuri reload …"],
    cause: error,
  });
}
