/**
 * What a turn makes of a lane "l" and its payer's account "a", both locked, which turns of one lane
 * and of many do alike: "q" is what was queued, "base" the lane's counter, "stray" what a late copy
 * of a forgotten turn holds, "at" now. "charges" is then how many were charged and "n" how many
 * credits were granted.
 */
export const LANE_AFTER = `\
  charges := jsonb_array_length(q.rows);
  l.charged := l.charged + charges;
  l.held := l.held - charges - q.releases - stray;
  a.used := a.used + charges;
  a.held := a.held - charges - q.releases - stray;
  IF q.block >= a.ceiling_block THEN
    a.ceiling := q.ceiling;
    a.ceiling_block := q.block;
  END IF;

  n := 0;
  is_stale := q.version <> l.version
    OR (q.permits IS NOT NULL AND l.charged + l.held > q.promised);
  IF NOT is_stale AND (l.refused IS NULL OR q.permits IS NOT NULL) THEN
    room := a.ceiling - a.used - a.held;
    FOR i IN 0 .. jsonb_array_length(q.wants) - 1 LOOP
      count := (q.wants->i->>0)::int8;
      m := GREATEST(0,
        LEAST(count, room - n, (q.wants->i->>1)::int8 - l.charged - l.held - n));
      n := n + m;
      EXIT WHEN m < count;
    END LOOP;
    l.held := l.held + n;
    a.held := a.held + n;
  END IF;

  IF charges > 0 THEN
    m := base;
    FOR i IN 0 .. jsonb_array_length(q.steps) - 1 LOOP
      price := (q.steps->i->>0)::int8;
      count := (q.steps->i->>1)::int8;
      m := m + count;
      l.owed := l.owed + price * count;
      IF l.steps_price[cardinality(l.steps_price)] IS DISTINCT FROM price THEN
        l.steps_upto := l.steps_upto || m;
        l.steps_price := l.steps_price || price;
        l.version := l.version + 1;
      ELSE
        l.steps_upto[cardinality(l.steps_upto)] := m;
      END IF;
    END LOOP;
    IF cardinality(l.ages_at) = 0 OR at >= l.ages_at[cardinality(l.ages_at)] + 5000 THEN
      l.ages_beyond := l.ages_beyond || base;
      l.ages_at := l.ages_at || at;
      IF cardinality(l.ages_at) > 8 THEN
        l.ages_beyond := l.ages_beyond[1:1] || l.ages_beyond[3:];
        l.ages_at := l.ages_at[1:1] || l.ages_at[3:];
      END IF;
    END IF;
  END IF;

  IF n > 0 AND q.permits IS NOT NULL THEN
    l.version := l.version + 1;
    l.refused := NULL;
    UPDATE lanes SET permits = q.permits WHERE id = q.lane;
  END IF;
`;
