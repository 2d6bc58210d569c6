// Says something in the chat, and tells what it hears next: node say.js URL 'gaumarjos!'
import process from "node:process";
import { WebSocket } from "ws";

const [url, words] = process.argv.slice(2);
const socket = new WebSocket(url.replace(/^http/, "ws"));
socket.on("open", () => socket.send(words));
socket.on("message", (text) => {
  process.stdout.write(`${text}\n`);
  socket.close();
});
