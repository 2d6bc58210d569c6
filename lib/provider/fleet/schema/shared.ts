/**
 * What all nodes know of deployments, stops, permits, denials and the offer, each by a kind and a
 * key: as it is now, under the number of its last change. Whoever follows it reads on from the last
 * number that it has read, and a new node from the first: what was changed since stands once only.
 *
 * Numbers are given under a lock that is held until the commit, so they are seen in their order: a
 * number that is seen has none before it that comes later, as numbers of a sequence have.
 *
 * A value is text (JSON), as strangers may have signed what jsonb does not take.
 */
export const SHARED = `
CREATE TABLE shared_head (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  -- A database that is made anew is another log; the first node that follows it names it.
  log text,
  -- Of the last change.
  seq int8 NOT NULL DEFAULT 0
);
INSERT INTO shared_head DEFAULT VALUES;

CREATE TABLE shared_rows (
  kind text NOT NULL,
  key text NOT NULL,
  -- Null: it is no more.
  value text,
  seq int8 NOT NULL UNIQUE,
  -- Only so many of its kind are kept, unless another row says that this one stays.
  loose boolean NOT NULL DEFAULT false,
  -- The key of a loose row that stays for the sake of this one.
  keeps text,
  PRIMARY KEY (kind, key)
);
CREATE INDEX shared_loose ON shared_rows (seq) WHERE loose;
CREATE INDEX shared_gone ON shared_rows (seq) WHERE value IS NULL;
CREATE INDEX shared_keeps ON shared_rows (keeps) WHERE keeps IS NOT NULL;

-- Writes rows, all or none, and returns the last number then; null: one is not what it was taken
-- for. _rows: [{ kind, key, value, was, loose, keeps }]. One without "was" is written where there
-- is none yet; with it, where there is that value, or none where it is null. What has the value
-- already stays as it is, so that the same rows may come again.
CREATE FUNCTION share_1(_rows jsonb, _loose_most int4) RETURNS int8 LANGUAGE plpgsql AS $$
DECLARE
  head int8;
  written int8;
BEGIN
  SELECT seq INTO head FROM shared_head FOR NO KEY UPDATE;
  IF EXISTS (
    SELECT FROM jsonb_array_elements(_rows) AS x
      LEFT JOIN shared_rows s ON s.kind = x->>'kind' AND s.key = x->>'key'
    WHERE x ? 'was' AND s.value IS DISTINCT FROM x->>'was'
      AND s.value IS DISTINCT FROM x->>'value'
  ) THEN
    RETURN NULL;
  END IF;
  INSERT INTO shared_rows AS o (kind, key, value, seq, loose, keeps)
    SELECT x->>'kind', x->>'key', x->>'value', head + row_number() OVER (ORDER BY nr),
      coalesce((x->>'loose')::boolean, false), x->>'keeps'
    FROM jsonb_array_elements(_rows) WITH ORDINALITY AS e(x, nr)
      LEFT JOIN shared_rows s ON s.kind = x->>'kind' AND s.key = x->>'key'
    WHERE s.kind IS NULL OR (x ? 'was' AND s.value IS DISTINCT FROM x->>'value')
    ON CONFLICT (kind, key) DO UPDATE
      SET value = excluded.value, seq = excluded.seq, loose = excluded.loose;
  GET DIAGNOSTICS written = ROW_COUNT;
  head := head + written;
  IF jsonb_path_exists(_rows, '$[*] ? (@.loose == true || @.value == null)') THEN
    head := drop_loose_1(head, _loose_most);
  END IF;
  UPDATE shared_head SET seq = head WHERE seq <> head;
  RETURN head;
END $$;

-- Has the oldest loose rows beyond so many go, and returns the last number then. That they went is
-- told as long as others have not gone since.
CREATE FUNCTION drop_loose_1(_head int8, _most int4) RETURNS int8 LANGUAGE plpgsql AS $$
DECLARE
  oldest record;
  beyond int8;
BEGIN
  SELECT count(*) - _most INTO beyond FROM shared_rows WHERE loose;
  FOR oldest IN
    SELECT kind, key, EXISTS (SELECT FROM shared_rows k WHERE k.keeps = s.key) AS stays
    FROM shared_rows s WHERE loose ORDER BY seq LIMIT GREATEST(beyond, 0)
  LOOP
    IF oldest.stays THEN
      UPDATE shared_rows SET loose = false WHERE kind = oldest.kind AND key = oldest.key;
      CONTINUE;
    END IF;
    _head := _head + 1;
    UPDATE shared_rows SET value = NULL, loose = false, seq = _head
      WHERE kind = oldest.kind AND key = oldest.key;
  END LOOP;
  DELETE FROM shared_rows WHERE seq IN (
    SELECT seq FROM shared_rows WHERE value IS NULL ORDER BY seq DESC OFFSET _most
  );
  RETURN _head;
END $$;

-- How many nodes live that have not told yet that they have read up to a number; who has no word
-- on it shares nothing.
CREATE FUNCTION behind_1(_seq int8, _session int4) RETURNS int4 LANGUAGE sql STABLE AS $$
  SELECT count(*)::int4 FROM sessions
  WHERE NOT reaped AND until >= now() AND id <> _session AND (facts->>'seen')::int8 < _seq
$$;
`;
