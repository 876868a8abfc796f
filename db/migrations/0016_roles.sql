-- Breaks no running process. Locks `manifests` for a moment, to add a column.
--
-- A role may lock a row only if it may update a column of it, and a worker has to hold a connection's row while it claims
-- a write, so that a freeze waits for it. This column has one value and no other: the right to update it is the right to
-- lock, and to change nothing.
alter table manifests
  add column held smallint not null default 0,
  add constraint manifests_held check (held = 0);
