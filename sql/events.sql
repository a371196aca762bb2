-- The purge and the sealing by the database's own clock, where the server lets this account create events; cron with
-- scripts/expire-calls and scripts/seal-calls does the same, and both together do no harm. Less than a minute, so that one run
-- ends before the next.

CREATE EVENT IF NOT EXISTS expire_webhook_calls
  ON SCHEDULE EVERY 1 MINUTE
  DO CALL expire_webhook_calls(50);

CREATE EVENT IF NOT EXISTS seal_webhook_calls
  ON SCHEDULE EVERY 1 MINUTE
  DO CALL seal_webhook_calls(50, FALSE);
