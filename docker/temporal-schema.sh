#!/bin/sh
# Brings both databases of Temporal to the schema of these tools. Can be run again at any time: `setup-schema` would set
# the version of a living database back to zero, so it runs only where the update says that there is no version at all.
set -eu

SCHEMA_ROOT="${SCHEMA_ROOT:-/etc/temporal/schema/postgresql/v12}"

update_schema() {
  temporal-sql-tool --database "$1" update-schema --schema-dir "$SCHEMA_ROOT/$2/versioned"
}

prepare() {
  if output=$(update_schema "$1" "$2" 2>&1); then
    echo "$1: schema is up to date"
    return
  fi
  case "$output" in
    *schema_version*'does not exist'*) ;;
    *)
      echo "$output" >&2
      exit 1
      ;;
  esac
  temporal-sql-tool --database "$1" setup-schema --version 0.0
  update_schema "$1" "$2"
  echo "$1: schema is set up"
}

prepare temporal temporal
prepare temporal_visibility visibility
