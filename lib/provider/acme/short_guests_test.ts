import assert from "node:assert/strict";
import { ShortGuests } from "./short_guests.ts";

Deno.test("of too many the one that came first leaves, whoever comes", () => {
  const guests = new ShortGuests<string>(3, 3);
  for (const guest of ["a", "b", "c"]) assert.equal(guests.enter(guest, guest), null);
  assert.equal(guests.enter("d", "d"), "a");
  guests.leave("b");
  assert.equal(guests.enter("e", "e"), null);
  assert.equal(guests.enter("f", "f"), "c");
});

Deno.test("guests of one network displace each other and nobody else", () => {
  const guests = new ShortGuests<number>(10, 2);
  assert.equal(guests.enter(1, "ca"), null);
  assert.equal(guests.enter(2, "crowd"), null);
  assert.equal(guests.enter(3, "crowd"), null);
  for (let guest = 4; guest < 20; guest++) assert.equal(guests.enter(guest, "crowd"), guest - 2);
});

Deno.test("a network that stands for many has no bound but that of all", () => {
  const guests = new ShortGuests<number>(4, 1);
  for (let guest = 0; guest < 4; guest++) assert.equal(guests.enter(guest, null), null);
  assert.equal(guests.enter(4, null), 0);
});
