-- The purge: deletes what is past its 60 days, in batches short enough not to be felt by writers, and answers one row.
-- Readers do not depend on it: they leave out what is past its time however late it runs.
-- 60 days is a constant, so that whoever may call it cannot ask for less; and it goes by the server's clock, not by one
-- that its caller has moved with SET timestamp, which needs no privilege.

DROP PROCEDURE IF EXISTS expire_webhook_calls;

DELIMITER //

CREATE PROCEDURE expire_webhook_calls(IN time_limit_seconds INT UNSIGNED)
  MODIFIES SQL DATA
  SQL SECURITY DEFINER
BEGIN
  -- One purge at a time in a database: cron's and the event's may meet.
  DECLARE lock_name VARCHAR(64) DEFAULT LEFT(CONCAT(DATABASE(), '.expire_webhook_calls'), 64);
  -- SYSDATE() is the time it is, UTC_TIMESTAMP() the one at which a statement began.
  DECLARE give_up_at DATETIME(6) DEFAULT SYSDATE(6) + INTERVAL time_limit_seconds SECOND;
  DECLARE deleted_rows BIGINT UNSIGNED DEFAULT 0;
  DECLARE batch_rows BIGINT DEFAULT 0;
  DECLARE finished BOOLEAN DEFAULT FALSE;
  DECLARE busy BOOLEAN DEFAULT FALSE;
  DECLARE in_conflict BOOLEAN DEFAULT FALSE;
  DECLARE callers_lock_wait INT UNSIGNED DEFAULT @@SESSION.innodb_lock_wait_timeout;

  -- Lock wait timeout, deadlock: somebody else (on Galera another node's purge) has these rows. Later, then.
  DECLARE CONTINUE HANDLER FOR 1205, 1213 SET in_conflict = TRUE;
  DECLARE EXIT HANDLER FOR SQLEXCEPTION
  BEGIN
    SET SESSION innodb_lock_wait_timeout = callers_lock_wait;
    DO RELEASE_LOCK(lock_name);
    RESIGNAL;
  END;

  -- A caller may have moved its session's clock.
  SET SESSION timestamp = DEFAULT;

  IF COALESCE(GET_LOCK(lock_name, 0), 0) = 0 THEN
    SET busy = TRUE;
  ELSE
    -- The usual 50 s for a locked row would outlast the time limit.
    SET SESSION innodb_lock_wait_timeout = 1;
    REPEAT
      SET in_conflict = FALSE;
      DELETE FROM webhook_calls
       WHERE created_at <= UTC_TIMESTAMP(3) - INTERVAL 60 DAY
       ORDER BY created_at
       LIMIT 1000;
      IF in_conflict THEN
        ROLLBACK;
        DO SLEEP(0.2);
      ELSE
        SET batch_rows = ROW_COUNT();
        COMMIT;
        SET deleted_rows = deleted_rows + batch_rows;
        SET finished = batch_rows < 1000;
      END IF;
    UNTIL finished OR SYSDATE(6) >= give_up_at END REPEAT;
    SET SESSION innodb_lock_wait_timeout = callers_lock_wait;
    DO RELEASE_LOCK(lock_name);
  END IF;

  SELECT deleted_rows, finished, busy;
END//

DELIMITER ;
