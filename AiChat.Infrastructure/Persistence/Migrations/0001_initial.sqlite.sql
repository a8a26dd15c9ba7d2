-- Tables that are read by their key are kept in key order (without rowid): one b-tree instead of two, and a page of a chat's history
-- is one run of neighbours.

create table users (
  id text not null primary key,
  chat_count integer not null
) without rowid;

create table chats (
  id text not null primary key,
  user_id text not null,
  title text,
  model text,
  system_prompt text,
  metadata text,
  message_count integer not null,
  -- The run whose turn it is; later ones of this chat wait for its end.
  active_run_id text,
  created_at bigint not null,
  updated_at bigint not null
) without rowid;

create index chats_by_user on chats (user_id, updated_at desc, id desc);

create table messages (
  chat_id text not null references chats (id) on delete cascade,
  sequence integer not null,
  id text not null,
  role text not null,
  content text not null,
  tool_calls text,
  status text not null,
  model text,
  created_at bigint not null,
  updated_at bigint not null,
  primary key (chat_id, sequence)
) without rowid;

create unique index messages_by_id on messages (id);

create table runs (
  id text not null primary key,
  chat_id text not null references chats (id) on delete cascade,
  user_id text not null,
  user_message_id text not null,
  assistant_message_id text not null,
  user_sequence integer not null,
  alias text not null,
  temperature double precision,
  max_tokens integer,
  status text not null,
  provider text,
  model text,
  input_tokens integer,
  output_tokens integer,
  usage_estimated boolean,
  finish_reason text,
  error_code text,
  receipt text,
  created_at bigint not null,
  started_at bigint,
  completed_at bigint
) without rowid;

create index runs_by_chat on runs (chat_id, user_sequence);

-- Small however long the history is: the queue of a chat, and what a dead process left behind.
create index runs_unfinished on runs (chat_id, user_sequence) where completed_at is null;
