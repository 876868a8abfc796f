-- What the API and the workers may do with each table; nothing else. `api/migrate.ts` puts the names of their roles in the
-- place of :api and :worker. It is run after each migration, by the owner of the tables, and may be run again.
--
-- The worker starts programs and talks to servers of tenants, so it is the one that somebody may take over. It cannot
-- say who people are, what their keys are, nor what automations, connections and policies say.

revoke all on all tables in schema public from :api, :worker;
revoke all on all sequences in schema public from :api, :worker;
grant usage on schema public to :api, :worker;

grant select on schema_migrations to :api, :worker;

-- People and keys
grant select, insert, update on principals to :api;
grant select on principals to :worker;
grant select, insert, delete on roles to :api;
grant select on roles to :worker;
grant select, insert, update on api_keys to :api;

-- Configuration
grant select, insert, update on manifests to :api;
grant select, update (held) on manifests to :worker;
grant select, insert on revisions to :api;
grant select on revisions to :worker;
grant select, insert, delete on pauses to :api;
grant select on pauses to :worker;

-- What arrives. Runs that other runs start are stored by workers, and retention is theirs.
grant select, insert, update on deliveries to :api;
grant select, insert, update, delete on deliveries to :worker;

-- The ledger and its evidence: nobody changes or deletes a receipt, nor (by a trigger) a decision that was recorded.
grant select on writebacks to :api;
grant select, insert, update, delete on writebacks to :worker;
grant select, insert, update (decision_id) on decisions to :api;
grant select, insert, update (recorded_at, envelope), delete on decisions to :worker;
grant select on receipts to :api;
grant select, insert on receipts to :worker;
grant select on receipt_chains to :api;
grant select, insert, update on receipt_chains to :worker;

-- Projections and values
grant select on approvals to :api;
grant select, insert, update, delete on approvals to :worker;
grant select on tool_catalog to :api;
grant select, insert, update, delete on tool_catalog to :worker;
grant select on listing_warnings to :api;
grant select, insert, update on listing_warnings to :worker;
grant select, insert, update on payloads to :api;
grant select, insert, update, delete on payloads to :worker;
