import assert from "node:assert/strict";
import { handshake, PlayedTunnel } from "../../../worlds/played_tunnel.ts";
import { openWire, textAnswer } from "../../../worlds/wire.ts";
import { NETWORK_TUNNELS_MAX, TUNNELS_MAX } from "../../limits_of_servers.ts";
import { Tunnels } from "./tunnels.ts";

const networkOf = (address: string) => address === "" ? null : address;

Deno.test("one network has so many tunnels, and others theirs", () => {
  const tunnels = new Tunnels({ networkOf });
  const places = Array.from({ length: NETWORK_TUNNELS_MAX }, () => tunnels.take("a"));
  const refused = { code: "overloaded", message: /from your network/ };
  assert.throws(() => tunnels.take("a"), refused);
  tunnels.take("b");
  places[0]!();
  tunnels.take("a");
  assert.throws(() => tunnels.take("a"), refused);
});

Deno.test("there are so many tunnels, whoever has them", () => {
  const tunnels = new Tunnels({ networkOf });
  const places = Array.from({ length: TUNNELS_MAX }, () => tunnels.take(""));
  assert.throws(() => tunnels.take(""), { code: "overloaded", message: /are open here/ });
  places[0]!();
  tunnels.take("");
});

Deno.test("a handshake for which there is no place is refused before anybody hears of it", async () => {
  let asked = 0;
  const played: PlayedTunnel[] = [];
  const networkOf = () => "one";
  await using wire = await openWire(
    ({ upgrade, path }) => {
      if (upgrade === null || path === "/refused") return Promise.resolve(textAnswer("plain"));
      asked += 1;
      played.push(new PlayedTunnel());
      return Promise.resolve(played.at(-1)!.answer);
    },
    null,
    networkOf,
  );
  const sockets = [];
  // More than a network may have connections, of which tunnels are none.
  for (let each = 0; each < NETWORK_TUNNELS_MAX; each++) {
    const socket = await wire.connect();
    sockets.push(socket);
    await socket.write(handshake());
    assert.match(await socket.readUntil("\r\n\r\n"), / 101 /);
  }
  const answer = await wire.say(handshake());
  assert.match(answer, /^HTTP\/1\.1 503 .*\r\nretry-after: 10\r\n.*from your network/s);
  assert.equal(asked, NETWORK_TUNNELS_MAX);
  assert.match(await wire.say("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), /plain$/);
  played[0]!.finish();
  assert.equal(await sockets[0]!.read(), null);
  sockets[0]!.close();
  await played[0]!.closed;
  for (let refused = 0; refused < 3; refused++) {
    assert.match(await wire.say(handshake("/refused")), / 200 /);
  }
  await using socket = await wire.connect();
  await socket.write(handshake());
  assert.match(await socket.readUntil("\r\n\r\n"), / 101 /);
  for (const each of sockets) each.close();
});
