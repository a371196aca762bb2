-- The rollup that makes counts exact and deep pages fast however many records there are (number 2 was the purge, which now
-- stands in sql/routines.sql). A chunk is a run of one webhook's records whose ids lie from first_id to last_id; the chunks of
-- a webhook tile its ids, each begins where the one before ends, and no two can begin alike. n, min_at and max_at tell of the
-- records that were there when it was sealed: they stay right while none of them has expired (min_at is past the cutoff).

CREATE TABLE IF NOT EXISTS webhook_call_chunks (
  webhook_id BIGINT UNSIGNED NOT NULL,
  first_id BIGINT UNSIGNED NOT NULL,
  last_id BIGINT UNSIGNED NOT NULL,
  n INT UNSIGNED NOT NULL,
  min_at DATETIME(3) NOT NULL,
  max_at DATETIME(3) NOT NULL,
  PRIMARY KEY (webhook_id, first_id),
  KEY by_time (webhook_id, min_at, max_at, first_id, last_id),
  KEY by_expiry (max_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The number of records for each http_code in a chunk, numbered by `ordinal` because a key cannot hold the NULL of "no
-- response"; the rest is the chunk's own, so that one index answers what is asked of a code.
CREATE TABLE IF NOT EXISTS webhook_call_chunk_codes (
  webhook_id BIGINT UNSIGNED NOT NULL,
  first_id BIGINT UNSIGNED NOT NULL,
  last_id BIGINT UNSIGNED NOT NULL,
  ordinal SMALLINT UNSIGNED NOT NULL,
  http_code SMALLINT UNSIGNED NULL,
  n INT UNSIGNED NOT NULL,
  min_at DATETIME(3) NOT NULL,
  max_at DATETIME(3) NOT NULL,
  PRIMARY KEY (webhook_id, first_id, ordinal),
  KEY by_code (webhook_id, http_code, first_id, last_id, n, min_at, max_at),
  KEY by_expiry (max_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- One row for each of the two tasks that keep the log, 'expire' and 'seal': when it last ran, and how far it came.
CREATE TABLE IF NOT EXISTS webhook_call_upkeep (
  task VARCHAR(16) NOT NULL,
  began_at DATETIME(3) NOT NULL,       -- UTC: the last run; of 'seal' the last pass through the webhooks, in one run or more
  caught_up_at DATETIME(3) NULL,       -- began_at of the last one that left nothing to do
  ended_at DATETIME(3) NULL,           -- UTC: end of the last run
  rows_handled BIGINT UNSIGNED NULL,   -- by the last run
  resume_after BIGINT UNSIGNED NULL,   -- of 'seal': the pass goes on behind this webhook; NULL: it is complete
  full_at DATETIME(3) NULL,            -- of 'seal': began_at of the last pass through all webhooks; NULL: it is still to come
  PRIMARY KEY (task)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
