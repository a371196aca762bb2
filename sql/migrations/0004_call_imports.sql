-- How far each import of scripts/import-calls came. Its row changes in the transaction that adds the records, so that an import
-- that was killed goes on behind the last of them. `digest` is the SHA-256 of the first bytes_read bytes of the input: it tells
-- whether an input is the one that was begun.

CREATE TABLE IF NOT EXISTS webhook_call_imports (
  name VARCHAR(255) NOT NULL,
  began_at DATETIME(3) NOT NULL DEFAULT (UTC_TIMESTAMP(3)),
  ended_at DATETIME(3) NULL,                             -- UTC; NULL: the end of the input was not reached yet
  bytes_read BIGINT UNSIGNED NOT NULL DEFAULT 0,
  lines_read BIGINT UNSIGNED NOT NULL DEFAULT 0,
  digest BINARY(32) NOT NULL,
  imported BIGINT UNSIGNED NOT NULL DEFAULT 0,
  rejected BIGINT UNSIGNED NOT NULL DEFAULT 0,
  expired BIGINT UNSIGNED NOT NULL DEFAULT 0,            -- past their 60 days, and left out
  rejects_file VARBINARY(4096) NOT NULL,
  rejects_bytes BIGINT UNSIGNED NOT NULL DEFAULT 0,      -- so many of that file belong to what was read
  PRIMARY KEY (name)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
