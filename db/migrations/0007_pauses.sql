-- breaking: no. Takes an exclusive lock on `deliveries` for a moment, and stops writers of deliveries, writebacks,
-- approvals and receipts for as long as their indexes are built.
--
-- An automation, or a trigger of it, can be paused: it starts nothing until it is resumed. That is state and no revision.
create table pauses (
  organization text not null,
  kind text not null default 'Automation' check (kind = 'Automation'),
  automation text not null,
  -- '' for the automation as a whole, else such as 'event/billing/invoice.overdue'
  trigger text not null default '',
  paused_at timestamptz not null default app_now(),
  paused_by text not null,
  reason text not null,
  primary key (organization, automation, trigger),
  foreign key (organization, kind, automation) references manifests (organization, kind, name) on delete cascade
);

-- What listens to the event and was not started by it: [{automation, code, detail}].
alter table deliveries add column skipped jsonb not null default '[]';

-- Lists go by age within an organization.
create index deliveries_listed on deliveries (organization, received_at, id);
create index writebacks_listed on writebacks (organization, created_at, writeback_id);
create index approvals_listed on approvals (organization, created_at, approval_id);
create index receipts_listed on receipts (organization, created_at, receipt_id);
