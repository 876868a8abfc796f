#!/bin/sh
# Makes the namespace and our search attributes, where they are missing. An existing namespace keeps its settings.
# The CLI takes address and namespace from TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE.
set -eu

ATTEMPTS=30

# A listening server may still be starting, and learns of a new namespace some seconds late.
retry() {
  attempt=1
  until "$@"; do
    if [ "$attempt" -ge "$ATTEMPTS" ]; then
      echo "given up after $ATTEMPTS attempts: $*" >&2
      exit 1
    fi
    attempt=$((attempt + 1))
    sleep 2
  done
}

ensure_namespace() {
  temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1 ||
    temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention "$NAMESPACE_RETENTION"
}

ensure_search_attribute() {
  temporal operator search-attribute list --namespace "$TEMPORAL_NAMESPACE" 2>/dev/null | grep -qw "$1" ||
    temporal operator search-attribute create --namespace "$TEMPORAL_NAMESPACE" --name "$1" --type Keyword
}

# For about a second the server still refuses to start a workflow that carries a new attribute; a query fails as long.
is_usable() {
  temporal workflow count --namespace "$TEMPORAL_NAMESPACE" --query "$1 = 'any'" >/dev/null 2>&1
}

retry ensure_namespace
for name in $SEARCH_ATTRIBUTES; do
  retry ensure_search_attribute "$name"
done
for name in $SEARCH_ATTRIBUTES; do
  retry is_usable "$name"
done
echo "namespace $TEMPORAL_NAMESPACE is ready"
