import assert from "node:assert/strict";
import { InstanceBudget, type Occupant, type Place } from "./instance_budget.ts";

interface Tenant extends Occupant {
  place: Place | null;
  isEvicted: boolean;
}

/** One that leaves when it is told to, if `leaves`. */
function tenant(idleSince: number | null, leaves = true): Tenant {
  const self: Tenant = {
    place: null,
    isEvicted: false,
    idleSince: () => self.isEvicted ? null : idleSince,
    evict() {
      self.isEvicted = true;
      if (leaves) self.place!.leave();
    },
  };
  return self;
}

function settle(budget: InstanceBudget, tenants: Tenant[]): void {
  for (const each of tenants) each.place = budget.take(each, true, () => {});
  assert(tenants.every(({ place }) => place !== null));
}

Deno.test("there are as many places as were given", () => {
  const budget = new InstanceBudget(2);
  const tenants = [tenant(null), tenant(null)];
  settle(budget, tenants);
  let asked = 0;
  const third = tenant(null);
  const onRoom = () => asked++;
  assert.equal(budget.take(third, true, onRoom), null);
  assert.equal(budget.take(third, true, onRoom), null);
  tenants[0]!.place!.leave();
  tenants[0]!.place!.leave();
  assert.equal(asked, 1);
  assert.equal(budget.taken(), 1);
  assert(budget.take(third, true, onRoom));
  tenants[1]!.place!.leave();
  assert.equal(asked, 1, "who has a place waits for none");
});

Deno.test("the longest idle goes, and one for each that waits", () => {
  const budget = new InstanceBudget(3);
  const tenants = [tenant(20, false), tenant(10, false), tenant(null)];
  settle(budget, tenants);
  const asks = [() => {}, () => {}];
  budget.take(tenant(null), true, asks[0]!);
  assert.deepEqual(tenants.map(({ isEvicted }) => isEvicted), [false, true, false]);
  budget.take(tenant(null), true, asks[0]!);
  assert.deepEqual(tenants.map(({ isEvicted }) => isEvicted), [false, true, false]);
  budget.take(tenant(null), true, asks[1]!);
  assert.deepEqual(tenants.map(({ isEvicted }) => isEvicted), [true, true, false]);
});

Deno.test("whoever needs no place any more has nobody go", () => {
  const budget = new InstanceBudget(1);
  const one = tenant(null);
  settle(budget, [one]);
  const onRoom = () => assert.fail("it needs none");
  budget.take(tenant(null), true, onRoom);
  budget.forget(onRoom);
  one.place!.leave();
});

Deno.test("the last places are for deployments that have none", () => {
  const budget = new InstanceBudget(4);
  const tenants = [tenant(null), tenant(null), tenant(null)];
  settle(budget, tenants);
  assert.equal(budget.take(tenant(null), false, () => {}), null);
  assert(budget.take(tenant(null), true, () => {}));
});

Deno.test("a further instance has one go only if that makes room for it", () => {
  const budget = new InstanceBudget(4);
  const tenants = [tenant(1), tenant(2), tenant(3), tenant(4)];
  settle(budget, tenants);
  assert.equal(budget.take(tenant(null), false, () => {}), null);
  assert(!tenants.some(({ isEvicted }) => isEvicted));
  tenants[3]!.place!.leave();
  assert.equal(budget.take(tenant(null), false, () => {}), null);
  assert.deepEqual(tenants.map(({ isEvicted }) => isEvicted), [true, false, false, false]);
});

Deno.test("a machine without places has none, and keeps nobody waiting for ever", () => {
  const budget = new InstanceBudget(0);
  assert.equal(budget.take(tenant(null), true, () => {}), null);
});
