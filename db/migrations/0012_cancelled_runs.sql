-- breaking: no; holds a lock on `deliveries` for a moment. Processes of before start what was cancelled meanwhile.
--
-- Runs that somebody cancelled while their delivery was pending: whoever starts the delivery leaves them out.
alter table deliveries add column cancelled_run_ids text[] not null default '{}';
