/**
 * A turn of one lane, which is all of most turns where one program is called much: it does what a
 * turn of many lanes (turn.ts) does, by statements of single rows, for less of the database (`deno
 * task bench fleet`, row "PostgreSQL's processor").
 */
import { LANE_AFTER } from "./lane_after.ts";

export const TURN_OF_ONE = `
-- Takes and returns what turn_1 does, of one lane.
CREATE FUNCTION turn_of_one_1(_session int4, _lanes jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  q record;
  a record;
  l record;
  h record;
  fate text := 'done';
  charges int8;
  base int8;
  n int8 := 0;
  m int8;
  count int8;
  price int8;
  room int8;
  stray int8;
  at int8 := now_ms();
  is_stale boolean;
  is_known boolean;
  is_first boolean;
BEGIN
  SELECT * INTO q FROM jsonb_to_record(_lanes->0) AS x(
    account int8, lane int8, turn int8, first int8, version int8, releases int8, ceiling int8,
    block int8, rows jsonb, steps jsonb, wants jsonb, promised int8, permits jsonb);
  SELECT used, held, ceiling, ceiling_block INTO a
    FROM accounts WHERE id = q.account FOR NO KEY UPDATE;
  -- As they are now that nobody else changes them.
  SELECT charged, held, settled, version, refused, due, owed, steps_upto, steps_price,
      ages_beyond, ages_at
    INTO l FROM lanes WHERE id = q.lane;
  IF NOT FOUND THEN RETURN '[]'; END IF;
  SELECT turn, granted, charged_from, credits INTO h
    FROM holds WHERE session = _session AND lane = q.lane;
  is_known := FOUND;
  is_first := q.turn = coalesce(q.first, 1);
  base := l.charged;
  IF is_known AND h.turn = q.turn THEN
    fate := 'again';
    n := h.granted;
    base := h.charged_from;
  ELSIF NOT (is_known AND (h.turn = q.turn - 1 OR is_first AND h.turn < q.turn)
    OR NOT is_known AND is_first)
  THEN
    -- It was carried out before they were given back, or will never be.
    fate := CASE WHEN EXISTS (SELECT FROM journal WHERE reservation = (q.rows->0->>0)::int8)
      THEN 'past' ELSE 'lost' END;
  END IF;
  IF fate <> 'done' THEN
    RETURN jsonb_build_array(jsonb_build_array(q.lane, fate, n, base::text, l.charged::text,
      l.held::text, a.used::text, a.held::text, CASE WHEN fate = 'again' AND l.version <> q.version
        THEN (SELECT lane_json(x) FROM lanes x WHERE x.id = q.lane) END));
  END IF;

  stray := CASE WHEN is_known AND is_first THEN h.credits ELSE 0 END;
${LANE_AFTER}
  IF charges > 0 THEN
    INSERT INTO journal (reservation, at, lane, charged, price, cid, outcome, facts)
      SELECT (x->>0)::int8, (x->>1)::int8, q.lane, base + nr, (x->>2)::int8, x->>3, x->>4,
        NULLIF(x->5, 'null')
      FROM jsonb_array_elements(q.rows) WITH ORDINALITY AS r(x, nr);
  END IF;
  l.due := l.refused IS NULL AND l.charged > l.settled AND cardinality(l.steps_upto) > 0;
  UPDATE accounts SET used = a.used, held = a.held, ceiling = a.ceiling,
    ceiling_block = a.ceiling_block WHERE id = q.account;
  UPDATE lanes SET charged = l.charged, held = l.held, version = l.version,
    refused = l.refused, due = l.due, owed = l.owed, steps_upto = l.steps_upto,
    steps_price = l.steps_price, ages_beyond = l.ages_beyond, ages_at = l.ages_at
    WHERE id = q.lane;
  INSERT INTO holds AS o (session, lane, account, credits, turn, granted, charged_from)
    VALUES (_session, q.lane, q.account, n, q.turn, n, base)
    ON CONFLICT (session, lane) DO UPDATE SET
      credits = o.credits + excluded.credits - charges - q.releases - stray,
      turn = excluded.turn, granted = excluded.granted, charged_from = excluded.charged_from;
  RETURN jsonb_build_array(jsonb_build_array(q.lane, fate, n, base::text, l.charged::text,
    l.held::text, a.used::text, a.held::text, CASE WHEN l.version <> q.version
      THEN (SELECT lane_json(x) FROM lanes x WHERE x.id = q.lane) END));
END $$;
`;
