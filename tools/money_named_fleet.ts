/** Of the mutants that some test has to notice (money_named.ts): what several nodes do at once. */
import type { NamedMutant } from "./typescript_target.ts";

const TURN = "lib/provider/fleet/schema/turn.ts";
const LANE_AFTER = "lib/provider/fleet/schema/lane_after.ts";
const TURN_OF_ONE = "lib/provider/fleet/schema/turn_of_one.ts";
const LANES = "lib/provider/fleet/schema/lanes.ts";
const REAPING = "lib/provider/fleet/reaping.ts";
const LEADERSHIP = "lib/provider/fleet/schema/leadership.ts";
const OUTBOX = "lib/provider/fleet/schema/outbox.ts";
const DESK = "lib/provider/settlement/fleet/wish_desk.ts";

export const FLEET_NAMED: readonly NamedMutant[] = [
  {
    name: "a turn locks no row",
    file: TURN,
    from: "ORDER BY id FOR NO KEY UPDATE;",
    to: "ORDER BY id;",
  },
  {
    name: "a turn that comes again is applied twice",
    file: TURN,
    from: "IF is_known AND q.last_turn = q.turn THEN\n      fate := 'again';",
    to: "IF is_known AND q.last_turn = q.turn THEN\n      fate := 'done';",
  },
  {
    name: "credits are given back without the account's lock",
    file: REAPING,
    from: "WHERE id IN (SELECT account FROM due) ORDER BY id FOR NO KEY UPDATE",
    to: "WHERE id IN (SELECT account FROM due) ORDER BY id",
  },
  {
    name: "what the chain tells is written without the account's lock",
    file: LANES,
    from: "    PERFORM FROM accounts WHERE id = f.account FOR NO KEY UPDATE;\n",
    to: "",
  },
  {
    name: "prices go of what a reorganisation may make due again",
    file: LANES,
    from: "IF l.steps_block <= f.final THEN",
    to: "IF true THEN",
  },
  {
    name: "a turn goes on whose holds were given back",
    file: TURN,
    from: "OR NOT is_known AND is_first\n",
    to: "OR NOT is_known\n",
  },
  {
    name: "a charge that came before its hold went is told to be none",
    file: TURN,
    from: "fate := 'past';",
    to: "fate := 'lost';",
  },
  {
    name: "what a forgotten turn's late copy holds stays held",
    file: TURN,
    from: "THEN q.credits ELSE 0 END",
    to: "THEN 0 ELSE 0 END",
  },
  {
    name: "of one lane: a turn locks no row",
    file: TURN_OF_ONE,
    from: "WHERE id = q.account FOR NO KEY UPDATE;",
    to: "WHERE id = q.account;",
  },
  {
    name: "of one lane: a turn that comes again is applied twice",
    file: TURN_OF_ONE,
    from: "IF is_known AND h.turn = q.turn THEN\n    fate := 'again';",
    to: "IF is_known AND h.turn = q.turn THEN\n    fate := 'done';",
  },
  {
    name: "of one lane: a turn goes on whose holds were given back",
    file: TURN_OF_ONE,
    from: "OR NOT is_known AND is_first)",
    to: "OR NOT is_known)",
  },
  {
    name: "of one lane: a charge that came before its hold went is told to be none",
    file: TURN_OF_ONE,
    from: "THEN 'past' ELSE 'lost' END",
    to: "THEN 'lost' ELSE 'lost' END",
  },
  {
    name: "of one lane: what a forgotten turn's late copy holds stays held",
    file: TURN_OF_ONE,
    from: "THEN h.credits ELSE 0 END",
    to: "THEN 0 ELSE 0 END",
  },
  {
    name: "what was judged on another version is granted",
    file: LANE_AFTER,
    from: "is_stale := q.version <> l.version",
    to: "is_stale := false",
  },
  {
    name: "permits that were judged on fewer credits are kept",
    file: LANE_AFTER,
    from: "\n    OR (q.permits IS NOT NULL AND l.charged + l.held > q.promised);",
    to: ";",
  },
  {
    name: "more is granted than a permit covers",
    file: LANE_AFTER,
    from: "LEAST(count, room - n, (q.wants->i->>1)::int8 - l.charged - l.held - n)",
    to: "LEAST(count, room - n)",
  },
  {
    name: "an older block's ceiling counts",
    file: LANE_AFTER,
    from: "IF q.block >= a.ceiling_block THEN",
    to: "IF true THEN",
  },
  {
    name: "another may begin to lead while a form is written",
    file: LEADERSHIP,
    from: " FOR SHARE;",
    to: ";",
  },
  {
    name: "who leads no more signs on",
    file: OUTBOX,
    from: "IF NOT leads_1(_session, _term) THEN RETURN 'not leading'; END IF;",
    to: "",
  },
  {
    name: "two calls are signed under one nonce",
    file: OUTBOX,
    from: "THEN RETURN 'taken'; END IF;",
    to: "THEN NULL; END IF;",
  },
  {
    name: "what is out is sent again for who wishes for it",
    file: DESK,
    from: "operator.endOf(call) ?? operator.send(",
    to: "operator.send(",
  },
];
