import assert from "node:assert/strict";
import { join } from "node:path";
import { inFolder } from "../../worlds/home.ts";
import type { KhachapuriError } from "../errors.ts";
import { packProgram } from "../spec/pack.ts";
import { readProgramFile, withFileFlags } from "./program_file.ts";

async function withProgram(json: unknown, test: (dir: string) => Promise<void>): Promise<void> {
  await inFolder(async (dir) => {
    await Deno.writeTextFile(join(dir, "khachapuri.json"), JSON.stringify(json));
    await test(dir);
  });
}

Deno.test("a file in a program's place is said to be one, with how it becomes a program", () =>
  inFolder(async (parent) => {
    const cases: [string, RegExp][] = [
      [
        "single.sh",
        /^mkdir \S+single && cp \S+single\.sh \S+single\/main && chmod \+x .*, and give/,
      ],
      ["tool", /^mkdir \S+tool-program && cp \S+tool \S+tool-program\/main/],
      ["site.zip", /^unzip \S+site\.zip -d \S+site, and give/],
    ];
    for (const [name, hint] of cases) {
      const path = join(parent, name);
      await Deno.writeTextFile(path, "#!/bin/sh\n");
      await assert.rejects(readProgramFile(path), (error: KhachapuriError) => {
        assert.equal(error.code, "invalid_program");
        assert.match(error.shortMessage, /is a file, and a program is a folder with an executable/);
        assert.match(error.hints.join(), hint);
        return true;
      });
    }
  }));

Deno.test("the flags of deploy are read from their names in camelCase, numbers as they are typed", () => {
  const file = {
    providers: ["paolo.eth", "nino.eth"],
    args: ["-v"],
    envFile: "../env",
    envNames: ["TOKEN"],
    interface: "http",
    serverPort: 3000,
    egress: ["api.example.com:443"],
    timeout: 5,
    private: true,
    allowSecret: ["test.pem"],
    ownerCreditsPerMinute: 60,
    maxPrice: "0.002",
  };
  return withProgram(file, async (dir) => {
    assert.deepEqual(await readProgramFile(dir), {
      provider: ["paolo.eth", "nino.eth"],
      arg: ["-v"],
      "env-file": join(dir, "../env"),
      "env-name": ["TOKEN"],
      interface: "http",
      "server-port": "3000",
      egress: ["api.example.com:443"],
      timeout: "5",
      private: true,
      "allow-secret": ["test.pem"],
      "owner-credits-per-minute": "60",
      "max-price": "0.002",
    });
  });
});

Deno.test("what is public of a program, and which pages read it, is said there or in a file", async () => {
  const about = { description: "Says hello." };
  await withProgram({ about, cors: { origins: "*" } }, async (dir) => {
    const cors = ['{"origins":"*"}'];
    assert.deepEqual(await readProgramFile(dir), { about: JSON.stringify(about), cors });
  });
  const elsewhere = { about: "about.json", cors: ["https://app.example"] };
  await withProgram(elsewhere, async (dir) => {
    const cors = ["https://app.example"];
    assert.deepEqual(await readProgramFile(dir), { about: join(dir, "about.json"), cors });
  });
});

Deno.test("the file is no part of the program", () =>
  inFolder(async (dir) => {
    await Deno.writeTextFile(join(dir, "main"), "#!/bin/sh\n", { mode: 0o755 });
    const without = await packProgram(dir);
    await Deno.writeTextFile(join(dir, "khachapuri.json"), "{}");
    assert.deepEqual(await packProgram(dir), without);
  }));

Deno.test("a folder without the file gives nothing, and what is false is not given", async () => {
  await inFolder(async (dir) => assert.deepEqual(await readProgramFile(dir), {}));
  await withProgram({ private: false }, async (dir) => {
    assert.deepEqual(await readProgramFile(dir), {});
  });
});

Deno.test("what is unknown, misspelt or a secret is refused in words", async () => {
  const refused: [unknown, RegExp, string?][] = [
    [{ env: { TOKEN: "hunter2" } }, /khachapuri\.json: env: values of the environment are secrets/],
    [{ acceptTerms: true }, /acceptTerms: terms are agreed to by whoever deploys/],
    [{ out: "cars" }, /out: where CAR files go/],
    [{ provider: ["a.eth"] }, /unknown field provider/, "did you mean providers?"],
    [{ timout: 5 }, /unknown field timout/, "did you mean timeout?"],
    [{ interface: "fcgi" }, /interface: it is one of curl, cgi, http/],
    [{ providers: "a.eth" }, /providers: not a list/],
    [{ providers: [1] }, /providers\.0: not a text/],
    [{ about: true }, /about: not a text or a number/],
    [{ cors: "*" }, /cors: not a list, e\.g\. \["\*"\]/],
    [{ timeout: {} }, /timeout: not a text or a number/],
    [{ timeout: true }, /timeout: not a text or a number/],
    [{ private: "yes" }, /private: it is true or false/],
    [[], /it is a list, not an object/],
    ["text", /khachapuri\.json: /],
  ];
  for (const [file, message, hint] of refused) {
    await withProgram(file, async (dir) => {
      await assert.rejects(
        readProgramFile(dir),
        (error: { code: string; message: string; hints: string[] }) => {
          assert.equal(error.code, "invalid_config");
          assert.match(error.message, message);
          assert.doesNotMatch(error.message, /hunter2/);
          assert.equal(error.hints[0], hint ?? error.hints[0]);
          return true;
        },
      );
    });
  }
});

Deno.test("the command line wins, and a command takes only flags of its own", () =>
  withProgram({ providers: ["a.eth"], timeout: 5, memory: 64 }, async (dir) => {
    const options = { timeout: "9", memory: undefined, egress: [] };
    assert.deepEqual(await withFileFlags(dir, options), { ...options, memory: "64" });
  }));
