import assert from "node:assert/strict";
import { readReleaseComment, type ReleaseFacts, writeReleaseComment } from "./comment.ts";

const FACTS: ReleaseFacts = {
  timestamp: 1_796_010_923,
  file: "khachapuri-0.1.0-linux-arm64",
  version: "0.1.0",
  architecture: "arm64",
  commit: "ad2667a".padEnd(40, "0"),
};

Deno.test("a release's trusted comment says what is signed", () => {
  const comment = writeReleaseComment(FACTS);
  assert.equal(
    comment,
    "timestamp:1796010923\tfile:khachapuri-0.1.0-linux-arm64\tversion:0.1.0\tarchitecture:arm64" +
      `\tcommit:${FACTS.commit}`,
  );
  assert.deepEqual(readReleaseComment(comment), FACTS);
  const sums = { ...FACTS, file: "SHA256SUMS", architecture: null };
  assert.deepEqual(readReleaseComment(writeReleaseComment(sums)), sums);
  assert.deepEqual(readReleaseComment(`${comment}\tnot:known:yet`), FACTS);
});

Deno.test("a comment of something else is no release", () => {
  const comment = writeReleaseComment(FACTS);
  for (
    const bad of [
      "",
      "timestamp:1796010923\tfile:greeting\thashed",
      comment.replace("0.1.0\t", "0.1\t"),
      comment.replace("file:", "file:../"),
      comment.replace("arm64\tversion", "arm 64\tversion"),
      comment.replace("architecture:arm64", "architecture:"),
      comment.slice(0, -1),
      `${comment}\tversion:9.0.0`,
    ]
  ) {
    assert.throws(() => readReleaseComment(bad), { code: "invalid_input" }, bad);
  }
});
