-- breaking: no; holds a lock on `decisions` for a moment
--
-- The API keeps a decision before it sends it, so that nobody on the way can make a rejection vanish. Such a row has no
-- `recorded_at` until an approval has judged and recorded it; until then only a rejection counts, and only at the door.
alter table decisions
  add column given_at timestamptz not null default app_now(),
  alter column recorded_at drop not null;

-- What was recorded is evidence: workers may change and delete the other rows only.
create function keep_recorded_decisions() returns trigger language plpgsql as $$
begin
  if old.recorded_at is not null and (tg_op = 'DELETE' or new is distinct from old) then
    raise exception 'decision % is recorded, and stays as it is', old.decision_id using errcode = 'integrity_constraint_violation';
  end if;
  return case when tg_op = 'DELETE' then old else new end;
end
$$;
create trigger keep_recorded_decisions before update or delete on decisions
  for each row execute function keep_recorded_decisions();
