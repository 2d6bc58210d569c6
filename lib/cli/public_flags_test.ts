import assert from "node:assert/strict";
import { join } from "node:path";
import { inFolder } from "../../worlds/home.ts";
import { publicChoices } from "./public_flags.ts";

const NOTHING = { about: undefined, cors: [] };
const ABOUT = { description: "Says hello.", input: { type: "text", example: "Nino" } };

const refuses = (
  flags: Partial<typeof NOTHING | { about: string; cors: string[] }>,
  wanted: object,
) => assert.rejects(publicChoices({ ...NOTHING, ...flags }), wanted);

Deno.test("nothing is public of a deployment, and no page may read it, unless it is said", async () => {
  assert.deepEqual(await publicChoices(NOTHING), {});
});

Deno.test("what is public stands in a file, or in the flag itself", () =>
  inFolder(async (dir) => {
    const path = join(dir, "about.json");
    await Deno.writeTextFile(path, JSON.stringify(ABOUT));
    assert.deepEqual(await publicChoices({ ...NOTHING, about: path }), { about: ABOUT });
    const text = JSON.stringify(ABOUT);
    assert.deepEqual(await publicChoices({ ...NOTHING, about: text }), { about: ABOUT });

    await Deno.writeTextFile(path, '{ "description": "x", "tag": [] }');
    const message = `${path}: unknown field tag`;
    await refuses({ about: path }, { code: "invalid_input", message });
    await Deno.writeTextFile(path, "Says hello.");
    await refuses({ about: path }, {
      code: "invalid_input",
      message: /about\.json: not valid JSON/,
    });
    await refuses({ about: join(dir, "none.json") }, { code: "not_found", message: /none\.json/ });
    const cut = { code: "usage", message: /^--about: not valid JSON/ };
    await refuses({ about: '{"description": ' }, cut);
  }));

Deno.test("pages are named by their origins, or all of it is said in an object", async () => {
  const cors = async (...texts: string[]) =>
    (await publicChoices({ ...NOTHING, cors: texts })).cors;
  assert.deepEqual(await cors("*"), { origins: "*" });
  const origins = ["https://a.example", "https://b.example"];
  assert.deepEqual(await cors(...origins), { origins });
  const whole = { origins: "*", methods: ["POST"], maxAgeSeconds: 60 };
  assert.deepEqual(await cors(JSON.stringify(whole)), whole);

  await refuses({ cors: ["a.example"] }, {
    message: /^--cors: origins\.0: "a\.example" is not an origin/,
  });
  await refuses({ cors: ["*", "https://a.example"] }, { code: "usage", message: /stands alone/ });
  await refuses({ cors: ["{}", "https://a.example"] }, { code: "usage", message: /stands alone/ });
  await refuses({ cors: ["{}"] }, { message: "--cors: origins is missing" });
});
