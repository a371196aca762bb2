-- The two tasks that keep the log, as procedures: whoever may call them can do nothing else. scripts/migrate applies this after
-- the migrations, every time, where the server lets its account make routines; without them scripts/expire-calls and
-- scripts/seal-calls send plain statements. What both have in common:
-- - They go by the server's clock, not by one that their caller has moved with SET timestamp, which needs no privilege.
--   SYSDATE() is the time it is, UTC_TIMESTAMP() the one at which a statement began.
-- - A named lock lets one run at a time do the work in a server; cron's and the event's may meet.
-- - Lock wait timeout (1205), deadlock (1213, on Galera also another node's run): somebody else has these rows. Later, then.
-- - On a read-only server they do nothing, although it would let them write where an administrator has made them.
-- - They answer one row: rows handled, whether nothing is left to do, whether another run has the lock.

DROP PROCEDURE IF EXISTS expire_webhook_calls;
DROP PROCEDURE IF EXISTS seal_webhook_calls;

DELIMITER //

-- The purge: deletes what is past its 60 days, in batches short enough not to be felt by writers. Readers do not depend on it:
-- they leave out what is past its time however late it runs. 60 days is a constant, so that whoever may call it cannot ask for
-- less.
CREATE PROCEDURE expire_webhook_calls(IN time_limit_seconds INT UNSIGNED)
  MODIFIES SQL DATA
  SQL SECURITY DEFINER
BEGIN
  DECLARE lock_name VARCHAR(64) DEFAULT LEFT(CONCAT(DATABASE(), '.expire_webhook_calls'), 64);
  DECLARE give_up_at DATETIME(6) DEFAULT SYSDATE(6) + INTERVAL time_limit_seconds SECOND;
  DECLARE batch_began_at DATETIME(6);
  DECLARE batch_microseconds BIGINT;
  DECLARE began DATETIME(3);
  DECLARE oldest DATETIME(3);
  DECLARE deleted_rows BIGINT UNSIGNED DEFAULT 0;
  DECLARE batch_rows BIGINT DEFAULT 0;
  DECLARE batch_limit INT UNSIGNED DEFAULT 250;
  DECLARE finished BOOLEAN DEFAULT FALSE;
  DECLARE busy BOOLEAN DEFAULT FALSE;
  DECLARE in_conflict BOOLEAN DEFAULT FALSE;
  DECLARE callers_lock_wait INT UNSIGNED DEFAULT @@SESSION.innodb_lock_wait_timeout;

  DECLARE CONTINUE HANDLER FOR 1205, 1213 SET in_conflict = TRUE;
  DECLARE EXIT HANDLER FOR SQLEXCEPTION
  BEGIN
    ROLLBACK;
    SET SESSION innodb_lock_wait_timeout = callers_lock_wait;
    DO RELEASE_LOCK(lock_name);
    RESIGNAL;
  END;

  SET SESSION timestamp = DEFAULT;

  IF CONCAT(@@GLOBAL.read_only) NOT IN ('0', 'OFF') THEN
    SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1290, MESSAGE_TEXT = 'This server is read-only';
  ELSEIF COALESCE(GET_LOCK(lock_name, 0), 0) = 0 THEN
    SET busy = TRUE;
  ELSE
    SET began = UTC_TIMESTAMP(3);
    -- The usual 50 s for a locked row would outlast the time limit.
    SET SESSION innodb_lock_wait_timeout = 1;
    REPEAT
      SET in_conflict = FALSE, batch_began_at = SYSDATE(6);
      DELETE FROM webhook_calls
       WHERE created_at <= UTC_TIMESTAMP(3) - INTERVAL 60 DAY
       ORDER BY created_at
       LIMIT batch_limit;
      SET batch_rows = ROW_COUNT();
      COMMIT; -- which a conflict on Galera makes fail
      IF in_conflict THEN
        ROLLBACK;
        DO SLEEP(0.2);
      ELSE
        SET deleted_rows = deleted_rows + batch_rows;
        SET finished = batch_rows < batch_limit;
        -- Records with large bodies take longer to delete: a batch shall be over in 20 ms, and leave two thirds of the time to
        -- others.
        SET batch_microseconds = TIMESTAMPDIFF(MICROSECOND, batch_began_at, SYSDATE(6));
        SET batch_limit = IF(batch_microseconds > 20000, GREATEST(batch_limit DIV 2, 10), LEAST(batch_limit * 2, 1000));
        IF NOT finished THEN DO SLEEP(LEAST(batch_microseconds * 2e-6, 1)); END IF;
      END IF;
    UNTIL finished OR SYSDATE(6) >= give_up_at END REPEAT;

    -- Chunks of which no record is left, except for a webhook's newest: the next one begins where that ends.
    SET in_conflict = FALSE;
    SELECT MIN(created_at) INTO oldest FROM webhook_calls;
    SET oldest = LEAST(COALESCE(oldest, began - INTERVAL 60 DAY), began - INTERVAL 60 DAY);
    DELETE k, c
      FROM webhook_call_chunks k
      JOIN webhook_call_chunks later ON later.webhook_id = k.webhook_id AND later.first_id = k.last_id + 1
      LEFT JOIN webhook_call_chunk_codes c ON c.webhook_id = k.webhook_id AND c.first_id = k.first_id
     WHERE k.max_at < oldest;
    COMMIT;

    INSERT INTO webhook_call_upkeep (task, began_at, caught_up_at, ended_at, rows_handled)
      VALUES ('expire', began, IF(finished, began, NULL), UTC_TIMESTAMP(3), deleted_rows)
      ON DUPLICATE KEY UPDATE began_at = began, caught_up_at = IF(finished, began, caught_up_at),
                              ended_at = UTC_TIMESTAMP(3), rows_handled = deleted_rows;
    COMMIT;
    SET SESSION innodb_lock_wait_timeout = callers_lock_wait;
    DO RELEASE_LOCK(lock_name);
  END IF;

  SELECT deleted_rows, finished, busy;
END//

-- The sealing: rolls runs of 4,096 records of a webhook, all of them older than 15 minutes, up into a chunk. A pass looks at
-- the webhooks of which records have come of that age since the last complete pass, once a day (and where all_webhooks is true)
-- at all: records may have been imported, or chunks deleted. It goes in the order of the webhooks' ids, and where it meets the
-- time limit the next run goes on.
--
-- A chunk is exact because no record can come later that belongs in it: INSERT … SELECT at REPEATABLE READ locks what it
-- reads, and so waits for records of that range that are still in flight in this server; those of another Galera node have had
-- their 15 minutes. Ids only grow, and senders have no grant on id and created_at.
CREATE PROCEDURE seal_webhook_calls(IN time_limit_seconds INT UNSIGNED, IN all_webhooks BOOLEAN)
  MODIFIES SQL DATA
  SQL SECURITY DEFINER
BEGIN
  DECLARE lock_name VARCHAR(64) DEFAULT LEFT(CONCAT(DATABASE(), '.seal_webhook_calls'), 64);
  DECLARE give_up_at DATETIME(6) DEFAULT SYSDATE(6) + INTERVAL time_limit_seconds SECOND;
  DECLARE began DATETIME(3);
  DECLARE seen_until DATETIME(3);
  DECLARE ripe_until DATETIME(3);
  DECLARE last_full DATETIME(3);
  DECLARE hook BIGINT UNSIGNED;
  DECLARE resume BIGINT UNSIGNED;
  DECLARE chunk_first BIGINT UNSIGNED;
  DECLARE chunk_next BIGINT UNSIGNED;
  DECLARE sealed_rows BIGINT UNSIGNED DEFAULT 0;
  DECLARE no_row BOOLEAN DEFAULT FALSE;
  DECLARE finished BOOLEAN DEFAULT FALSE;
  DECLARE busy BOOLEAN DEFAULT FALSE;
  DECLARE in_conflict BOOLEAN DEFAULT FALSE;
  DECLARE left_some BOOLEAN DEFAULT FALSE;
  DECLARE out_of_time BOOLEAN DEFAULT FALSE;
  DECLARE callers_lock_wait INT UNSIGNED DEFAULT @@SESSION.innodb_lock_wait_timeout;

  -- One of the two, the other one's WHERE is false. The first hops from webhook to webhook.
  DECLARE hooks CURSOR FOR
    SELECT DISTINCT webhook_id FROM webhook_calls FORCE INDEX (PRIMARY)
     WHERE last_full IS NULL AND webhook_id > COALESCE(resume, 0)
    UNION
    SELECT DISTINCT webhook_id FROM webhook_calls FORCE INDEX (by_expiry)
     WHERE last_full IS NOT NULL AND created_at > seen_until AND created_at <= ripe_until AND webhook_id > COALESCE(resume, 0)
     ORDER BY webhook_id;
  DECLARE CONTINUE HANDLER FOR NOT FOUND SET no_row = TRUE;
  -- 1062: another node has sealed that run. 1020: a record was committed meanwhile (MariaDB's innodb_snapshot_isolation).
  DECLARE CONTINUE HANDLER FOR 1020, 1062, 1205, 1213 SET in_conflict = TRUE;
  DECLARE EXIT HANDLER FOR SQLEXCEPTION
  BEGIN
    ROLLBACK;
    SET SESSION innodb_lock_wait_timeout = callers_lock_wait;
    DO RELEASE_LOCK(lock_name);
    RESIGNAL;
  END;

  SET SESSION timestamp = DEFAULT;

  IF CONCAT(@@GLOBAL.read_only) NOT IN ('0', 'OFF') THEN
    SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1290, MESSAGE_TEXT = 'This server is read-only';
  ELSEIF COALESCE(GET_LOCK(lock_name, 0), 0) = 0 THEN
    SET busy = TRUE;
  ELSE
    SET SESSION innodb_lock_wait_timeout = 1;

    -- This pass: the one that was interrupted, else a new one.
    SELECT began_at, caught_up_at, resume_after, full_at INTO began, seen_until, resume, last_full
      FROM webhook_call_upkeep WHERE task = 'seal';
    IF all_webhooks OR seen_until IS NULL OR last_full < UTC_TIMESTAMP(3) - INTERVAL 1 DAY THEN
      SET resume = IF(last_full IS NULL AND NOT all_webhooks, resume, NULL), last_full = NULL;
    END IF;
    IF resume IS NULL THEN SET began = UTC_TIMESTAMP(3); END IF;
    SET seen_until = seen_until - INTERVAL 15 MINUTE, ripe_until = began - INTERVAL 15 MINUTE;

    OPEN hooks;
    SET no_row = FALSE;
    FETCH hooks INTO hook;
    WHILE NOT (no_row OR out_of_time) DO
      SET in_conflict = FALSE;
      REPEAT
        SET chunk_first = 1, chunk_next = NULL;
        COMMIT; -- what a caller with autocommit = 0 has begun
        SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;
        START TRANSACTION;
        -- Locked, because an administrator may be about to delete the chunks.
        SELECT last_id + 1 INTO chunk_first FROM webhook_call_chunks
         WHERE webhook_id = hook ORDER BY first_id DESC LIMIT 1 LOCK IN SHARE MODE;
        -- The chunk ends before the next record, so that its locks do not reach where senders insert.
        SELECT IF(created_at <= ripe_until, id, NULL) INTO chunk_next FROM webhook_calls FORCE INDEX (PRIMARY)
         WHERE webhook_id = hook AND id >= chunk_first ORDER BY id LIMIT 4096, 1;
        IF chunk_next IS NOT NULL AND NOT in_conflict THEN
          INSERT INTO webhook_call_chunks (webhook_id, first_id, last_id, n, min_at, max_at)
            SELECT hook, chunk_first, chunk_next - 1, COUNT(*), MIN(created_at), MAX(created_at)
              FROM webhook_calls FORCE INDEX (PRIMARY)
             WHERE webhook_id = hook AND id >= chunk_first AND id < chunk_next
            HAVING MAX(created_at) <= ripe_until;
          IF ROW_COUNT() = 1 THEN
            -- Left where somebody has deleted chunks only.
            DELETE FROM webhook_call_chunk_codes WHERE webhook_id = hook AND first_id >= chunk_first;
            INSERT INTO webhook_call_chunk_codes (webhook_id, first_id, last_id, ordinal, http_code, n, min_at, max_at)
              SELECT hook, chunk_first, chunk_next - 1, ROW_NUMBER() OVER (ORDER BY c.http_code), c.http_code, COUNT(*),
                     MIN(k.min_at), MAX(k.max_at)
                FROM webhook_call_chunks k, webhook_calls c FORCE INDEX (PRIMARY)
               WHERE k.webhook_id = hook AND k.first_id = chunk_first
                 AND c.webhook_id = hook AND c.id >= chunk_first AND c.id < chunk_next
               GROUP BY c.http_code;
          ELSE
            SET chunk_next = NULL;
          END IF;
        END IF;
        IF NOT in_conflict THEN COMMIT; END IF;
        ROLLBACK; -- of what a conflict has left, at COMMIT too
        IF chunk_next IS NOT NULL AND NOT in_conflict THEN
          SET sealed_rows = sealed_rows + COALESCE(
            (SELECT n FROM webhook_call_chunks WHERE webhook_id = hook AND first_id = chunk_first), 0);
        END IF;
        SET out_of_time = SYSDATE(6) >= give_up_at;
      UNTIL out_of_time OR in_conflict OR chunk_next IS NULL END REPEAT;
      SET left_some = left_some OR in_conflict;
      SET no_row = FALSE;
      IF NOT (out_of_time AND chunk_next IS NOT NULL) THEN
        SET resume = IF(left_some, resume, hook); -- what somebody has locked is looked at again
        FETCH hooks INTO hook;
      END IF;
    END WHILE;
    CLOSE hooks;

    SET finished = no_row AND NOT left_some,
        resume = IF(no_row, NULL, COALESCE(resume, 0)),
        last_full = COALESCE(last_full, IF(finished, began, NULL));
    INSERT INTO webhook_call_upkeep (task, began_at, caught_up_at, ended_at, rows_handled, resume_after, full_at)
      VALUES ('seal', began, IF(finished, began, NULL), UTC_TIMESTAMP(3), sealed_rows, resume, last_full)
      ON DUPLICATE KEY UPDATE began_at = began, caught_up_at = IF(finished, began, caught_up_at),
                              ended_at = UTC_TIMESTAMP(3), rows_handled = sealed_rows, resume_after = resume,
                              full_at = last_full;
    COMMIT;
    SET SESSION innodb_lock_wait_timeout = callers_lock_wait;
    DO RELEASE_LOCK(lock_name);
  END IF;

  SELECT sealed_rows, finished, busy;
END//

DELIMITER ;
