-- breaking: no. Takes an exclusive lock on deliveries for as long as its indexes are built; on writebacks and approvals
-- one that stops writers for as long. Processes of before go on: what they insert gets the defaults.
--
-- The relay starts deliveries that were stored and could not be started: which, and not before when.

alter table deliveries
  -- Starts that Temporal refused. One that could not be asked does not count.
  add column attempts integer not null default 0,
  -- Whoever has stored a delivery starts it at once; the relay comes in only if it has not.
  add column next_attempt_at timestamptz not null default app_now() + interval '5 seconds',
  add column last_error text;

drop index deliveries_pending;
create index deliveries_due on deliveries (next_attempt_at) where state = 'pending';
create index deliveries_by_age on deliveries (received_at, id) where state = 'started';

-- The reconciler goes round the open rows in the order of their ids.
create index writebacks_to_reconcile on writebacks (writeback_id) where state in ('planned', 'sending');
create index approvals_to_reconcile on approvals (approval_id) where state = 'waiting';

create index writebacks_by_delivery on writebacks (delivery_id);
