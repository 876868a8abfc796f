-- breaking: no; holds a lock on `decisions` for a moment
--
-- The API keeps a decision before it sends it, so that nobody on the way can make a rejection vanish. Such a row has no
-- `recorded_at` until an approval has judged and recorded it; until then only a rejection counts, and only at the door.
alter table decisions
  add column given_at timestamptz not null default app_now(),
  alter column recorded_at drop not null;
