/**
 * The journal's oldest rows go once there are too many: their sums stay. Whatever is sent twice
 * lets a slice more of the same go.
 */
export const PRUNING = `
CREATE TABLE journal_gone (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  charges int8 NOT NULL DEFAULT 0,
  -- What they came to.
  amount numeric NOT NULL DEFAULT 0
);
INSERT INTO journal_gone DEFAULT VALUES;

-- Up to when rows are beyond so many, ms; null: none are. None that is later than _before goes.
CREATE FUNCTION journal_cutoff_1(_most int8, _before int8) RETURNS int8 LANGUAGE sql STABLE AS $$
  WITH n AS (SELECT count(*) AS rows FROM journal)
  SELECT LEAST(_before, (
    SELECT percentile_disc((n.rows - _most)::float8 / n.rows) WITHIN GROUP (ORDER BY at)
    FROM journal
  )) FROM n WHERE n.rows > _most
$$;

-- Has so many of them go at most, and returns how many did.
CREATE FUNCTION prune_journal_1(_upto int8, _slice int4) RETURNS int4 LANGUAGE plpgsql AS $$
DECLARE
  rows int4;
  worth numeric;
BEGIN
  WITH gone AS (
    DELETE FROM journal WHERE reservation IN (
      SELECT reservation FROM journal WHERE at <= _upto LIMIT _slice
    ) RETURNING price
  )
  SELECT count(*), coalesce(sum(price), 0) INTO rows, worth FROM gone;
  UPDATE journal_gone SET charges = charges + rows, amount = amount + worth WHERE rows > 0;
  RETURN rows;
END $$;
`;
