#!/usr/bin/env bash
# Run once, on a new server: a database for each service and for the registry, owned by a role of
# its own which no other role may use, and the operator's role, which reads them all, sees which
# sessions are in the way, and may end them. A session that forgets its transaction is ended after five
# minutes, and who waits for a lock for a second is in the server's log.
set -euo pipefail

query() {
  psql --set ON_ERROR_STOP=1 --quiet --username "$POSTGRES_USER" --dbname postgres "$@"
}

query --set password="$OPERATOR_DATABASE_PASSWORD" <<'SQL'
CREATE ROLE operator LOGIN PASSWORD :'password' IN ROLE pg_read_all_data, pg_read_all_stats,
  pg_signal_backend;
SQL

# rendered by make render: services
services=(order inventory payment shipping notification)
# end of what is rendered

for name in "${services[@]}" registry; do
  password=${name^^}_DATABASE_PASSWORD
  query --set name="$name" --set password="${!password}" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"name" TO operator;
ALTER DATABASE :"name" SET idle_in_transaction_session_timeout = '5min';
ALTER DATABASE :"name" SET log_lock_waits = on;
SQL
done
