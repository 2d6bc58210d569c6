/**
 * What the leader has signed, and what other nodes wish that it sends. A form is written before it
 * is broadcast, by who leads at that moment and as long as that holds: a new leader begins only
 * when it is written, and so finds it.
 */
export const OUTBOX = `
CREATE TABLE outbox (
  nonce int8 NOT NULL,
  -- The transaction's hash.
  form text NOT NULL,
  seq int8 GENERATED ALWAYS AS IDENTITY,
  raw text NOT NULL,
  recipient text NOT NULL,
  data text NOT NULL,
  gas numeric NOT NULL,
  -- Wei.
  max_fee numeric NOT NULL,
  max_priority_fee numeric NOT NULL,
  rank text NOT NULL,
  cost_max numeric,
  signed_at int8,
  term int8 NOT NULL,
  PRIMARY KEY (nonce, form)
);

-- "stored"; "not leading"; "taken": another call stands under the nonce, which could be mined in
-- the place of this one. A filler takes its nonce from whatever is under it.
CREATE FUNCTION remember_1(_session int4, _term int8, _nonce int8, _form text, _raw text,
  _recipient text, _data text, _gas numeric, _max_fee numeric, _max_priority_fee numeric,
  _rank text, _cost_max numeric, _signed_at int8) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  IF NOT leads_1(_session, _term) THEN RETURN 'not leading'; END IF;
  IF _rank <> 'filler' AND EXISTS (SELECT FROM outbox
    WHERE nonce = _nonce AND (recipient <> _recipient OR data <> _data))
  THEN RETURN 'taken'; END IF;
  INSERT INTO outbox (nonce, form, raw, recipient, data, gas, max_fee, max_priority_fee, rank,
      cost_max, signed_at, term)
    VALUES (_nonce, _form, _raw, _recipient, _data, _gas, _max_fee, _max_priority_fee, _rank,
      _cost_max, _signed_at, _term)
    ON CONFLICT DO NOTHING;
  RETURN 'stored';
END $$;

-- Drops a form, or all of a nonce; who leads no more drops nothing.
CREATE FUNCTION forget_1(_session int4, _term int8, _nonce int8, _form text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  IF NOT leads_1(_session, _term) THEN RETURN; END IF;
  DELETE FROM outbox WHERE nonce = _nonce AND (_form IS NULL OR form = _form);
END $$;

-- What nodes wish that is sent, and what became of it, which they look for.
CREATE TABLE wishes (
  id text PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT now(),
  -- "send", or "settle": what is due, now, without a call.
  kind text NOT NULL,
  recipient text NOT NULL,
  data text NOT NULL,
  sending jsonb NOT NULL,
  -- Null: it is open.
  result jsonb,
  done timestamptz
);
CREATE INDEX wishes_open ON wishes (at) WHERE result IS NULL;

-- What is wished for, each once, the oldest first; who has not looked what became of its wish for a
-- minute looks no more.
CREATE FUNCTION wished_1() RETURNS TABLE (kind text, recipient text, data text, sending jsonb)
LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM wishes w WHERE w.done < now() - interval '60 seconds';
  RETURN QUERY SELECT w.kind, w.recipient, w.data, (array_agg(w.sending ORDER BY w.at))[1]
    FROM wishes w WHERE w.result IS NULL
    GROUP BY w.kind, w.recipient, w.data ORDER BY min(w.at);
END $$;

-- What became of a wish, says who leads still.
CREATE FUNCTION fulfil_1(_session int4, _term int8, _kind text, _recipient text, _data text,
  _result jsonb) RETURNS void LANGUAGE sql AS $$
  UPDATE wishes SET result = _result, done = now()
    WHERE kind = _kind AND recipient = _recipient AND data = _data AND result IS NULL
      AND EXISTS (SELECT FROM leader WHERE session = _session AND term = _term)
$$;

-- A form was mined: whoever wished for its call has its receipt, whoever leads by now.
CREATE FUNCTION mined_1(_form text, _result jsonb) RETURNS void LANGUAGE sql AS $$
  UPDATE wishes w SET result = _result, done = now() FROM outbox o
    WHERE o.form = _form AND o.recipient = w.recipient AND o.data = w.data AND w.result IS NULL
$$;
`;
