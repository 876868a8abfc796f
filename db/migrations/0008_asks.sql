-- breaking: no; holds a lock on `approvals` for a moment
--
-- A question of an automation stands in the inbox beside the approvals: title, markdown and form. Null for approvals.
alter table approvals add column question jsonb;
