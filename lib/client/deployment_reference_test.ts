import assert from "node:assert/strict";
import { parseDeploymentReference as parse } from "./deployment_reference.ts";

const CID = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";

Deno.test("a deployment is read from its cid, and from paths and URLs of IPFS", () => {
  const plain = [
    CID,
    `ipfs://${CID}`,
    `/ipfs/${CID}`,
    `ipfs/${CID}`,
    `https://ipfs.io/ipfs/${CID}`,
  ];
  for (const text of [...plain, `https://${CID}.ipfs.dweb.link`]) {
    assert.deepEqual(parse(text), { cid: CID, path: "", provider: null }, text);
  }
  assert.equal(parse(`${CID}/a?b`).path, "/a?b");
});

Deno.test("a provider is read from its name, and from the URL that deploy prints", () => {
  const behind: [string, string][] = [
    ["", ""],
    ["/", "/"],
    ["/a%2Fb/../c?d=e&f", "/a%2Fb/../c?d=e&f"],
    ["?q", "?q"],
    ["/#part", "/"],
  ];
  for (const [written, path] of behind) {
    const name = { cid: CID, path, provider: { name: "paolo.eth" } };
    assert.deepEqual(parse(`paolo.eth/${CID}${written}`), name);
    const provider = { webDomain: "https://paolo.example:8443" };
    assert.deepEqual(parse(`https://paolo.example:8443/${CID}${written}`), {
      cid: CID,
      path,
      provider,
    });
    assert.deepEqual(parse(`https://${CID}.paolo.example:8443${written}`), {
      cid: CID,
      path,
      provider,
    });
  }
});

Deno.test("host names have no case, a provider may live below a path", () => {
  const at = (text: string) => parse(text).provider;
  assert.deepEqual(at(`HTTPS://Paolo.Example:443/${CID}`), { webDomain: "https://paolo.example" });
  assert.deepEqual(at(`https://p.example/a/b/${CID}/c`), { webDomain: "https://p.example/a/b" });
  assert.deepEqual(at(`http://localhost:1/${CID}/${CID}`), { webDomain: "http://localhost:1" });
});

Deno.test("what names no deployment is refused, with the forms that do", () => {
  for (const text of ["", "paolo.eth", "https://p.example/", "https://p.example/a?x=" + CID]) {
    assert.throws(() => parse(text), { name: "KhachapuriError" }, text);
  }
  for (const text of ["ftp://p.example/" + CID, "https://", `https://a@b.example/${CID}`]) {
    assert.throws(() => parse(text), { code: "usage" }, text);
  }
  assert.throws(() => parse("paolo.eth/hello"), { code: "invalid_cid" });
  assert.throws(() => parse("hello"), { code: "invalid_cid" });
  const short = CID.slice(0, -1);
  const mistyped = [`https://p.example/a/${short}?q`, `https://p.example/${CID.toUpperCase()}`];
  for (const text of [...mistyped, `https://${short}.p.example/x`, `${CID}.`, `<${CID}>`]) {
    assert.throws(() => parse(text), { code: "invalid_cid", message: /is no CID: it has/ }, text);
  }
});
