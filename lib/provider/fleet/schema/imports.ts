/**
 * How a whole ledger is brought here. No session begins until all of it came and was read back, so
 * nobody serves by a part of it. Parts are numbered and say by which import they come: one that
 * comes again is passed over, and one of an import that another took the place of does nothing.
 */
export const IMPORTS = `
CREATE TABLE imports (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  -- The import's own.
  word text NOT NULL,
  -- The last that came.
  part int8 NOT NULL DEFAULT 0,
  done boolean NOT NULL DEFAULT false,
  -- What was charged before the journal begins: { charges, amount }.
  gone jsonb
);

CREATE FUNCTION refuse_session_1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM imports WHERE NOT done) THEN
    RAISE EXCEPTION 'the import of a ledger has not ended';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER none_while_importing BEFORE INSERT ON sessions
  FOR EACH ROW EXECUTE FUNCTION refuse_session_1();

-- 'begun'; 'live': a node is; 'full': there is a ledger already. What an import has left that was
-- given up goes.
CREATE FUNCTION import_begin_1(_word text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  i imports;
BEGIN
  -- Whoever begins a session meanwhile waits, and finds that there is an import.
  LOCK TABLE sessions IN SHARE ROW EXCLUSIVE MODE;
  SELECT * INTO i FROM imports FOR UPDATE;
  IF i.word = _word THEN RETURN 'begun'; END IF;
  IF EXISTS (SELECT FROM sessions WHERE NOT reaped AND until >= now()) THEN RETURN 'live'; END IF;
  -- So that none comes back that was not heard of.
  UPDATE sessions SET reaped = true WHERE NOT reaped;
  IF i.word IS NOT NULL AND NOT i.done THEN
    TRUNCATE accounts, lanes, holds, journal, answers, answers_kept, purchases, purchasers;
  ELSIF EXISTS (SELECT FROM accounts) OR EXISTS (SELECT FROM journal)
    OR EXISTS (SELECT FROM purchases) OR EXISTS (SELECT FROM answers)
  THEN
    RETURN 'full';
  END IF;
  INSERT INTO imports (word) VALUES (_word)
    ON CONFLICT (one) DO UPDATE SET word = _word, part = 0, done = false, gone = NULL;
  RETURN 'begun';
END $$;

-- false: another import took this one's place. Numbers of 64 bits are text, bytes hex or base64.
-- _rows: { lanes: [{ id, payer, lane, opened, … }], purchases: [{ … }], answers: [{ … }],
--   charges: [[reservation, at, lane, charged, price, cid, outcome, facts]], gone }.
CREATE FUNCTION import_rows_1(_word text, _part int8, _rows jsonb) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  last int8;
BEGIN
  SELECT part INTO last FROM imports WHERE word = _word AND NOT done FOR UPDATE;
  IF NOT FOUND THEN RETURN false; END IF;
  IF last >= _part THEN RETURN true; END IF;

  INSERT INTO accounts AS a (payer, used, settled)
    SELECT payer, sum(charged - opened), sum(settled - opened)
    FROM jsonb_to_recordset(_rows->'lanes')
      AS x(payer text, opened int8, charged int8, settled int8)
    GROUP BY payer
    ON CONFLICT (payer) DO UPDATE
      SET used = a.used + excluded.used, settled = a.settled + excluded.settled;
  INSERT INTO lanes (id, account, lane, opened, opened_at, charged, settled, settled_block, permits,
      steps_upto, steps_price, ages_beyond, ages_at, refused, due, owed)
    OVERRIDING SYSTEM VALUE
    SELECT x.id, a.id, x.lane, opened, opened_at, charged, x.settled, settled_block, permits,
      steps_upto, steps_price, ages_beyond, ages_at, refused,
      refused IS NULL AND charged > x.settled AND cardinality(steps_upto) > 0,
      owed_of(x.settled, charged, steps_upto, steps_price)
    FROM jsonb_to_recordset(_rows->'lanes') AS x(id int8, payer text, lane text, opened int8,
        opened_at int8, charged int8, settled int8, settled_block int8, permits jsonb,
        steps_upto int8[], steps_price int8[], ages_beyond int8[], ages_at int8[], refused text)
      JOIN accounts a USING (payer);
  INSERT INTO journal (reservation, at, lane, charged, price, cid, outcome, facts)
    SELECT (x->>0)::int8, (x->>1)::int8, (x->>2)::int8, (x->>3)::int8, (x->>4)::int8, x->>5,
      x->>6, NULLIF(x->7, 'null')
    FROM jsonb_array_elements(_rows->'charges') AS x;
  INSERT INTO purchases (id, chain, asset, payer, nonce, pay_to, value, valid_after, valid_before,
      signature, cid, request, key, block, at, state, tx_hash, paid_block, paid_hash, outcome,
      facts, run)
    OVERRIDING SYSTEM VALUE
    SELECT id, chain, asset, payer, nonce, "payTo", value, "validAfter", "validBefore", signature,
      cid, decode(request, 'hex'), decode(key, 'hex'), block, at, state, "txHash", "paidBlock",
      "paidHash", outcome, facts, ''
    FROM jsonb_to_recordset(_rows->'purchases') AS x(id int8, chain int8, asset text, payer text,
      nonce text, "payTo" text, value numeric, "validAfter" numeric, "validBefore" numeric,
      signature text, cid text, request text, key text, block int8, at int8, state text,
      "txHash" text, "paidBlock" int8, "paidHash" text, outcome text, facts jsonb);
  INSERT INTO answers (id, payer, fingerprint, session, claim, at, reservation, bytes, status,
      headers, body, why)
    SELECT decode(id, 'hex'), payer, decode(fingerprint, 'hex'),
      GREATEST(reservation >> 32, 0)::int4, gen_random_uuid(), at, reservation, bytes, status,
      headers, decode(body, 'base64'), why
    FROM jsonb_to_recordset(_rows->'answers') AS x(id text, payer text, fingerprint text,
      at int8, reservation int8, bytes int4, status int4, headers text, body text, why text);
  PERFORM count_answers(payer, slot_of(decode(id, 'hex')), 1, bytes)
    FROM jsonb_to_recordset(_rows->'answers') AS x(id text, payer text, bytes int4);
  UPDATE imports SET part = _part, gone = coalesce(NULLIF(_rows->'gone', 'null'), gone);
  RETURN true;
END $$;

-- The number that an identity gives next.
CREATE FUNCTION next_of_1(_table text) RETURNS int8 LANGUAGE plpgsql AS $$
DECLARE
  number int8;
BEGIN
  EXECUTE format('SELECT last_value + is_called::int FROM %s',
    pg_get_serial_sequence(_table, 'id')) INTO number;
  RETURN number;
END $$;

-- All came: nodes may begin. _next: what identities give next at least, { sessions, purchases }.
CREATE FUNCTION import_end_1(_word text, _next jsonb) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM imports WHERE word = _word FOR UPDATE;
  IF NOT FOUND THEN RETURN false; END IF;
  PERFORM setval(pg_get_serial_sequence(t, 'id'), GREATEST(number, next_of_1(t)), false)
    FROM (
      SELECT key AS t, value::int8 AS number FROM jsonb_each_text(_next)
      UNION ALL SELECT 'lanes', (SELECT coalesce(max(id), 0) + 1 FROM lanes)
    ) x;
  UPDATE imports SET done = true;
  RETURN true;
END $$;
`;
