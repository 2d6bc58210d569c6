import assert from "node:assert/strict";
import { join } from "node:path";
import { connectControl } from "./control_client.ts";
import { controlPath, placeForControl } from "./control_path.ts";

Deno.test("the socket lies among the books", async () => {
  const book = await Deno.makeTempDir({ dir: "/tmp" });
  assert.equal(await placeForControl(book), join(book, "control.sock"));
  assert.equal(await controlPath(book), join(book, "control.sock"));
  await Deno.remove(book, { recursive: true });
});

Deno.test("where their path is too long for a socket, a note says where it lies", async () => {
  const root = await Deno.makeTempDir({ dir: "/tmp" });
  const book = join(root, "a".repeat(100));
  await Deno.mkdir(book);
  assert.equal(await controlPath(book), null, "nobody listens there");
  assert.equal(await connectControl(book), null);
  const place = await placeForControl(book);
  assert(place.length < 100, place);
  assert.equal(await controlPath(book), place);
  await Deno.remove(root, { recursive: true });
  await Deno.remove(join(place, ".."), { recursive: true });
});
