import assert from "node:assert/strict";
import { linkedCid } from "./dnslink.ts";

const ONE = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
const OTHER = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
const V0 = "QmbWqxBEKC3P8tqsKc98xmWNzrzDtRLMiMPL8wBuTGsMnR";

Deno.test("a domain's record names a whole content, in any spelling of its cid", () => {
  const link = (path: string) => linkedCid([`dnslink=${path}`]);
  assert.equal(link(`/ipfs/${ONE}`), ONE);
  assert.equal(link(`/ipfs/${ONE}/`), ONE);
  assert.equal(link(`/ipfs/${V0}`), "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi");
});

Deno.test("what is no such record is passed over", () => {
  const none = [
    "",
    `dnslink=/ipfs/${ONE}/sub`,
    `dnslink=/ipns/${ONE}`,
    "dnslink=/ipns/other.example",
    "dnslink=/ipfs/",
    "dnslink=/ipfs/bafynope",
    `dnslink=/ipfs/bafkqaaa`,
    `Dnslink=/ipfs/${ONE}`,
    ` dnslink=/ipfs/${ONE}`,
    `dnslink=ipfs/${ONE}`,
    `dnslink=/ipfs/${ONE}\n`,
    "v=spf1 -all",
  ];
  for (const text of none) assert.equal(linkedCid([text]), null, text);
  assert.equal(linkedCid([...none, `dnslink=/ipfs/${ONE}`]), ONE);
});

Deno.test("of several it is the first by its text, in whatever order they come", () => {
  const texts = [`dnslink=/ipfs/${OTHER}`, `dnslink=/ipfs/${ONE}`];
  assert.equal(linkedCid(texts), ONE);
  assert.equal(linkedCid([...texts].reverse()), ONE);
});
