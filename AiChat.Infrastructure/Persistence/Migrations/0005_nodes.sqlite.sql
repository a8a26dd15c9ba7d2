-- Processes that share the database; none where only one can use it.
create table nodes (
  id text not null primary key,
  -- By the database's clock. One that is past it is taken for dead.
  expires_at bigint not null
) without rowid;

-- The process that executes the run, or is to when its turn comes; empty for runs of versions that had none.
alter table runs add column node_id text not null default '';

-- Counts how often the run was given to a process: who knows an older number may not write to it any more.
alter table runs add column lease_number integer not null default 1;

-- When somebody asked another process to cancel it.
alter table runs add column cancel_requested_at bigint;

create index runs_by_node on runs (node_id) where completed_at is null;
