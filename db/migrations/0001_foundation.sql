-- breaking: no; takes no lock on anything that exists
--
-- A = authority, P = projection that can be rebuilt.
--   principals, roles, api_keys   A  who may do what
--   manifests, revisions          A  configuration, every version of it
--   deliveries                    A  every arrival that may start runs, and what it started
--   writebacks                    A  the ledger: one row for each write to the outside, written by the door only
--   decisions                     A  signed documents, as given
--   approvals                     P  the inbox: what waits for whom
--   receipts, receipt_chains      A  signed records, numbered and chained per run
--   tool_catalog                  P  what servers said of their tools

-- One clock for every statement; a test may set countersign.now.
create function app_now() returns timestamptz language sql stable as $$
  select coalesce(nullif(current_setting('countersign.now', true), '')::timestamptz, now())
$$;

create table principals (
  organization text not null,
  id text not null,
  kind text not null check (kind in ('person', 'service', 'agent')),
  display_name text not null,
  disabled_at timestamptz,
  created_at timestamptz not null default app_now(),
  primary key (organization, id)
);

create table roles (
  organization text not null,
  principal text not null,
  role text not null,
  primary key (organization, principal, role),
  foreign key (organization, principal) references principals (organization, id) on delete cascade
);

create table api_keys (
  id text primary key,
  organization text not null,
  principal text not null,
  key_sha256 text not null unique check (key_sha256 ~ '^[0-9a-f]{64}$'),
  scopes text[] not null,
  created_at timestamptz not null default app_now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  foreign key (organization, principal) references principals (organization, id) on delete cascade
);

create table manifests (
  organization text not null,
  kind text not null check (kind in ('Automation', 'Connection', 'Policy', 'Prompt', 'Skill')),
  name text not null,
  head integer not null,
  updated_at timestamptz not null default app_now(),
  primary key (organization, kind, name)
);

create table revisions (
  organization text not null,
  kind text not null,
  name text not null,
  number integer not null check (number > 0),
  version text not null,
  content_sha256 text not null,
  body jsonb not null,
  -- definition hash of every tool the automation names, as it was when this revision was saved
  pins jsonb not null default '{}',
  author text not null,
  created_at timestamptz not null default app_now(),
  primary key (organization, kind, name, number),
  foreign key (organization, kind, name) references manifests on delete cascade
    deferrable initially deferred
);
create index revisions_by_trigger on revisions using gin (body jsonb_path_ops) where kind = 'Automation';

create table deliveries (
  id text primary key,
  organization text not null,
  source text not null,
  dedupe_key text not null,
  request_sha256 text not null,
  requester jsonb not null,
  -- frozen at arrival: [{runId, workflowId, automation, revision, input}]
  runs jsonb not null,
  state text not null check (state in ('pending', 'started')),
  received_at timestamptz not null default app_now(),
  started_at timestamptz,
  unique (organization, source, dedupe_key)
);
create index deliveries_by_run on deliveries using gin (runs jsonb_path_ops);
create index deliveries_pending on deliveries (received_at) where state = 'pending';

create table writebacks (
  writeback_id text primary key,
  organization text not null,
  run_id text not null,
  run_workflow_id text not null,
  delivery_id text not null,
  automation text not null,
  revision integer not null,
  path text not null,
  connection text not null,
  operation text not null,
  executor text not null,
  digest text not null,
  idempotency_key text not null unique,
  requester jsonb not null,
  plan jsonb not null,
  requirement jsonb,
  preview jsonb not null,
  state text not null check (state in ('planned', 'sending', 'applied', 'already_applied', 'conflict', 'failed',
    'unknown', 'refused', 'rejected', 'expired', 'withdrawn')),
  attempt integer not null default 0,
  deadline_at timestamptz,
  outcome jsonb,
  created_at timestamptz not null default app_now(),
  updated_at timestamptz not null default app_now(),
  check ((state = 'sending') = (deadline_at is not null)),
  check ((state in ('planned', 'sending')) = (outcome is null))
);
create index writebacks_by_run on writebacks (organization, run_id);
create index writebacks_open on writebacks (updated_at) where state in ('planned', 'sending', 'unknown');

create table decisions (
  decision_id text primary key,
  organization text not null,
  writeback_id text not null,
  principal text not null,
  verdict text not null check (verdict in ('approve', 'reject')),
  envelope jsonb not null,
  recorded_at timestamptz not null default app_now()
);
create index decisions_by_writeback on decisions (writeback_id);

create table approvals (
  approval_id text primary key,
  organization text not null,
  writeback_id text not null,
  workflow_id text not null,
  run_id text not null,
  automation text not null,
  digest text not null,
  requirement jsonb not null,
  requester jsonb not null,
  preview jsonb not null,
  state text not null check (state in ('waiting', 'approved', 'rejected', 'expired', 'withdrawn')),
  votes jsonb not null default '[]',
  expires_at timestamptz not null,
  created_at timestamptz not null default app_now(),
  closed_at timestamptz
);
create index approvals_waiting on approvals (organization, created_at, approval_id) where state = 'waiting';
create index approvals_by_run on approvals (organization, run_id);

create table receipts (
  receipt_id text primary key,
  organization text not null,
  run_id text not null,
  seq integer not null check (seq > 0),
  subject text not null,
  kind text not null check (kind in ('decision', 'outcome')),
  sha256 text not null,
  envelope jsonb not null,
  created_at timestamptz not null default app_now(),
  unique (run_id, seq),
  unique (subject, kind)
);

create table receipt_chains (
  run_id text primary key,
  seq integer not null,
  sha256 text
);

create table tool_catalog (
  organization text not null,
  connection text not null,
  tool text not null,
  definition jsonb not null,
  definition_sha256 text not null,
  seen_at timestamptz not null default app_now(),
  primary key (organization, connection, tool)
);
