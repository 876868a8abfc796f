-- A support and billing database with several tenants. Running it again changes nothing.
-- `countersign_app` is what Countersign may do here, and nothing more: read invoices, change two of their columns, and
-- keep its receipts (../../sdk/target/countersign_receipts.sql, which is run before this file).

create table if not exists customers (
  id text primary key,
  tenant_id text not null,
  name text not null,
  unique (tenant_id, id)
);

create table if not exists invoices (
  id text primary key,
  tenant_id text not null,
  customer_id text not null,
  amount_cents integer not null check (amount_cents > 0),
  late_fee_cents integer not null default 0 check (late_fee_cents >= 0),
  currency text not null check (currency ~ '^[A-Z]{3}$'),
  status text not null check (status in ('open', 'overdue', 'paid', 'void')),
  due_on date not null,
  updated_at timestamptz not null default now(),
  unique (tenant_id, id),
  -- A row can never refer to one of another tenant.
  foreign key (tenant_id, customer_id) references customers (tenant_id, id)
);

create table if not exists tickets (
  id text primary key,
  tenant_id text not null,
  customer_id text not null,
  invoice_id text,
  -- Set if the ticket disputes something on its invoice.
  dispute_id text unique,
  status text not null check (status in ('open', 'closed')),
  -- What support has found out, as opposed to what the customer says in `body`.
  reason text not null check (reason in ('payment_delayed_by_bank', 'forgot_to_pay', 'question', 'unclear')),
  subject text not null,
  body text not null,
  opened_on date not null,
  foreign key (tenant_id, customer_id) references customers (tenant_id, id),
  foreign key (tenant_id, invoice_id) references invoices (tenant_id, id)
);

-- Deliberately without an identity of its own: a comment that is sent twice is there twice, and can be seen.
create table if not exists ticket_comments (
  id bigint generated always as identity primary key,
  ticket_id text not null references tickets (id),
  comment text not null,
  created_at timestamptz not null default now()
);

-- `now()` stands still within a transaction and clocks go back; a version must not.
create or replace function touch_updated_at() returns trigger language plpgsql as $$
begin
  new.updated_at := greatest(clock_timestamp(), old.updated_at + interval '1 microsecond');
  return new;
end
$$;

create or replace trigger invoices_touch before update on invoices
  for each row execute function touch_updated_at();

-- Roles belong to the whole server, so another database may be making this one right now.
do $$
begin
  create role countersign_app nologin;
exception
  when duplicate_object or unique_violation then null;
end
$$;

grant usage on schema public to countersign_app;
grant select, update (late_fee_cents, status) on invoices to countersign_app;
grant select, insert, update on countersign_receipts to countersign_app;
