import assert from "node:assert/strict";
import fc from "fast-check";
import { exporter } from "ipfs-unixfs-exporter";
import { importBytes } from "ipfs-unixfs-importer";
import { fixedSize } from "ipfs-unixfs-importer/chunker";
import { balanced, flat, trickle } from "ipfs-unixfs-importer/layout";
import { blockKey, CID, cidOf, DAG_PB, parseCid, RAW } from "../cid.ts";
import { importFile } from "./dag.ts";
import { type BlockSource, readUnixfsFile } from "./unixfs.ts";
import { encodeVarint } from "./varint.ts";

type Store = Map<string, Uint8Array>;

function sourceOf(store: Store): BlockSource {
  return {
    get(cid) {
      const bytes = store.get(blockKey(cid));
      assert.ok(bytes, `${cid} is not in the store`);
      return bytes;
    },
  };
}

/** A blockstore as the reference libraries want it. */
function reference(store: Store) {
  return {
    put(cid: CID, bytes: Uint8Array) {
      store.set(blockKey(CID.decode(cid.bytes)), bytes);
      return cid;
    },
    async *get(cid: CID) {
      yield store.get(blockKey(cid))!;
    },
    // deno-lint-ignore no-explicit-any
  } as any;
}

async function readReference(cid: CID, store: Store): Promise<Uint8Array> {
  const entry = await exporter(cid, reference(store));
  assert.ok("content" in entry);
  const parts: number[] = [];
  for await (const part of entry.content()) parts.push(...part);
  return Uint8Array.from(parts);
}

// A protobuf writer that can write what no library would.
const bytesField = (number: number, bytes: Uint8Array | number[]) => [
  ...encodeVarint(number * 8 + 2),
  ...encodeVarint(bytes.length),
  ...bytes,
];
const numberField = (number: number, value: number) => [
  ...encodeVarint(number * 8),
  ...encodeVarint(value),
];
const link = (cid: CID, name = "") => [...bytesField(1, cid.bytes), ...bytesField(2, utf8(name))];
const utf8 = (text: string) => new TextEncoder().encode(text);
const unixfs = (...fields: number[][]) => fields.flat();
const TYPE_FILE = numberField(1, 2);
const size = (bytes: number) => numberField(3, bytes);
const block = (bytes: number) => numberField(4, bytes);

/** A node from links and UnixFS fields, put into `store`. */
function put(store: Store, links: number[][], data: number[] | null, codec = DAG_PB): CID {
  const bytes = Uint8Array.from([
    ...links.flatMap((link) => bytesField(2, link)),
    ...(data === null ? [] : bytesField(1, data)),
  ]);
  return putBytes(store, bytes, codec);
}

function putBytes(store: Store, bytes: Uint8Array, codec = DAG_PB): CID {
  const cid = cidOf(codec as typeof DAG_PB, bytes);
  store.set(blockKey(cid), bytes);
  return cid;
}

function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

async function refuses(cid: CID, store: Store, message: RegExp, what: string): Promise<void> {
  await assert.rejects(
    readUnixfsFile(cid, sourceOf(store), 1_000_000),
    (error: { code?: string; message: string }) => {
      assert.equal(error.code, "invalid_input", `${what}: ${error.message}`);
      assert.match(error.message, message, what);
      return true;
    },
  );
}

