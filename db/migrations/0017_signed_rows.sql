-- Breaks no running process. Locks `writebacks` for a moment, to add two columns.
--
-- What a worker has signed of a row: that it has planned it as it is, and that a claim was given up before anything was
-- sent. Whoever may write to the table cannot make either of them. A row that was planned before has no such word: its own
-- run may still send it, and nobody else closes it.
alter table writebacks
  add column signed_plan jsonb,
  add column signed_release jsonb;
