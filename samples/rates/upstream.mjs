// An API that wants a token: node upstream.mjs PORT FILE, of which FILE says API_TOKEN=...
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

const [port, file] = process.argv.slice(2);
const [, token] = /^API_TOKEN=(.+)$/m.exec(readFileSync(file, "utf8"));
const USD = { GEL: 2.72, TRY: 42.1, EUR: 0.86 };

createServer(({ url, headers }, response) => {
  const rate = USD[url.replace("/rates/", "")];
  const isKnown = headers.authorization === `Bearer ${token}`;
  response.statusCode = !isKnown ? 401 : rate === undefined ? 404 : 200;
  response.end(response.statusCode === 200 ? JSON.stringify({ usd: 1, rate }) : "");
}).listen(Number(port), "127.0.0.1");
