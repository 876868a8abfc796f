-- breaking: no; takes no lock on anything that exists
--
--   payloads   A  large values that histories name by their hash, written by the codec only
--
-- No row of ours names a payload: only histories in Temporal do. When one may go, is written down in
-- docs/decisions/0010-values-outside-of-histories.md: `last_used_at` must lie three days before the start of the oldest
-- execution that the namespace still keeps, open or closed.

create table payloads (
  -- of `bytes`: whoever reads them compares
  sha256 text primary key check (sha256 ~ '^[0-9a-f]{64}$'),
  -- for people and reports; what counts is the organization inside of `bytes`. Empty: a workflow that is not ours
  organization text not null,
  bytes bytea not null,
  size integer not null generated always as (length(bytes)) stored,
  created_at timestamptz not null default app_now(),
  -- of the last encoding or decoding, up to two days late
  last_used_at timestamptz not null default app_now()
);
create index payloads_by_use on payloads (last_used_at);
