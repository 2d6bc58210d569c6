import assert from "node:assert/strict";
import { join } from "node:path";
import { KhachapuriError } from "../../errors.ts";
import { askControl, connectControl } from "./control_client.ts";
import { openControl } from "./control_server.ts";

async function withBook(use: (book: string) => Promise<void>): Promise<void> {
  const book = await Deno.makeTempDir({ dir: "/tmp" });
  await use(book).finally(() => Deno.remove(book, { recursive: true }));
}

Deno.test("what a command asks is done and answered, progress first", () =>
  withBook(async (book) => {
    const control = await openControl(join(book, "control.sock"));
    control.on("double", async (body, lines) => {
      await lines.send({ progress: "counting" });
      return Number(body) * 2;
    });
    const progress: string[] = [];
    const answer = await askControl(book, "double", 21, (line) => progress.push(line));
    assert.deepEqual(answer, { done: 42 });
    assert.deepEqual(progress, ["counting"]);
    await control.close();
    assert.equal(await askControl(book, "double", 1), null, "nobody runs");
  }));

Deno.test("what a handler refuses the command fails with", () =>
  withBook(async (book) => {
    const control = await openControl(join(book, "control.sock"));
    control.on("refuse", () => {
      throw new KhachapuriError("invalid_config", "no price", { hints: ["name one"] });
    });
    await assert.rejects(askControl(book, "refuse"), {
      code: "invalid_config",
      shortMessage: "no price",
      hints: ["name one"],
    });
    await assert.rejects(askControl(book, "dance"), { code: "not_implemented" });
    const lines = await connectControl(book);
    await lines!.send(["no verb"]);
    assert.match(JSON.stringify(await lines!.next()), /invalid_input/);
    lines!.close();
    await control.close();
  }));

Deno.test("only its own user may open the socket, and a stale one is replaced", () =>
  withBook(async (book) => {
    const path = join(book, "control.sock");
    Deno.listen({ transport: "unix", path }).close();
    await Deno.writeTextFile(path, "").catch(() => {});
    const control = await openControl(path);
    assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
    assert.notEqual(await connectControl(book).then((lines) => lines?.close() ?? "open"), null);
    await control.close();
    await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
  }));
