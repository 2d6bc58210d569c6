import assert from "node:assert/strict";
import { join } from "node:path";
import { inFolder } from "../../worlds/home.ts";
import { isCgiScript, packageSign, serverSign, sourceSign } from "./server_signs.ts";

const samples = new URL("../../samples/", import.meta.url).pathname;

/** What is told of a folder with these files. */
async function told(files: Record<string, string>, entrypoint = "./main"): Promise<string | null> {
  let sign: string | null = null;
  await inFolder(async (dir) => {
    for (const [name, text] of Object.entries(files)) {
      await Deno.writeTextFile(join(dir, name), text);
    }
    sign = await serverSign(dir, entrypoint);
  });
  return sign;
}

Deno.test("a package.json speaks for a server by what it depends on, or starts", async () => {
  const json = JSON.stringify;
  assert.equal(packageSign(json({ dependencies: { express: "^5" } })), "depends on express");
  assert.equal(packageSign(json({ dependencies: { a: "1", fastify: "5" } })), "depends on fastify");
  assert.equal(
    packageSign(json({ scripts: { start: "node src/server.mjs" } })),
    "starts server.mjs",
  );
  for (
    const other of [
      json({ devDependencies: { express: "^5" } }),
      json({ dependencies: { "express-like": "1" }, scripts: { start: "node main.js" } }),
      json({ dependencies: null, scripts: [] }),
      json({ scripts: { start: { a: 1 } } }),
      "null",
      "{",
      "",
    ]
  ) assert.equal(packageSign(other), null, other);
  const files = { "package.json": json({ dependencies: { koa: "2" } }), main: "#!/bin/sh\n" };
  assert.equal(await told(files), "package.json depends on koa");
});

Deno.test("a program's own text speaks for a server by what it imports or calls", () => {
  const cases: [string, string | null][] = [
    ["#!/usr/bin/python3\nfrom flask import Flask\n", "flask"],
    ["import fastapi\n", "fastapi"],
    ["  from aiohttp import web\n", "aiohttp"],
    ["const app = require('express')();\n", "express"],
    ['import Fastify from "fastify";\n', "fastify"],
    ["Deno.serve((request) => new Response())\n", "Deno.serve"],
    ["http.createServer((a, b) => {}).listen(80)\n", "createServer"],
    ["HTTPServer(('', 80), H).serve_forever()\n", "serve_forever"],
    ["#!/bin/sh\nexec python3 -m gunicorn app:app\n", "gunicorn"],
    ["import aiohttp\n", null],
    ["# like flask\nprint('import flask')\n", null],
    ["from flask import Flask\nfrom wsgiref.handlers import CGIHandler\n", null],
    ["", null],
  ];
  for (const [text, sign] of cases) assert.equal(sourceSign(text), sign, text);
});

Deno.test("the entrypoint is looked at, and what Python's frameworks look for; no binary is", async () => {
  assert.equal(await told({ "app.py": "import flask\n" }), "app.py uses flask");
  const server = "Deno.serve(() => new Response())\n";
  assert.equal(await told({ "index.ts": server }, "./index.ts"), "index.ts uses Deno.serve");
  assert.equal(await told({ "index.ts": server }), null);
  assert.equal(await told({ main: `\x7fELF\0${server}` }), null);
  assert.equal(await told({}), null);
});

Deno.test("the samples that are servers speak for themselves, as far as they can be read", async () => {
  const signs = ["express", "flask", "websocket-chat"].map((name) =>
    serverSign(join(samples, name), "./main")
  );
  assert.deepEqual(await Promise.all(signs), [
    "package.json depends on express",
    "main uses gunicorn",
    "server.js uses createServer",
  ]);
});

Deno.test("the samples that are called as curl is speak for no server", async () => {
  for (const name of ["echo", "hello", "notes", "rates", "secret", "sleepy", "ticks", "words"]) {
    assert.equal(await serverSign(join(samples, name), "./main"), null, name);
  }
});

Deno.test("a script that prints Content-Type is one for CGI, unless it is a server", async () => {
  for (
    const [script, isCgi] of [
      ["#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nhi'\n", true],
      ["#!/bin/sh\necho -n content-type: text/html; echo\n", true],
      ['#!/usr/bin/python3\nprint("Content-Type: text/html\\n")\n', true],
      ['#!/usr/bin/perl\nprint "Content-type: text/html\\n\\n";\n', true],
      ["#!/usr/bin/node\nconsole.log('Content-Type: text/html\\n')\n", true],
      ["printf 'Content-Type: text/plain\\n\\nhi'\n", false],
      ["#!/bin/sh\n# printf 'Content-Type: text/plain'\n", false],
      ["#!/bin/sh\ncurl -H 'Content-Type: text/plain' x\n", false],
      ["#!/usr/bin/python3\nimport flask\nprint('Content-Type: x')\n", false],
    ] as const
  ) {
    await inFolder(async (dir) => {
      await Deno.writeTextFile(join(dir, "main"), script);
      assert.equal(await isCgiScript(dir, "./main"), isCgi, script);
      assert.equal(await isCgiScript(dir, "./other"), false);
    });
  }
});
