import assert from "node:assert/strict";
import { notesOf } from "./notes.ts";

const CHANGELOG = `# Changelog

## 0.2.0 (unreleased)

- Two.

## 0.1.0 (2026-12-01)

- One.
  More of one.

### Ways back

- None.

## 0.0.1
`;

Deno.test("notesOf() takes the section of a version, and knows what is not released", () => {
  assert.deepEqual(notesOf(CHANGELOG, "0.2.0"), {
    text: "# Khachapuri 0.2.0\n\n- Two.\n",
    isUnreleased: true,
  });
  assert.deepEqual(notesOf(CHANGELOG, "0.1.0"), {
    text: "# Khachapuri 0.1.0\n\n- One.\n  More of one.\n\n### Ways back\n\n- None.\n",
    isUnreleased: false,
  });
  assert.equal(notesOf(CHANGELOG, "0.0.1"), null, "an empty section is none");
  assert.equal(notesOf(CHANGELOG, "0.1"), null);
});
