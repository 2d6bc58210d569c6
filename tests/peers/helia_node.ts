/**
 * The program that helia.ts starts: helia's importer, CARs, exporter and client of trustless
 * gateways behind a small HTTP server of our own, since helia has none. It takes the folder of
 * its packages, which are no imports of this project and so have no types here.
 */
import { join } from "node:path";

const packages = join(Deno.args[0]!, "node_modules");
const load = async (name: string) => await import(join(packages, name, "dist/src/index.js"));

const { createHeliaLight } = await load("helia");
const { withHTTP } = await load("@helia/http");
const { unixfs } = await load("@helia/unixfs");
const { car } = await load("@helia/car");
const { CarReader } = await import(join(packages, "@ipld/car/src/index.js"));
const { CID } = await load("multiformats");

/** Helia's own settings stand in the way of a profile's until they are taken back. */
const OLD_PROFILE = {
  profile: "unixfs-v0-2015",
  cidVersion: undefined,
  rawLeaves: undefined,
  layout: undefined,
  chunker: undefined,
};

/** What is imported here, and served. */
const library = createHeliaLight();

/** Takes files by path, their content in base64; answers with the cid of a file or a folder. */
async function importFiles(request: Request, isOld: boolean): Promise<Response> {
  const files: Record<string, string> = await request.json();
  const options = isOld ? OLD_PROFILE : {};
  const fs = unixfs(library);
  const content = (text: string) => Uint8Array.fromBase64(text);
  const alone = files[""];
  if (alone !== undefined) {
    return new Response(String(await fs.addBytes(content(alone), options)));
  }
  let root = await fs.addDirectory({}, options);
  for (const [name, text] of Object.entries(files)) {
    root = await fs.cp(await fs.addBytes(content(text), options), root, name, options);
  }
  return new Response(String(root));
}

/** A trustless gateway over what was imported: whole DAGs as CARs, and single blocks. */
async function serveContent(cid: string, format: string | null): Promise<Response> {
  const root = CID.parse(cid);
  const parts = format === "car"
    ? car(library).export(root, { offline: true })
    : library.blockstore.get(root, { offline: true });
  const chunks: BlobPart[] = await Array.fromAsync(parts);
  return new Response(new Blob(chunks), {
    headers: { "content-type": `application/vnd.ipld.${format === "car" ? "car" : "raw"}` },
  });
}

/** The file at `path` as another node reads it, block for block, from nowhere but `gateway`. */
async function readFrom(gateway: string, cid: string, path: string): Promise<Response> {
  const reader = withHTTP(createHeliaLight(), {
    allowInsecure: true,
    allowLocal: true,
    recursiveGateways: [gateway],
    // It asks this one too, and does not end without any.
    delegatedRouters: [gateway],
  });
  await reader.start();
  try {
    return await fileOf(reader, cid, path);
  } finally {
    await reader.stop();
  }
}

/** The file at `path` of a CAR, as a node reads it that has nothing else. */
async function readCar(request: Request, cid: string, path: string): Promise<Response> {
  const reader = createHeliaLight();
  await car(reader).import(await CarReader.fromBytes(await request.bytes()));
  return await fileOf(reader, cid, path);
}

async function fileOf(helia: unknown, cid: string, path: string): Promise<Response> {
  const chunks: BlobPart[] = await Array.fromAsync(
    unixfs(helia).cat(CID.parse(cid), path === "" ? {} : { path }),
  );
  return new Response(new Blob(chunks));
}

async function answer(request: Request): Promise<Response> {
  const { pathname, searchParams: asked } = new URL(request.url);
  const [, action, cid = ""] = pathname.split("/");
  const path = asked.get("path") ?? "";
  if (action === "import") return await importFiles(request, asked.get("profile") === "2015");
  if (action === "ipfs") return await serveContent(cid, asked.get("format"));
  if (action === "read") return await readFrom(asked.get("gateway")!, cid, path);
  if (action === "read-car") return await readCar(request, cid, path);
  return new Response(`no ${pathname}\n`, { status: 404 });
}

Deno.serve({
  hostname: "127.0.0.1",
  port: 0,
  // deno-lint-ignore no-console -- it is how helia.ts learns where this is
  onListen: ({ port }) => console.log(`http://127.0.0.1:${port}`),
}, async (request) => {
  try {
    return await answer(request);
  } catch (error) {
    return new Response(`${error}\n`, { status: 500 });
  }
});
