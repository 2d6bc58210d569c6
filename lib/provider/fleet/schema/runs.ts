/**
 * The latest runs of each deployment and what its servers wrote, of all nodes, numbered in the
 * order in which they came here. Logs are no money: a commit waits for no disk.
 */
export const RUNS = `
CREATE TABLE run_head (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  -- Of the last line; given under the row's lock, so a number that is seen has none before it that
  -- comes later.
  number int8 NOT NULL DEFAULT 0,
  -- Bytes of all lines of runs, and of servers.
  runs_bytes int8 NOT NULL DEFAULT 0,
  servers_bytes int8 NOT NULL DEFAULT 0
);
INSERT INTO run_head DEFAULT VALUES;

-- A file that lines come from, and the last of its own numbers that came: no line comes twice.
CREATE TABLE run_origins (origin text PRIMARY KEY, sent int8 NOT NULL);

CREATE TABLE runs (
  number int8 PRIMARY KEY,
  cid text NOT NULL,
  -- What a server wrote, or else a run.
  of_server boolean NOT NULL,
  -- JSON as text, as programs write what jsonb does not take.
  line text NOT NULL,
  -- What came of the deployment before: runs, or bytes of servers.
  before int8 NOT NULL
);
CREATE UNIQUE INDEX runs_of ON runs (cid, of_server, before);
CREATE INDEX runs_oldest ON runs (of_server, number);

-- Takes lines, the oldest first. _rows: [[number at the origin, cid, of_server, line]].
-- _most: { runs, server } of each deployment, { allRuns, allServers } bytes of all.
CREATE FUNCTION log_runs_1(_origin text, _rows jsonb, _most jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  h run_head;
  last int8;
  d record;
  gone int8;
  came int8;
BEGIN
  -- For this transaction: what a function is created with does not reach its commit.
  PERFORM set_config('synchronous_commit', 'off', true);
  SELECT * INTO h FROM run_head FOR NO KEY UPDATE;
  SELECT sent INTO last FROM run_origins WHERE origin = _origin;

  INSERT INTO runs (number, cid, of_server, line, before)
    SELECT h.number + row_number() OVER (ORDER BY nr), cid, of_server, line,
      coalesce((
        SELECT r.before + CASE WHEN r.of_server THEN octet_length(r.line) ELSE 1 END FROM runs r
        WHERE r.cid = n.cid AND r.of_server = n.of_server ORDER BY r.before DESC LIMIT 1
      ), 0) + coalesce(sum(CASE WHEN of_server THEN octet_length(line) ELSE 1 END) OVER (
        PARTITION BY cid, of_server ORDER BY nr ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
      ), 0)
    FROM (
      SELECT nr, x->>1 AS cid, (x->>2)::boolean AS of_server, x->>3 AS line
      FROM jsonb_array_elements(_rows) WITH ORDINALITY AS e(x, nr)
      WHERE last IS NULL OR (x->>0)::int8 > last
    ) n;
  GET DIAGNOSTICS came = ROW_COUNT;

  FOR d IN
    SELECT cid, of_server, sum(octet_length(line)) AS bytes FROM runs
    WHERE number > h.number GROUP BY cid, of_server ORDER BY cid, of_server
  LOOP
    WITH dropped AS (
      DELETE FROM runs WHERE cid = d.cid AND of_server = d.of_server AND before < (
        SELECT CASE WHEN of_server THEN before + octet_length(line) - (_most->>'server')::int8
          ELSE before + 1 - (_most->>'runs')::int8 END
        FROM runs WHERE cid = d.cid AND of_server = d.of_server ORDER BY before DESC LIMIT 1
      ) RETURNING octet_length(line) AS bytes
    )
    SELECT coalesce(sum(bytes), 0) INTO gone FROM dropped;
    IF d.of_server THEN h.servers_bytes := h.servers_bytes + d.bytes - gone;
    ELSE h.runs_bytes := h.runs_bytes + d.bytes - gone; END IF;
  END LOOP;
  h.runs_bytes := h.runs_bytes - drop_oldest_1(false, h.runs_bytes - (_most->>'allRuns')::int8);
  h.servers_bytes := h.servers_bytes
    - drop_oldest_1(true, h.servers_bytes - (_most->>'allServers')::int8);

  UPDATE run_head SET number = h.number + came, runs_bytes = h.runs_bytes,
    servers_bytes = h.servers_bytes;
  INSERT INTO run_origins AS o VALUES (
    _origin, (SELECT max((x->>0)::int8) FROM jsonb_array_elements(_rows) AS x)
  ) ON CONFLICT (origin) DO UPDATE SET sent = greatest(o.sent, excluded.sent);
END $$;

-- Drops the oldest lines of all until so many bytes are gone, and returns how many went.
CREATE FUNCTION drop_oldest_1(_of_server boolean, _bytes int8) RETURNS int8
LANGUAGE plpgsql AS $$
DECLARE
  gone int8 := 0;
  went int8;
BEGIN
  WHILE gone < _bytes LOOP
    WITH dropped AS (
      DELETE FROM runs WHERE number IN (
        SELECT number FROM runs WHERE of_server = _of_server ORDER BY number LIMIT 64
      ) RETURNING octet_length(line) AS bytes
    )
    SELECT sum(bytes) INTO went FROM dropped;
    EXIT WHEN went IS NULL;
    gone := gone + went;
  END LOOP;
  RETURN gone;
END $$;
`;
