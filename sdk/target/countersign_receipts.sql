-- Where Countersign notes, in the same transaction as the write itself, that a write was done. It is what makes sending
-- a write again harmless. Run it once in each database that Countersign may write to; running it again changes nothing.
create table if not exists countersign_receipts (
  idempotency_key text primary key,
  writeback_id text not null,
  digest text not null,
  status text not null check (status in ('in_progress', 'applied', 'conflict')),
  result jsonb,
  created_at timestamptz not null default now(),
  completed_at timestamptz
);
