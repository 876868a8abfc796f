-- breaking: no; holds locks on `manifests` and `receipts` for as long as it takes to look through `receipts` once
--
-- A connection can be frozen: no write goes through it until it is thawed. That is state and no revision, and it stands
-- in the row that every claim of a sending locks, so that nothing slips through between.
alter table manifests
  add column frozen_at timestamptz,
  add column frozen_by text,
  add column frozen_reason text,
  add constraint manifests_frozen check ((frozen_at is null) = (frozen_by is null) and (frozen_at is null) = (frozen_reason is null)),
  add constraint manifests_frozen_kind check (frozen_at is null or kind = 'Connection');

-- A person's word on a write whose outcome nobody knew.
alter table receipts drop constraint receipts_kind_check;
alter table receipts add constraint receipts_kind_check check (kind in ('decision', 'outcome', 'resolution'));

create index writebacks_by_connection on writebacks (organization, connection, created_at)
  where state in ('planned', 'sending');
