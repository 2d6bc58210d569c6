import assert from "node:assert/strict";
import { InFlight } from "./in_flight.ts";
import type { SentRequest } from "./sent_request.ts";

/** A request as far as these accounts look at it. */
function request(dueAt: number, facts: { isUpgrade?: boolean; isStuck?: boolean } = {}) {
  const ends: string[] = [];
  const sent = {
    dueAt,
    isUpgrade: facts.isUpgrade ?? false,
    isStuck: () => facts.isStuck ?? false,
    end: (limit: string) => void ends.push(limit),
    die: () => void ends.push("died"),
  };
  return { ...sent, sent: sent as unknown as SentRequest, raw: sent, ends };
}

/** As a seat is taken, and its request sent. */
function begin(inFlight: InFlight, { sent }: ReturnType<typeof request>): void {
  inFlight.seats += 1;
  inFlight.add(sent);
}

Deno.test("a request has a place until it is over, a tunnel none", () => {
  const inFlight = new InFlight();
  const [plain, tunnel] = [request(10), request(10, { isUpgrade: true })];
  begin(inFlight, plain);
  begin(inFlight, tunnel);
  assert.deepEqual([inFlight.seats, inFlight.tunnels, inFlight.upgrades], [2, 0, 1]);
  inFlight.tunnelled(tunnel.sent);
  assert.deepEqual([inFlight.seats, inFlight.tunnels, inFlight.upgrades], [1, 1, 1]);
  assert.equal(inFlight.remove(plain.sent, true), true);
  assert.deepEqual([inFlight.seats, inFlight.isQuiet, inFlight.isEmpty], [0, false, false]);
  assert.equal(inFlight.remove(tunnel.sent, true), false);
  assert.deepEqual([inFlight.seats, inFlight.tunnels, inFlight.upgrades], [0, 0, 0]);
  assert.deepEqual([inFlight.isQuiet, inFlight.isEmpty, inFlight.answered], [true, true, 2]);
});

Deno.test("a place that is kept for a request is no work", () => {
  const inFlight = new InFlight();
  inFlight.seats += 1;
  assert.deepEqual([inFlight.isQuiet, inFlight.isEmpty], [true, false]);
});

Deno.test("what is out of time is ended, and what makes no headway said first", () => {
  const inFlight = new InFlight();
  const requests = [request(10), request(20, { isStuck: true }), request(30)];
  for (const each of requests) begin(inFlight, each);
  const order: string[] = [];
  const onStuck = () => void order.push(`stuck before ${requests[1]!.ends.length} ends`);
  assert.equal(inFlight.expire(9, onStuck), 10);
  assert.equal(inFlight.expire(10, onStuck), 20);
  inFlight.remove(requests[0]!.sent, false);
  requests[2]!.raw.dueAt = 40;
  assert.equal(inFlight.expire(20, onStuck), 40);
  assert.deepEqual(requests.map(({ ends }) => ends), [["timeout"], ["timeout"], []]);
  assert.deepEqual(order, ["stuck before 0 ends"]);
});

Deno.test("tunnels can be ended alone, and all with their instance", () => {
  const inFlight = new InFlight();
  const [plain, tunnel] = [request(10), request(10, { isUpgrade: true })];
  begin(inFlight, plain);
  begin(inFlight, tunnel);
  inFlight.tunnelled(tunnel.sent);
  inFlight.endTunnels();
  assert.deepEqual([plain.ends, tunnel.ends], [[], ["aborted"]]);
  inFlight.die({ why: new Error() as never, record: null });
  assert.deepEqual([plain.ends, tunnel.ends], [["died"], ["aborted", "died"]]);
});
