import assert from "node:assert/strict";
import fc from "fast-check";
import { bytesOf, textOf } from "../../../worlds/scripted_server.ts";
import { SERVER_CHUNK_LINE_BYTES_MAX } from "../../limits_of_servers.ts";
import type { HeaderField } from "../http/header_rules.ts";
import { bodyReader } from "./response_body.ts";

interface Answer {
  method?: string;
  status?: number;
  minor?: 0 | 1;
  fields?: readonly HeaderField[];
}

function readerOf({ method = "GET", status = 200, minor = 1, fields = [] }: Answer) {
  return bodyReader({ status, minor, fields }, method);
}

const CHUNKED: HeaderField = ["transfer-encoding", "chunked"];

/** The body in these octets, which come in parts of so many bytes. */
function read(answer: Answer, octets: string, partBytes = Infinity) {
  const reader = readerOf(answer);
  let body = "";
  let at = 0;
  while (at < octets.length && !reader.isOver) {
    const { used, data } = reader.take(bytesOf(octets.slice(at, at + partBytes)));
    body += textOf(data);
    at += used;
  }
  return { body, rest: octets.slice(at), reader };
}

function refuses(octets: string): void {
  for (const partBytes of [Infinity, 1, 3]) {
    assert.throws(
      () => read({ fields: [CHUNKED] }, octets, partBytes),
      { code: "program_failed" },
      JSON.stringify(octets),
    );
  }
}

Deno.test("a body of a length ends there", () => {
  for (const partBytes of [1, 2, 99]) {
    const { body, rest, reader } = read({ fields: [["content-length", "5"]] }, "helloX", partBytes);
    assert.deepEqual([body, rest, reader.isOver, reader.announced], ["hello", "X", true, 5]);
  }
  assert.equal(readerOf({ fields: [["content-length", "0"]] }).isOver, true);
});

Deno.test("a body of a length that ends before it is broken off", () => {
  const { reader } = read({ fields: [["content-length", "5"]] }, "hell");
  const message = "the program broke off its answer after 4 of 5 bytes";
  assert.throws(() => reader.end(), { code: "program_failed", message });
});

Deno.test("a body without a length ends with its connection, which is not used again", () => {
  const { body, reader } = read({}, "hello");
  assert.deepEqual([body, reader.isOver, reader.isDelimited], ["hello", false, false]);
  reader.end();
  assert.equal(reader.isOver, true);
});

Deno.test("answers to HEAD, 1xx, 204 and 304 have none, whatever their head says", () => {
  const fields: HeaderField[] = [["content-length", "5"]];
  for (
    const [answer, announced] of [
      [{ method: "HEAD", fields }, 5],
      [{ method: "HEAD", fields: [CHUNKED] }, null],
      [{ method: "HEAD" }, null],
      [{ status: 304, fields }, 5],
      [{ status: 204, fields }, null],
      [{ status: 204 }, null],
      [{ status: 100 }, null],
    ] as const
  ) {
    const reader = readerOf(answer);
    assert.deepEqual([reader.isOver, reader.isDelimited], [true, true]);
    assert.equal(reader.announced, announced);
  }
  // Some put chunks behind it all the same.
  assert.equal(readerOf({ status: 204, fields: [CHUNKED] }).isDelimited, false);
});

Deno.test("what could be framed in two ways is refused", () => {
  const refused: Answer[] = [
    { fields: [["content-length", "5"], CHUNKED] },
    { fields: [["content-length", "5"], CHUNKED], method: "HEAD" },
    { fields: [["content-length", "5"], ["content-length", "5"]] },
    { fields: [CHUNKED, CHUNKED] },
    { fields: [["content-length", "x"]], status: 100 },
    { fields: [CHUNKED], minor: 0 },
    ...["5, 5", "+5", "-5", "5 5", "0x5", "", "5e1", "9".repeat(16), "5.0"].map((
      value,
    ): Answer => ({
      fields: [["content-length", value]],
    })),
    ...["gzip", "gzip, chunked", "chunked, chunked", "chunked;q=1", "identity", ""].map((
      value,
    ): Answer => ({ fields: [["transfer-encoding", value]] })),
  ];
  for (const answer of refused) {
    assert.throws(() => readerOf(answer), { code: "program_failed" }, JSON.stringify(answer));
  }
  assert.equal(readerOf({ fields: [["transfer-encoding", "Chunked"]] }).announced, null);
});

Deno.test("chunks are put together, and trailers come behind them", () => {
  const octets = '5\r\nhello\r\n1;a=b;c="d\\"e;";f\r\n \r\n005\r\nworld\r\n0;x\r\nT: u\r\n\r\nX';
  for (let partBytes = 1; partBytes <= octets.length; partBytes++) {
    const { body, rest, reader } = read({ fields: [CHUNKED] }, octets, partBytes);
    assert.deepEqual([body, rest, reader.trailers], ["hello world", "X", [["t", "u"]]]);
  }
});

Deno.test("the data of chunks that came together is in one place", () => {
  const reader = readerOf({ fields: [CHUNKED] });
  const { data, used } = reader.take(bytesOf("5\r\nhello\r\n6\r\n world\r\n3\r\na"));
  assert.deepEqual([textOf(data), used], ["hello worlda", 25]);
});

Deno.test("chunks that begin or end otherwise than they must are refused", () => {
  for (
    const octets of [
      "\r\n",
      "g\r\n",
      "5\nhello",
      "5 \r\nhello",
      " 5\r\nhello",
      "5 ;a\r\nhello",
      "5;\r\nhello",
      "5;a=\r\r\nhello",
      '5;a="b\r\nhello',
      "0x5\r\nhello",
      "-5\r\nhello",
      "+5\r\nhello",
      "5_0\r\nhello",
      "1000000000000\r\n",
      "5\r\nhelloX\r\n",
      "5\r\nhello\n0\r\n\r\n",
      "5\r\nhello\rX",
      "5\r\nhelloX\n",
      "0\r\nT\r\n\r\n",
      "0\r\nT: u\n\r\n",
      "0\r\n\n",
      "0\r\n T: u\r\n\r\n",
    ]
  ) refuses(octets);
});

Deno.test("a chunk's extensions have a bound", () => {
  const line = (bytes: number) => `5;${"x".repeat(bytes - 3)}\r\nhello\r\n0\r\n\r\n`;
  assert.equal(read({ fields: [CHUNKED] }, line(SERVER_CHUNK_LINE_BYTES_MAX)).body, "hello");
  refuses(line(SERVER_CHUNK_LINE_BYTES_MAX + 1));
  refuses(`5;${"x".repeat(SERVER_CHUNK_LINE_BYTES_MAX)}`);
});

Deno.test("chunks that end before the last are broken off", () => {
  for (const octets of ["", "5", "5\r\nhello", "5\r\nhello\r\n", "0\r\n", "0\r\nA: b\r\n"]) {
    const { reader } = read({ fields: [CHUNKED] }, octets);
    assert.throws(() => reader.end(), { code: "program_failed", message: /broke off its answer/ });
  }
});

Deno.test("any data in any chunks comes out as it is, however it is cut up", () => {
  const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 12 });
  fc.assert(fc.property(chunks, fc.integer({ min: 1, max: 60 }), (list, partBytes) => {
    const texts = list.map(textOf);
    const octets = texts.map((text) => `${text.length.toString(16)}\r\n${text}\r\n`).join("");
    const { body, rest } = read({ fields: [CHUNKED] }, `${octets}0\r\n\r\nrest`, partBytes);
    assert.deepEqual([body, rest], [texts.join(""), "rest"]);
  }));
});
