// Keeps what is put under a name, as long as it runs: node upstream.mjs PORT
import { Buffer } from "node:buffer";
import { createServer } from "node:http";

const [port] = process.argv.slice(2);
const kept = new Map();

createServer(async (request, response) => {
  if (request.method === "PUT") {
    const parts = [];
    for await (const part of request) parts.push(part);
    kept.set(request.url, Buffer.concat(parts));
  }
  response.end(request.method === "GET" ? kept.get(request.url) ?? "nothing yet" : "");
}).listen(Number(port), "127.0.0.1");
