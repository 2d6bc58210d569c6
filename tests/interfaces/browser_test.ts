/** Streams of a program as a web page meets them, in a real browser. */
import assert from "node:assert/strict";
import { CHROMIUM, runInPage } from "../../worlds/browser.ts";
import { INTERFACES } from "./row.ts";
import { openStage } from "./stage.ts";

/** What a page hears of a stream until it closes it: the program never ends it by itself. */
const LISTEN = `const listen = (url) => new Promise((resolve, reject) => {
  const source = new EventSource(url);
  source.onmessage = ({ data }) => { source.close(); resolve(data); };
  source.onerror = () => { source.close(); reject(new Error("no events from " + url)); };
});`;

Deno.test({
  name: "a page hears server-sent events through each interface",
  ignore: CHROMIUM === null,
  async fn() {
    await using stage = await openStage();
    const { url } = stage.market.provider;
    const urls = INTERFACES.map((kind) => `${url}/${stage.cids[kind]}/endless`);
    const script = `${LISTEN} return await Promise.all(${JSON.stringify(urls)}.map(listen));`;
    assert.deepEqual(await runInPage(CHROMIUM!, script), ["one", "one", "one"]);
  },
});

/** Says three things, and tells what came back, and how it ended. */
const TALK = `const talk = (url) => new Promise((resolve, reject) => {
  const socket = new WebSocket(url);
  const heard = [];
  socket.onopen = () => ["one", "two", "three"].forEach((word) => socket.send(word));
  socket.onmessage = ({ data }) => { if (heard.push(data) === 3) socket.close(1000); };
  socket.onclose = ({ code, wasClean }) => resolve({ heard, code, wasClean });
  socket.onerror = () => reject(new Error("no WebSocket at " + url));
});`;

Deno.test({
  name: "a page talks with a server over a WebSocket",
  ignore: CHROMIUM === null,
  async fn() {
    await using stage = await openStage(["http"], "http://localhost");
    const { port, cids: { http } } = stage;
    const urls = [`ws://localhost:${port}/${http}/socket`, `ws://${http}.localhost:${port}/socket`];
    const script = `${TALK} return await Promise.all(${JSON.stringify(urls)}.map(talk));`;
    const wanted = { heard: ["one", "two", "three"], code: 1000, wasClean: true };
    assert.deepEqual(await runInPage(CHROMIUM!, script), [wanted, wanted]);
  },
});
