#!/bin/bash
# Runs once, when the data directory is empty: one role per owner, three databases. Passwords reach psql by its
# environment, not by its command line, which the list of processes shows.
set -euo pipefail

# Our own logins have theirs from the addresses that migrations, API and worker use.
password_of() {
  local password
  password=$(sed -nE 's|^postgres://[^:/]+:([A-Za-z0-9_-]+)@.*$|\1|p' "${SECRETS_FOLDER:-/run/secrets}/$1")
  [ -n "$password" ] || { echo "the secret $1 is no postgres://LOGIN:PASSWORD@… with a password of A-Z a-z 0-9 _ -" >&2; exit 1; }
  printf %s "$password"
}
COUNTERSIGN_DB_PASSWORD=$(password_of countersign)
COUNTERSIGN_API_DB_PASSWORD=$(password_of countersign_api)
COUNTERSIGN_WORKER_DB_PASSWORD=$(password_of countersign_worker)
export COUNTERSIGN_DB_PASSWORD COUNTERSIGN_API_DB_PASSWORD COUNTERSIGN_WORKER_DB_PASSWORD

psql --set=ON_ERROR_STOP=1 --no-psqlrc --username="${POSTGRES_USER:-postgres}" --dbname=postgres <<'SQL'
\getenv temporal_password TEMPORAL_DB_PASSWORD
\getenv countersign_password COUNTERSIGN_DB_PASSWORD
\getenv api_password COUNTERSIGN_API_DB_PASSWORD
\getenv worker_password COUNTERSIGN_WORKER_DB_PASSWORD
create role temporal login password :'temporal_password';
create role countersign login password :'countersign_password';
-- What they may do, the service `migrate` grants.
create role countersign_api login password :'api_password';
create role countersign_worker login password :'worker_password';
create database temporal owner temporal;
create database temporal_visibility owner temporal;
create database countersign owner countersign;
-- By default everybody may connect to every database.
revoke connect on database temporal, temporal_visibility, countersign from public;
grant connect on database countersign to countersign_api, countersign_worker;
SQL
