/** How one process goes on in another's stead: it asks, the other gives way, it tells. */
import { join } from "node:path";
import { type Config, requireProvider, resolveFromHome } from "../../config.ts";
import { connectControl } from "../control/control_client.ts";
import type { Control } from "../control/control_server.ts";
import { groundOf, preflight } from "./preflight.ts";

/** Looks at everything, then has the one that serves give way. */
export async function takeOver(config: Config): Promise<{ serving(): Promise<void> }> {
  const provider = requireProvider(config);
  const keysPath = resolveFromHome(config, provider.keyFile);
  groundOf(await preflight({ config, keysPath }));
  const book = join(resolveFromHome(config, provider.stateDir), "book");
  const lines = await connectControl(book);
  if (lines === null) return { serving: () => Promise.resolve() };
  await lines.send({ verb: "take-over", body: null });
  await lines.next();
  return {
    async serving() {
      await lines.send("serving");
      lines.close();
    },
  };
}

/** Gives way to whoever asks. Resolves once that one serves. */
export function giveWay(control: Control, stop: () => Promise<void>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  control.on("take-over", async (_body, lines) => {
    await stop();
    await lines.send("yours");
    await lines.next();
    resolve();
  });
  return promise;
}
