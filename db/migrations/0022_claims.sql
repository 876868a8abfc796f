-- Breaks no running process: workers before it claim by a statement of their own. Locks nothing.
--
-- The right to send a write. It has waited for whoever holds the write or its connection before it looks, for a statement
-- sees what was there when it began: a policy that was saved while it waited would not count. One call, so that no worker
-- that stands still between two statements holds a lock.
create function claim_sending(
  claimed_id text, seen_attempt int, timeout_ms bigint, connection_revision int, policy_revisions jsonb
) returns table (attempt int, deadline_at timestamptz, updated_at timestamptz) language plpgsql as $$
#variable_conflict use_column
begin
  perform from manifests m join writebacks w
    on m.organization = w.organization and m.kind = 'Connection' and m.name = w.connection
    where w.writeback_id = claimed_id for share of m;
  perform from writebacks w where w.writeback_id = claimed_id for update;
  return query update writebacks w set state = 'sending', attempt = w.attempt + 1, updated_at = app_now(),
      deadline_at = app_now() + timeout_ms * interval '1 millisecond'
    where w.writeback_id = claimed_id and w.attempt = seen_attempt
      and (w.state = 'planned' or (w.state = 'sending' and w.deadline_at < app_now()))
      and connection_revision = coalesce((select m.head from manifests m where m.organization = w.organization
        and m.kind = 'Connection' and m.name = w.connection and m.frozen_at is null), 0)
      and policy_revisions = (select coalesce(jsonb_object_agg(p.name, p.head), '{}') from manifests p
        where p.organization = w.organization and p.kind = 'Policy' and p.head > 0)
      and not exists (select from receipts r where r.subject = claimed_id and r.kind = 'outcome')
    returning w.attempt, w.deadline_at, w.updated_at;
end
$$;