Deno.test("readUnixfsFile reads what ipfs-unixfs-importer writes in every layout and version", async () => {
  const shape = fc.record({
    bytes: fc.uint8Array({ maxLength: 400 }),
    chunkSize: fc.integer({ min: 1, max: 60 }),
    width: fc.integer({ min: 2, max: 5 }),
    layout: fc.constantFrom("balanced", "flat", "trickle"),
    cidVersion: fc.constantFrom(0 as const, 1 as const),
    rawLeaves: fc.boolean(),
    leafType: fc.constantFrom("file" as const, "raw" as const),
    reduceSingleLeafToSelf: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(shape, async ({ bytes, chunkSize, width, layout, ...options }) => {
      const store: Store = new Map();
      const maxChildrenPerNode = width;
      const layouts = {
        balanced: () => balanced({ maxChildrenPerNode }),
        flat: () => flat(),
        trickle: () => trickle({ layerRepeat: 2, maxChildrenPerNode }),
      };
      const { cid } = await importBytes(bytes, reference(store), {
        ...options,
        chunker: fixedSize({ chunkSize }),
        layout: layouts[layout as keyof typeof layouts](),
      });
      const root = parseCid(cid.toString());
      const file = await readUnixfsFile(root, sourceOf(store), 1_000);
      assert.deepEqual(file.bytes, bytes);
      assert.deepEqual(await readReference(cid, store), bytes);
      // The blocks that come with the file are enough to read it again, in the order of the walk.
      const kept = new Map(file.blocks.map(({ cid, bytes }) => [blockKey(cid), bytes]));
      assert.deepEqual((await readUnixfsFile(root, sourceOf(kept), 1_000)).bytes, bytes);
    }),
    { numRuns: 300 },
  );
});

Deno.test("ipfs-unixfs-exporter reads what importFile writes", async () => {
  const bytes = new Uint8Array(777).map((_, i) => i * 13);
  const { root, blocks } = importFile(bytes, { chunkBytes: 10, widthMax: 3 });
  const store: Store = new Map(blocks.map(({ cid, bytes }) => [blockKey(cid), bytes]));
  assert.deepEqual(await readReference(root, store), bytes);
});

Deno.test("the empty file of the specification is empty", async () => {
  const store: Store = new Map();
  const cid = put(store, [], unixfs(TYPE_FILE, size(0)));
  assert.equal(cid.toString(), "bafybeif7ztnhq65lumvvtr4ekcwd2ifwgm3awq4zfr3srh462rwyinlb4y");
  assert.equal((await readUnixfsFile(cid, sourceOf(store), 10)).bytes.length, 0);
});

Deno.test("none of the specification's invalid vectors is read as a file", async () => {
  const cbor = "0901550005000102030400".slice(0, -2);
  const vectors: [string, string, string?][] = [
    ["empty", "", "bafybeihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"],
    [
      "one link",
      "12240a2212207521fe19c374a97759226dc5c0c8e674e73950e81b211f7dd3b6b30883a08a51",
      "bafybeihyivpglm6o6wrafbe36fp5l67abmewk7i2eob5wacdbhz7as5obe",
    ],
    [
      "two links and data",
      "12340a2212208ab7a6c5e74737878ac73863cb76739d15d4666de44e5756bf55a2f9e9ab5f431209736f6d65" +
      "206c696e6b1880c2d72f12370a2212208ab7a6c5e74737878ac73863cb76739d15d4666de44e5756bf55a2f9" +
      "e9ab5f44120f736f6d65206f74686572206c696e6b18080a09736f6d652064617461",
      "bafybeibh647pmxyksmdm24uad6b5f7tx4dhvilzbg2fiqgzll4yek7g7y4",
    ],
    ["data", "0a050001020304", "bafybeibazl2z4vqp2tmwcfag6wirmtpnomxknqcgrauj7m2yisrz3qjbom"],
    ["empty data", "0a00", "bafybeiaqfni3s5s2k2r6rgpxz4hohdsskh44ka5tk6ztbjerqpvxwfkwaq"],
    ["hash", `120b0a${cbor}`, "bafybeia53f5n75ituvc3yupuf7tdnxf6fqetrmo2alc6g6iljkmk7ys5mm"],
    ["hash, name", `12160a${cbor}1209736f6d65206e616d65`],
    ["hash, empty name", `120d0a${cbor}1200`],
    ["hash, huge Tsize", `12140a${cbor}18ffffffffffffff0f`],
    ["hash, zero Tsize", `120d0a${cbor}1800`],
    ["simple form 1", "0a03010203", "bafybeia2qk4u55f2qj7zimmtpulejgz7urp7rzs44cvledcaj42gltkk3u"],
    ["simple form 2", `120b0a${cbor}12100a${cbor}120362617212100a${cbor}1203666f6f`],
    ["simple form 3", `120b0a${cbor}120e0a${cbor}120161120e0a${cbor}120161`],
    ["simple form 4", `120e0a${cbor}120161120e0a${cbor}120161`],
  ];
  for (const [what, hex, cid] of vectors) {
    const store: Store = new Map();
    const root = putBytes(store, fromHex(hex));
    // The first vector's CID in the specification is that of the empty dag-pb block.
    if (cid !== undefined) assert.equal(root.toString(), cid, what);
    await refuses(root, store, /cannot read/, what);
  }
});

Deno.test("a node that breaks dag-pb is refused", async () => {
  const leaf = cidOf(RAW, utf8("ab"));
  const fine = unixfs(TYPE_FILE, size(2), block(2));
  const oneLink = bytesField(2, link(leaf));
  const node = (...parts: number[][]) => Uint8Array.from(parts.flat());
  const cases: [string, RegExp, Uint8Array][] = [
    ["two Data", /two Data/, node(bytesField(1, fine), bytesField(1, fine))],
    ["links around Data", /both sides/, node(oneLink, bytesField(1, fine), oneLink)],
    ["a number as field 1", /length-prefixed/, node(numberField(1, 1))],
    ["field 3", /unknown field 3/, node(bytesField(3, []))],
    ["field 0", /field number 0/, node([0x02, 0])],
    ["wire type 3", /wire type 3/, node([0x0b])],
    ["wire type 7", /wire type 7/, node([0x0f])],
    ["a field beyond the end", /longer than/, node([0x0a, 9, 1])],
    ["a fixed field beyond the end", /longer than/, node([0x09, 1])],
    ["a length of 2^63", /longer than/, node([0x0a, ...encodeVarint(2 ** 50), 1])],
    ["a varint without end", /64 bits/, node(new Array(11).fill(0x80))],
    ["a varint cut off", /cut off/, node([0x8a])],
    ["a link without hash", /without Hash/, node(bytesField(2, bytesField(2, utf8("x"))))],
    [
      "a link's fields reversed",
      /out of order/,
      node(bytesField(2, [...bytesField(2, []), ...bytesField(1, leaf.bytes)])),
    ],
    ["a name not UTF-8", /not UTF-8/, node(bytesField(2, bytesField(2, [0xff])))],
    ["8,193 links", /8192 links/, node(new Array(8_193).fill(bytesField(2, link(leaf))).flat())],
  ];
  for (const [what, message, bytes] of cases) {
    const store: Store = new Map();
    await refuses(putBytes(store, bytes), store, message, what);
  }
});

Deno.test("Data before Links, which old writers produce, is read", async () => {
  const store: Store = new Map();
  const leaf = putBytes(store, utf8("ab"), RAW);
  const data = bytesField(1, unixfs(TYPE_FILE, size(2), block(2)));
  const root = putBytes(store, Uint8Array.from([...data, ...bytesField(2, link(leaf))]));
  assert.deepEqual((await readUnixfsFile(root, sourceOf(store), 10)).bytes, utf8("ab"));
});

Deno.test("a node that breaks UnixFS is refused", async () => {
  const store: Store = new Map();
  const leaf = putBytes(store, utf8("ab"), RAW);
  const empty = putBytes(store, new Uint8Array(), RAW);
  const one = [link(leaf)];
  const dagCbor = Uint8Array.of(1, 0x71, 0x12, 0x20, ...leaf.multihash.digest);
  const inner = put(store, one, unixfs(TYPE_FILE, size(2), block(2)));
  const exabyte = [0x18, ...new Array(8).fill(0x80), 0x10];
  const cases: [string, RegExp, CID][] = [
    ["no type", /without a type/, put(store, [], size(0))],
    ["type 6", /unknown UnixFS type 6/, put(store, [], numberField(1, 6))],
    ["type twice", /repeated/, put(store, [], unixfs(TYPE_FILE, TYPE_FILE))],
    ["filesize twice", /repeated/, put(store, [], unixfs(TYPE_FILE, size(0), size(0)))],
    ["type as bytes", /wrong type/, put(store, [], bytesField(1, [2]))],
    ["a directory", /directory/, put(store, [link(leaf, "x")], numberField(1, 1))],
    ["metadata", /metadata/, put(store, [], numberField(1, 3))],
    ["a symlink", /symlink/, put(store, [], unixfs(numberField(1, 4), bytesField(2, utf8("/"))))],
    ["a shard", /hamt-shard/, put(store, [], numberField(1, 5))],
    ["too few sizes", /1 links but 0/, put(store, one, unixfs(TYPE_FILE, size(0)))],
    ["too many", /1 links but 2/, put(store, one, unixfs(TYPE_FILE, size(4), block(2), block(2)))],
    ["sizes, no links", /0 links but 1/, put(store, [], unixfs(TYPE_FILE, size(2), block(2)))],
    ["sum too small", /claimed/, put(store, one, unixfs(TYPE_FILE, size(3), block(2)))],
    ["no filesize", /claimed/, put(store, one, unixfs(TYPE_FILE, block(2)))],
    ["size of a leaf", /claimed/, put(store, one, unixfs(TYPE_FILE, size(3), block(3)))],
    ["size of a node", /claimed/, put(store, [link(inner)], unixfs(TYPE_FILE, size(1), block(1)))],
    ["filesize 2^60", /claimed/, put(store, one, unixfs(TYPE_FILE, exabyte, block(2)))],
    ["a named part", /named/, put(store, [link(leaf, "a")], unixfs(TYPE_FILE, size(2), block(2)))],
    [
      "empty parts",
      /empty part/,
      put(store, [link(leaf), link(empty)], unixfs(TYPE_FILE, size(2), block(2), block(0))),
    ],
    [
      "a link to dag-cbor",
      /neither raw nor dag-pb/,
      put(store, [bytesField(1, dagCbor)], unixfs(TYPE_FILE, size(2), block(2))),
    ],
    [
      "bytes behind a link's CID",
      /behind its CID/,
      put(store, [bytesField(1, [...leaf.bytes, 0])], unixfs(TYPE_FILE, size(2), block(2))),
    ],
  ];
  for (const [what, message, cid] of cases) await refuses(cid, store, message, what);
});

Deno.test("mode, mtime (also negative) and unknown fields of UnixFS change nothing", async () => {
  const store: Store = new Map();
  const minusOne = [0x08, ...new Array(9).fill(0xff), 1];
  const data = unixfs(
    TYPE_FILE,
    bytesField(2, utf8("hi")),
    size(2),
    numberField(7, 0o644),
    bytesField(8, minusOne),
    [0x7d, 1, 2, 3, 4],
  );
  const root = put(store, [], data);
  assert.deepEqual((await readUnixfsFile(root, sourceOf(store), 10)).bytes, utf8("hi"));
});

Deno.test("packed block sizes and inline blocks are read", async () => {
  const store: Store = new Map();
  const leaf = putBytes(store, utf8("ab"), RAW);
  const inline = CID.decode(Uint8Array.of(1, RAW, 0, 3, ...utf8("xyz")));
  const inner = [
    ...bytesField(2, link(inline)),
    ...bytesField(1, unixfs(TYPE_FILE, size(3), block(3))),
  ];
  const inlineNode = CID.decode(Uint8Array.of(1, DAG_PB, 0, inner.length, ...inner));
  const root = put(
    store,
    [link(leaf), link(inline), link(leaf), link(inlineNode)],
    unixfs(TYPE_FILE, size(10), bytesField(4, [2, 3, 2, 3])),
  );
  const file = await readUnixfsFile(root, sourceOf(store), 10);
  assert.deepEqual(file.bytes, utf8("abxyzabxyz"));
  // Inline blocks travel inside their links, never as blocks.
  assert.equal(file.blocks.length, 2);
});

Deno.test("a chain is read to 32 levels and refused beyond", async () => {
  const chain = (store: Store, nodes: number) => {
    let cid = putBytes(store, utf8("ab"), RAW);
    for (let i = 0; i < nodes; i++) {
      cid = put(store, [link(cid)], unixfs(TYPE_FILE, size(2), block(2)));
    }
    return cid;
  };
  const store: Store = new Map();
  const file = await readUnixfsFile(chain(store, 31), sourceOf(store), 10);
  assert.deepEqual(file.bytes, utf8("ab"));
  await refuses(chain(store, 32), store, /deeper than 32/, "33 levels");
  await refuses(chain(store, 2_000), store, /deeper than 32/, "2,000 levels");
});

Deno.test("bombs are refused for their size, their empty parts or their visits", async () => {
  const store: Store = new Map();
  let bomb = putBytes(store, new Uint8Array(1_000), RAW);
  let bytes = 1_000;
  for (let level = 0; level < 4; level++) {
    const links = new Array(1_000).fill(link(bomb));
    const blocks = new Array(1_000).fill(block(bytes)).flat();
    bytes *= 1_000;
    bomb = put(store, links, unixfs(TYPE_FILE, size(bytes), blocks));
  }
  await refuses(bomb, store, /1000000000000000 bytes, more than/, "10^15 bytes");

  let zero = putBytes(store, new Uint8Array(), RAW);
  for (let level = 0; level < 6; level++) {
    const links = new Array(1_000).fill(link(zero));
    zero = put(store, links, unixfs(TYPE_FILE, size(0), new Array(1_000).fill(block(0)).flat()));
  }
  await refuses(zero, store, /empty part/, "1000^6 empty parts");

  let single = putBytes(store, utf8("a"), RAW);
  let length = 1;
  for (let level = 0; level < 17; level++) {
    const twice = [link(single), link(single)];
    single = put(store, twice, unixfs(TYPE_FILE, size(2 * length), block(length), block(length)));
    length *= 2;
  }
  await refuses(single, store, /over 65536 nodes/, "2^17 leaves of one byte");
});

Deno.test("a file larger than allowed is refused at its root, with the limit", async () => {
  const { root, blocks } = importFile(new Uint8Array(100), { chunkBytes: 10, widthMax: 3 });
  const onlyRoot: Store = new Map([[blockKey(root), blocks[0]!.bytes]]);
  await assert.rejects(readUnixfsFile(root, sourceOf(onlyRoot), 99), {
    code: "invalid_input",
    data: { limitBytes: 99, fileBytes: 100 },
  });
});

Deno.test("any bytes as a root end in a file or in invalid_input, quickly", async () => {
  await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
    const store: Store = new Map();
    const root = putBytes(store, bytes);
    await readUnixfsFile(root, { get: (cid) => store.get(blockKey(cid)) ?? utf8("?") }, 1_000)
      .catch(
        (error) => assert.equal(error.code, "invalid_input"),
      );
  }));
});

Deno.test("a leaf that turns out to be other content fails the file, whichever of many it is", async () => {
  const bytes = new Uint8Array(10 * 1_000).map((_, at) => at / 1_000);
  const { root, blocks } = importFile(bytes, { chunkBytes: 1_000, widthMax: 10 });
  const leaves = blocks.filter(({ cid }) => cid.code === RAW).length;
  for (let lie = 0; lie <= leaves; lie++) {
    let served = 0;
    const source: BlockSource = {
      get: (cid) => blocks.find((block) => blockKey(block.cid) === blockKey(cid))!.bytes,
      getLeaf(cid, place) {
        place.set(this.get(cid) as Uint8Array);
        const isLie = served++ === lie;
        const verified = isLie ? Promise.reject(new Error("a lie")) : Promise.resolve();
        verified.catch(() => {});
        return Promise.resolve({ bytes: place, verified });
      },
    };
    const reading = readUnixfsFile(root, source, 100_000);
    if (lie < leaves) await assert.rejects(reading, /a lie/);
    else assert.deepEqual((await reading).bytes, bytes);
  }
});
