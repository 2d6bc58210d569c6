/**
 * Runs in Node: its own parser (llhttp, strict) reads what each line of stdin holds, a JSON list of
 * pieces in base64, and a line of stdout says which requests that makes.
 */
import common from "node:_http_common";
import { Buffer } from "node:buffer";
import process from "node:process";
import { createInterface } from "node:readline";

const { HTTPParser } = common;
const { allMethods } = process.binding("http_parser");
const HEAD_BYTES_MAX = 16 * 1024;

function read(pieces) {
  const requests = [];
  let open = null;
  const parser = new HTTPParser();
  parser.initialize(HTTPParser.REQUEST, {}, HEAD_BYTES_MAX, HTTPParser.kLenientNone);
  // Heads of more than 32 fields come in parts, and so do trailers.
  let early = [];
  let earlyTarget = "";
  parser[HTTPParser.kOnHeaders | 0] = (fields, target) => {
    early = early.concat(fields);
    earlyTarget += target;
  };
  parser[HTTPParser.kOnHeadersComplete | 0] = (major, minor, fields, method, target, ...rest) => {
    const isUpgrade = rest[2];
    const isKept = rest[3];
    open = {
      version: `${major}.${minor}`,
      method: allMethods[method],
      target: earlyTarget + (target ?? ""),
      fields: early.concat(fields ?? []),
      body: [],
      isUpgrade,
      isKept,
    };
    early = [];
    earlyTarget = "";
    return 0;
  };
  parser[HTTPParser.kOnBody | 0] = (chunk) => void open.body.push(Buffer.from(chunk));
  parser[HTTPParser.kOnMessageComplete | 0] = () => {
    early = [];
    earlyTarget = "";
    requests.push({ ...open, body: Buffer.concat(open.body).toString("latin1") });
    open = null;
  };
  let failure = null;
  for (const piece of pieces) {
    let rest = Buffer.from(piece, "base64");
    while (rest.length > 0 && failure === null) {
      const count = requests.length;
      const result = parser.execute(rest);
      if (result instanceof Error) failure = result.code;
      // Of a request that asks for another protocol node does not tell what is wrong.
      else if (result < rest.length && requests.length === count) failure = "UNTOLD";
      else rest = rest.subarray(result);
      if (requests.length > count && requests.at(-1).isUpgrade) {
        // It stops behind what asks for another protocol, which is declined: HTTP goes on.
        parser.initialize(HTTPParser.REQUEST, {}, HEAD_BYTES_MAX, HTTPParser.kLenientNone);
      }
    }
    if (failure !== null) break;
  }
  const isCut = open !== null;
  parser.close();
  return { requests, failure, isCut };
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(read(JSON.parse(line)))}\n`);
}
