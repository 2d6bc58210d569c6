import assert from "node:assert/strict";
import { encodeForm, formPart, literalPart } from "./curl_form.ts";

// Compared with the real curl in tests/curl_wire_test.ts.

const read = (from: string) => Promise.resolve(new TextEncoder().encode(`<${from}>`));
const part = (text: string) => formPart(text, read);
const bodyOf = (bytes: Uint8Array, boundary: string) =>
  new TextDecoder().decode(bytes).replaceAll(boundary, "B");

Deno.test("a form is its parts between boundaries, with names quoted", async () => {
  const parts = [await part('q"=1'), await part("f=@dir/a.png"), literalPart("s=@not;a=file")];
  const { bytes, boundary } = encodeForm(parts, false);
  assert.match(boundary, /^-{24}[0-9a-f]{16}$/);
  assert.equal(
    bodyOf(bytes, boundary),
    '--B\r\nContent-Disposition: form-data; name="q%22"\r\n\r\n1\r\n' +
      '--B\r\nContent-Disposition: form-data; name="f"; filename="a.png"\r\n' +
      "Content-Type: image/png\r\n\r\n<@dir/a.png>\r\n" +
      '--B\r\nContent-Disposition: form-data; name="s"\r\n\r\n@not;a=file\r\n--B--\r\n',
  );
  const slashed = encodeForm([await part('q"=1')], true);
  assert.match(bodyOf(slashed.bytes, slashed.boundary), /name="q\\""/);
});

Deno.test("type, filename and headers stand behind the content", async () => {
  const { filename, type, headers } = await part(
    'f=@x;type=text/a; charset=b;filename="n;m";headers=X-P: 1',
  );
  assert.deepEqual({ filename, type, headers }, {
    filename: "n;m",
    type: "text/a; charset=b",
    headers: ["X-P: 1"],
  });
  assert.equal((await part("f=@x")).type, "application/octet-stream");
  assert.equal((await part("f=<x.txt")).type, null);
  assert.equal(new TextDecoder().decode((await part('v="a;\\"b"')).bytes), 'a;"b');
});

Deno.test("what a part can't be is refused by its name", async () => {
  for (
    const text of ["novalue", "f=(", "f=@a,b", "f=v;filename=x", "f=@x;encoder=base64", "f=v;w"]
  ) {
    await assert.rejects(part(text), { code: "usage" }, text);
  }
});
