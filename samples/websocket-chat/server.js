// A chat: whoever is connected hears what anybody says. On every path; a page for browsers, too.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import process from "node:process";
import { WebSocket, WebSocketServer } from "ws";

const page = readFileSync("page.html");
const server = createServer((_request, response) => {
  response.setHeader("content-type", "text/html; charset=utf-8");
  response.end(page);
});

const chat = new WebSocketServer({ server, maxPayload: 1_024 });
chat.on("connection", (guest, request) => {
  // Who pays for its connection itself is known by its address, which nobody can forge.
  const name = request.headers["khachapuri-payer"] ?? "somebody";
  guest.on("error", () => guest.terminate());
  guest.on("message", (words) => tell(`${name}: ${words}`));
});

function tell(text) {
  for (const guest of chat.clients) {
    if (guest.readyState === WebSocket.OPEN) guest.send(text);
  }
}

server.listen(process.env.PORT);
