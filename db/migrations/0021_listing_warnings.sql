-- Breaks no running process: who does not know the table does without it. Locks nothing.
--
-- What of the list of a server could not be read, or cannot be checked, when somebody last asked it.
create table listing_warnings (
  organization text not null,
  connection text not null,
  warnings jsonb not null,
  seen_at timestamptz not null default app_now(),
  primary key (organization, connection)
);
