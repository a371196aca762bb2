-- Who may do what: four roles, each with the least that its work needs. scripts/migrate applies this after the migrations,
-- every time, because dropping a procedure drops its grants. An account gets a role as its default role:
--   GRANT webhook_calls_sender TO shop@'%';
--   SET DEFAULT ROLE webhook_calls_sender FOR shop@'%';   -- MariaDB
--   SET DEFAULT ROLE webhook_calls_sender TO shop@'%';    -- MySQL

CREATE ROLE IF NOT EXISTS webhook_calls_migrator;
CREATE ROLE IF NOT EXISTS webhook_calls_sender;
CREATE ROLE IF NOT EXISTS webhook_calls_reader;
CREATE ROLE IF NOT EXISTS webhook_calls_purger;

-- Changes the schema, issues tokens, keeps the webhooks.
GRANT ALL PRIVILEGES ON * TO webhook_calls_migrator WITH GRANT OPTION;

-- The user's application: adds records. No grant on id and created_at, which the database gives.
GRANT INSERT (webhook_id, http_code, headers, body) ON webhook_calls TO webhook_calls_sender;

-- The workers. By column where a table may hold what no answer may show.
GRANT SELECT (id, account_id, name, url) ON webhooks TO webhook_calls_reader;
GRANT SELECT (token_hash, account_id, expires_at) ON api_tokens TO webhook_calls_reader;
GRANT SELECT (id, webhook_id, http_code, headers, body, created_at) ON webhook_calls TO webhook_calls_reader;
GRANT SELECT ON webhook_call_chunks TO webhook_calls_reader;
GRANT SELECT ON webhook_call_chunk_codes TO webhook_calls_reader;
GRANT SELECT ON webhook_call_upkeep TO webhook_calls_reader;
GRANT SELECT (version) ON schema_migrations TO webhook_calls_reader;

-- Cron: may only call the purge and the sealing.
GRANT EXECUTE ON PROCEDURE expire_webhook_calls TO webhook_calls_purger;
GRANT EXECUTE ON PROCEDURE seal_webhook_calls TO webhook_calls_purger;

-- Both and their events run with their maker's rights, and MariaDB does not count those that the maker has by a role.
GRANT SELECT, DELETE ON webhook_calls TO CURRENT_USER;
GRANT SELECT, INSERT, DELETE ON webhook_call_chunks TO CURRENT_USER;
GRANT SELECT, INSERT, DELETE ON webhook_call_chunk_codes TO CURRENT_USER;
GRANT SELECT, INSERT, UPDATE ON webhook_call_upkeep TO CURRENT_USER;
GRANT EXECUTE ON PROCEDURE expire_webhook_calls TO CURRENT_USER;
GRANT EXECUTE ON PROCEDURE seal_webhook_calls TO CURRENT_USER;
GRANT EVENT ON * TO CURRENT_USER;
