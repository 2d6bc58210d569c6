import assert from "node:assert/strict";
import { join } from "node:path";
import { inFolder } from "../../worlds/home.ts";
import { readToken } from "./token_file.ts";

Deno.test("a token is read without its line's end, from a file that is its user's alone", () =>
  inFolder(async (dir) => {
    const path = join(dir, "token");
    await assert.rejects(readToken(path), { code: "not_found" });
    await Deno.writeTextFile(path, "s3cret\n", { mode: 0o600 });
    assert.equal(await readToken(path), "s3cret");
    await Deno.chmod(path, 0o640);
    await assert.rejects(readToken(path), { code: "insecure_key_file" });
    await Deno.chmod(path, 0o600);
    for (const text of ["", "two words", "a\r\nset-cookie: b", "ключ"]) {
      await Deno.writeTextFile(path, text);
      await assert.rejects(readToken(path), (error: { code: string; message: string }) => {
        assert.equal(error.code, "invalid_config");
        assert.ok(text === "" || !error.message.includes(text));
        return true;
      });
    }
  }));
