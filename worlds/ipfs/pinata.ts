/**
 * Pinata's upload endpoint as its documentation has it
 * (https://docs.pinata.cloud/api-reference/endpoint/upload-a-file), strict: what a client of ours
 * leaves out or adds is refused. Stored blocks go to a gateway, as Pinata serves what is public.
 */
import { CarReader } from "@ipld/car";
import { type Block, CID, formatCid, isContentOf } from "../../lib/cid.ts";
import type { TestGateway } from "./gateway.ts";

export interface PinataOptions {
  jwt: string;
  /** Serves what was uploaded. */
  gateway: Pick<TestGateway, "put">;
  /** Answers with it in the place of the cid that was uploaded. */
  wrongCid?: string;
}

export interface TestPinata extends AsyncDisposable {
  url: string;
  /** Cids in the order of their uploads. */
  uploaded: string[];
}

const FIELDS = ["network", "car", "name", "file"];

export function startPinata({ jwt, gateway, wrongCid }: PinataOptions): TestPinata {
  const uploaded: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { pathname } = new URL(request.url);
    if (request.method !== "POST" || pathname !== "/v3/files") return refuse(404, "NOT_FOUND");
    if (request.headers.get("authorization") !== `Bearer ${jwt}`) {
      return refuse(401, `No matching credentials: ${request.headers.get("authorization")}`);
    }
    if (!request.headers.has("content-length")) return refuse(411, "LENGTH_REQUIRED");
    const form = await request.formData();
    const fault = faultOf(form);
    if (fault !== null) return refuse(400, fault);
    const file = form.get("file") as File;
    const { root, blocks } = await readWith(await file.bytes());
    await gateway.put(blocks);
    uploaded.push(root);
    const now = new Date().toISOString();
    return Response.json({
      data: {
        id: crypto.randomUUID(),
        name: form.get("name"),
        cid: wrongCid ?? root,
        size: file.size,
        number_of_files: 1,
        mime_type: "application/vnd.ipld.car",
        group_id: null,
        keyvalues: {},
        vectorized: false,
        network: "public",
        created_at: now,
        updated_at: now,
      },
    });
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    uploaded,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

function refuse(status: number, message: string): Response {
  return Response.json({ error: { code: status, message } }, { status });
}

function faultOf(form: FormData): string | null {
  const unknown = [...form.keys()].find((key) => !FIELDS.includes(key));
  if (unknown !== undefined) return `unknown field ${unknown}`;
  if (form.get("network") !== "public") return "it would be private";
  if (form.get("car") !== "true") return "it would be stored as a CAR, not unpacked";
  return form.get("file") instanceof File ? null : "no file";
}

async function readWith(bytes: Uint8Array): Promise<{ root: string; blocks: Block[] }> {
  const car = await CarReader.fromBytes(bytes);
  const blocks: Block[] = [];
  for await (const block of car.blocks()) {
    const cid = CID.decode(block.cid.bytes);
    if (!isContentOf(cid, block.bytes)) throw new Error(`${block.cid} has wrong bytes`);
    blocks.push({ cid, bytes: block.bytes });
  }
  const [root] = await car.getRoots();
  return { root: formatCid(CID.decode(root!.bytes)), blocks };
}
