-- The ledger: one row for every call of a model, kept when its chat is deleted. Money is in millionths of a millionth of the currency:
-- whole numbers, so that sums are exact.
create table attempts (
  run_id text not null,
  -- Counts on over everything that is tried for the run.
  attempt integer not null,
  -- reply, or title for the call that names a chat (its run_id is its own).
  purpose text not null,
  chat_id text not null,
  user_id text not null,
  alias text not null,
  provider text not null,
  model text not null,
  -- in_progress, completed, failed, cancelled or incomplete
  outcome text not null,
  error_code text,
  error_message text,
  input_tokens integer,
  output_tokens integer,
  cached_tokens integer,
  reasoning_tokens integer,
  usage_estimated boolean,
  -- Of one token, and of all of them.
  input_price bigint,
  output_price bigint,
  cost bigint,
  started_at bigint not null,
  first_token_at bigint,
  completed_at bigint,
  primary key (run_id, attempt)
) without rowid;

create index attempts_by_user on attempts (user_id, started_at);
create index attempts_by_time on attempts (started_at);

-- Few: what a dead process was paying for.
create index attempts_in_progress on attempts (run_id) where outcome = 'in_progress';

-- What attempts wrote whose text another one replaced or went on with.
create table run_replies (
  run_id text not null references runs (id) on delete cascade,
  attempt integer not null,
  reply text not null,
  primary key (run_id, attempt)
) without rowid;

insert into run_replies (run_id, attempt, reply) select run_id, attempt, reply from run_attempts;

insert into attempts (run_id, attempt, purpose, chat_id, user_id, alias, provider, model, outcome, error_code, error_message, input_tokens,
  output_tokens, usage_estimated, started_at, completed_at)
select a.run_id, a.attempt, 'reply', r.chat_id, r.user_id, r.alias, a.provider, a.model, a.status, a.error_code, a.error_message,
  a.input_tokens, a.output_tokens, a.usage_estimated, a.started_at, a.completed_at
from run_attempts a join runs r on r.id = a.run_id
where a.provider is not null and a.model is not null and a.started_at is not null;

insert into attempts (run_id, attempt, purpose, chat_id, user_id, alias, provider, model, outcome, error_code, error_message, input_tokens,
  output_tokens, usage_estimated, started_at, first_token_at, completed_at)
select id, attempt, 'reply', chat_id, user_id, alias, provider, model, status, error_code, error_message, input_tokens, output_tokens,
  usage_estimated, started_at, first_token_at, completed_at
from runs
where completed_at is not null and provider is not null and model is not null and started_at is not null;

drop table run_attempts;

-- What its attempts cost together since it was last started; null where a price was not known.
alter table runs add column cost bigint;

-- How much of each budget is used: a row for each of its windows.
create table budget_windows (
  -- user or model
  scope text not null,
  -- The user's id, or the alias.
  subject text not null,
  -- minute, day or month, in UTC
  period text not null,
  starts_at bigint not null,
  requests bigint not null,
  tokens bigint not null,
  cost bigint not null,
  primary key (scope, subject, period, starts_at)
) without rowid;

-- For removing those that are over.
create index budget_windows_by_age on budget_windows (period, starts_at);

-- What was taken from windows for runs that have not ended, settled with them; also when their chats are gone by then.
create table budget_reservations (
  run_id text not null,
  scope text not null,
  subject text not null,
  period text not null,
  starts_at bigint not null,
  -- The attempt that began with it; those before it were settled.
  first_attempt integer not null,
  tokens bigint not null,
  cost bigint not null,
  primary key (run_id, scope, subject, period)
) without rowid;
