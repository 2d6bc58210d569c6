/** What nodes have in common beside the ledger and what is sent. */
export const SETTINGS = `
CREATE TABLE settings (key text PRIMARY KEY, value jsonb NOT NULL);

-- When something was last relayed for a payer, ms since the epoch, and by which node.
CREATE TABLE relayed (
  payer text NOT NULL,
  kind text NOT NULL,
  at int8 NOT NULL,
  owner text NOT NULL,
  PRIMARY KEY (payer, kind)
);
CREATE INDEX relayed_at ON relayed (at);

-- Token buckets: what is full needs no row, and from when one is full follows what it holds.
CREATE TABLE buckets (key text PRIMARY KEY, full_at timestamptz NOT NULL);
CREATE INDEX buckets_full ON buckets (full_at);

-- Takes a token of each, or of none: then [the first that has none, seconds until it has].
-- _buckets: [[key, size, tokens a second]].
CREATE FUNCTION take_1(_buckets jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  b record;
  full_in float8;
  lacking float8;
BEGIN
  FOR b IN SELECT nr - 1 AS index, x->>0 AS key, (x->>1)::float8 AS size, (x->>2)::float8 AS speed
    FROM jsonb_array_elements(_buckets) WITH ORDINALITY AS e(x, nr) ORDER BY nr
  LOOP
    INSERT INTO buckets AS o (key, full_at) VALUES (b.key, now())
      ON CONFLICT (key) DO UPDATE SET full_at = GREATEST(o.full_at, now())
      RETURNING extract(epoch FROM full_at - now()) INTO full_in;
    lacking := full_in - (b.size - 1) / b.speed;
    -- Times have whole microseconds.
    IF lacking > 0.00001 THEN RETURN jsonb_build_array(b.index, lacking); END IF;
  END LOOP;
  UPDATE buckets SET full_at = full_at + make_interval(secs => 1 / (x->>2)::float8)
    FROM jsonb_array_elements(_buckets) AS x WHERE key = x->>0;
  -- Last: whoever holds rows here waits for none.
  DELETE FROM buckets WHERE key IN (SELECT key FROM buckets
    WHERE full_at < now() - interval '1 minute' FOR UPDATE SKIP LOCKED);
  RETURN NULL;
END $$;

CREATE FUNCTION give_token_back_1(_buckets jsonb) RETURNS void LANGUAGE sql AS $$
  UPDATE buckets SET full_at = full_at - make_interval(secs => 1 / (x->>2)::float8)
    FROM jsonb_array_elements(_buckets) AS x WHERE key = x->>0
$$;

-- Takes up to so many of one, and tells how many, and in how many seconds there is one more.
CREATE FUNCTION lease_tokens_1(_key text, _size float8, _speed float8, _wanted int4,
  OUT taken int4, OUT wait float8)
LANGUAGE plpgsql AS $$
DECLARE
  left_in float8;
BEGIN
  INSERT INTO buckets AS o (key, full_at) VALUES (_key, now())
    ON CONFLICT (key) DO UPDATE SET full_at = GREATEST(o.full_at, now())
    RETURNING _size - extract(epoch FROM full_at - now()) * _speed INTO left_in;
  -- Times have whole microseconds.
  taken := GREATEST(0, LEAST(_wanted, floor(left_in + 0.00001 * _speed)));
  UPDATE buckets SET full_at = full_at + make_interval(secs => taken / _speed) WHERE key = _key;
  wait := GREATEST(0, (1 - (left_in - taken)) / _speed);
  DELETE FROM buckets WHERE key IN (SELECT key FROM buckets
    WHERE full_at < now() - interval '1 minute' LIMIT 8 FOR UPDATE SKIP LOCKED);
END $$;

CREATE FUNCTION give_tokens_1(_key text, _speed float8, _count int4) RETURNS void LANGUAGE sql AS $$
  UPDATE buckets SET full_at = full_at - make_interval(secs => _count / _speed) WHERE key = _key
$$;
`;
