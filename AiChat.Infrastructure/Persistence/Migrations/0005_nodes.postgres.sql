-- PostgreSQL begins here, with what the migrations before have made of SQLite's schema; why each table is as it is, is said there.
-- Texts are compared by their bytes, as SQLite does: the order of ids is the same on both, and comparing is quicker.

create table users (
  id text collate "C" not null primary key,
  chat_count integer not null
) with (fillfactor = 80);

create table chats (
  id text collate "C" not null,
  user_id text collate "C" not null,
  title text,
  model text,
  system_prompt text,
  metadata text,
  message_count integer not null,
  active_run_id text collate "C",
  created_at bigint not null,
  updated_at bigint not null,
  -- With the owner: whose the chat is, is asked by nearly every statement, and must not be looked for among all chats of the user.
  primary key (id) include (user_id)
) with (fillfactor = 80);

create unique index chats_by_user on chats (user_id, updated_at desc, id desc);

create table messages (
  chat_id text collate "C" not null references chats (id) on delete cascade,
  sequence integer not null,
  id text collate "C" not null,
  role text not null,
  content text not null,
  tool_calls text,
  status text not null,
  model text,
  run_id text collate "C",
  sources text,
  created_at bigint not null,
  updated_at bigint not null,
  primary key (chat_id, sequence)
) with (fillfactor = 90);

create unique index messages_by_id on messages (id);

create table runs (
  id text collate "C" not null primary key,
  chat_id text collate "C" not null references chats (id) on delete cascade,
  user_id text collate "C" not null,
  user_message_id text collate "C" not null,
  assistant_message_id text collate "C" not null,
  user_sequence integer not null,
  assistant_sequence integer not null,
  alias text not null,
  temperature double precision,
  max_tokens integer,
  web_search boolean not null,
  status text not null,
  attempt integer not null default 1,
  first_sequence bigint not null default 1,
  last_sequence bigint,
  provider text,
  model text,
  input_tokens integer,
  output_tokens integer,
  usage_estimated boolean,
  cost bigint,
  finish_reason text,
  error_code text,
  error_message text,
  receipt text,
  node_id text collate "C" not null,
  lease_number integer not null default 1,
  cancel_requested_at bigint,
  created_at bigint not null,
  started_at bigint,
  first_token_at bigint,
  completed_at bigint
) with (fillfactor = 80);

create unique index runs_by_chat on runs (chat_id, user_sequence);
create index runs_unfinished on runs (chat_id, user_sequence) where completed_at is null;
create index runs_by_node on runs (node_id) where completed_at is null;

create table run_events (
  run_id text collate "C" not null references runs (id) on delete cascade,
  sequence bigint not null,
  event text not null,
  text_offset integer not null,
  text text not null,
  attempt integer,
  primary key (run_id, sequence)
);

create index run_events_marks on run_events (run_id, sequence) where event <> 'message.delta';

create table run_replies (
  run_id text collate "C" not null references runs (id) on delete cascade,
  attempt integer not null,
  reply text not null,
  primary key (run_id, attempt)
);

create table idempotency_keys (
  user_id text collate "C" not null,
  key text collate "C" not null,
  fingerprint text not null,
  resource_id text collate "C" not null,
  created_at bigint not null,
  primary key (user_id, key)
);

create index idempotency_keys_by_age on idempotency_keys (created_at);

create table attempts (
  run_id text collate "C" not null,
  attempt integer not null,
  purpose text not null,
  chat_id text collate "C" not null,
  user_id text collate "C" not null,
  alias text collate "C" not null,
  provider text collate "C" not null,
  model text collate "C" not null,
  outcome text not null,
  error_code text,
  error_message text,
  input_tokens integer,
  output_tokens integer,
  cached_tokens integer,
  reasoning_tokens integer,
  usage_estimated boolean,
  input_price bigint,
  output_price bigint,
  cost bigint,
  started_at bigint not null,
  first_token_at bigint,
  completed_at bigint,
  primary key (run_id, attempt)
) with (fillfactor = 80);

create index attempts_by_user on attempts (user_id, started_at);
create index attempts_by_time on attempts (started_at);
create index attempts_in_progress on attempts (run_id) where outcome = 'in_progress';

create table budget_windows (
  scope text collate "C" not null,
  subject text collate "C" not null,
  period text collate "C" not null,
  starts_at bigint not null,
  requests bigint not null,
  tokens bigint not null,
  cost bigint not null,
  primary key (scope, subject, period, starts_at)
) with (fillfactor = 50);

create index budget_windows_by_age on budget_windows (period, starts_at);

create table budget_reservations (
  run_id text collate "C" not null,
  scope text collate "C" not null,
  subject text collate "C" not null,
  period text collate "C" not null,
  starts_at bigint not null,
  first_attempt integer not null,
  tokens bigint not null,
  cost bigint not null,
  primary key (run_id, scope, subject, period)
);

create table nodes (
  id text collate "C" not null primary key,
  expires_at bigint not null
) with (fillfactor = 50);
