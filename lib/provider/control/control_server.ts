/**
 * What a running provider does for commands of its own machine (`reload`, `backup`, …): each is a
 * verb with a handler. Whoever can open the socket is the provider's own user, or root.
 */
import { asKhachapuriError, KhachapuriError } from "../../errors.ts";
import { type LineConnection, linesOver } from "./lines.ts";

/**
 * Does what a command asks.
 * @param body what it said; to be parsed
 * @param lines for more than one answer, or a talk
 * @returns what is answered last
 * @throws KhachapuriError which is what the command then fails with
 */
export type ControlHandler = (body: unknown, lines: LineConnection) => Promise<unknown>;

export interface Control {
  readonly path: string;
  /** Has a verb handled; one that nobody handles is refused by name. */
  on(verb: string, handler: ControlHandler): void;
  /** No new commands; the socket is gone when it resolves, unless it is another provider's. */
  close(): Promise<void>;
}

/**
 * Listens at `path`, in the place of whatever was there: its owner holds the books' lock. Whoever
 * asks at that moment reaches the one before or this one.
 */
export async function openControl(path: string): Promise<Control> {
  const fresh = `${path}.new`;
  await Deno.remove(fresh).catch(ignoreMissing);
  const listener = Deno.listen({ transport: "unix", path: fresh });
  await Deno.chmod(fresh, 0o600);
  const { ino } = await Deno.stat(fresh);
  await Deno.rename(fresh, path);
  const handlers = new Map<string, ControlHandler>();
  const accepting = (async () => {
    for await (const connection of listener) void attend(connection, handlers);
  })();
  return {
    path,
    on: (verb, handler) => void handlers.set(verb, handler),
    async close() {
      listener.close();
      await accepting;
      // Another provider may have taken the place meanwhile.
      const isOurs = await Deno.stat(path).then((found) => found.ino === ino, () => false);
      if (isOurs) await Deno.remove(path).catch(ignoreMissing);
    },
  };
}

async function attend(
  connection: Deno.Conn,
  handlers: ReadonlyMap<string, ControlHandler>,
): Promise<void> {
  const lines = linesOver(connection);
  try {
    await lines.send(await answer(lines, handlers));
  } catch {
    // Whoever asked is gone, and is told nothing.
  } finally {
    lines.close();
  }
}

async function answer(lines: LineConnection, handlers: ReadonlyMap<string, ControlHandler>) {
  try {
    const { verb, body } = asked(await lines.next());
    const handler = handlers.get(verb);
    if (handler) return { done: await handler(body, lines) ?? null };
    throw new KhachapuriError("not_implemented", `the provider that runs knows no ${verb}`, {
      hints: ["it may be of an earlier release: have it start anew"],
    });
  } catch (thrown) {
    const { code, shortMessage, hints } = asKhachapuriError(thrown);
    return { failed: { code, message: shortMessage, hints } };
  }
}

function asked(value: unknown): { verb: string; body: unknown } {
  const { verb, body } = Object(value) as { verb?: unknown; body?: unknown };
  if (typeof verb === "string") return { verb, body };
  throw new KhachapuriError("invalid_input", "a command of this socket is {verb, body}");
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
