-- A run's log is its text with a few marks in it. The text of a finished run is its message's content; run_events holds what cannot be
-- worked out from there: the text of running replies as far as it was flushed, and the seams where another attempt took over.

alter table messages add column run_id text;

update messages set run_id = (select r.id from runs r where r.chat_id = messages.chat_id and r.user_sequence = messages.sequence - 1)
where role = 'assistant';

alter table runs add column attempt integer not null default 1;
-- Positions of the current attempt's first and last event.
alter table runs add column first_sequence bigint not null default 1;
alter table runs add column last_sequence bigint;
alter table runs add column first_token_at bigint;
alter table runs add column error_message text;

create table run_events (
  run_id text not null references runs (id) on delete cascade,
  -- The position behind the event.
  sequence bigint not null,
  -- message.delta or run.continued
  event text not null,
  -- How much of the reply came before it, in UTF-16 code units.
  text_offset integer not null,
  -- The text of a message.delta.
  text text not null,
  -- The attempt of a run.continued.
  attempt integer,
  primary key (run_id, sequence)
) without rowid;

-- Few, however many runs there are: what the retention removes.
create index run_events_seams on run_events (run_id, sequence) where event = 'run.continued';

-- Attempts that another one followed; the current one is in runs.
create table run_attempts (
  run_id text not null references runs (id) on delete cascade,
  attempt integer not null,
  status text not null,
  provider text,
  model text,
  input_tokens integer,
  output_tokens integer,
  usage_estimated boolean,
  error_code text,
  error_message text,
  reply text not null,
  started_at bigint,
  completed_at bigint,
  primary key (run_id, attempt)
) without rowid;

create table idempotency_keys (
  user_id text not null,
  key text not null,
  fingerprint text not null,
  -- The chat or the run the request made.
  resource_id text not null,
  created_at bigint not null,
  primary key (user_id, key)
) without rowid;

create index idempotency_keys_by_age on idempotency_keys (created_at);
