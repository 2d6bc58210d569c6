import assert from "node:assert/strict";
import { nameReferences } from "./name_reference.ts";

const CID = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";

const placesIn = (text: string) =>
  nameReferences(text).map(({ provider, name, path }) => [
    "name" in provider ? provider.name : provider.webDomain,
    name,
    path,
  ]);

Deno.test("a name stands behind its provider's, with a path and a query", () => {
  for (const name of ["duo", "Duo", "blog.eth", "www.example.com"]) {
    assert.deepEqual(placesIn(`paolo.eth/${name}`), [["paolo.eth", name, ""]]);
    const written = `paolo.eth/${name}/a%2Fb?c=/d#part`;
    assert.deepEqual(placesIn(written), [["paolo.eth", name, "/a%2Fb?c=/d"]]);
  }
});

Deno.test("in a URL it stands before the host, or in the path, below which a provider may be", () => {
  const url = "https://paolo.example";
  assert.deepEqual(placesIn(`${url}/duo`), [[url, "duo", ""]]);
  assert.deepEqual(placesIn(`${url}/blog.eth/?q`), [[url, "blog.eth", "/?q"]]);
  assert.deepEqual(placesIn("HTTP://Duo.LocalHost:81/x?q"), [
    ["http://localhost:81", "duo", "/x?q"],
  ]);
  assert.deepEqual(placesIn("https://duo.paolo.example:8443"), [
    ["https://paolo.example:8443", "duo", ""],
  ]);
  assert.deepEqual(placesIn("https://khachapuri.paolo.example/duo/x"), [
    [url, "khachapuri", "/duo/x"],
    ["https://khachapuri.paolo.example", "duo", "/x"],
  ]);
  assert.deepEqual(placesIn(`${url}/one/two/three/four`), [
    [url, "one", "/two/three/four"],
    [`${url}/one`, "two", "/three/four"],
    [`${url}/one/two`, "three", "/four"],
  ]);
});

Deno.test("what no name is in is none's", () => {
  const none = [
    "",
    "duo",
    "duo/x",
    CID,
    `paolo.eth/${CID}`,
    "paolo.eth/no_label",
    "paolo.eth/bafk...h5",
    "paolo.eth/",
  ];
  const urls = ["https://paolo.example", "https://paolo.example/?duo", "https://a@b.example/duo"];
  for (const text of [...none, ...urls, "ftp://p.example/duo", "https://", "p.example:80/duo"]) {
    assert.deepEqual(nameReferences(text), [], text);
  }
});
