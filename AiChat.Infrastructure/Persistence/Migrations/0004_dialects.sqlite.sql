-- Messages that clients store themselves may stand between a question and its reply.
alter table runs add column assistant_sequence integer not null default 0;

update runs set assistant_sequence = user_sequence + 1;

-- A message has one run, whoever asks for it, and however often.
drop index runs_by_chat;
create unique index runs_by_chat on runs (chat_id, user_sequence);

alter table runs add column web_search boolean not null default false;

-- What a reply is based on: a JSON array; null when the web was not searched, or nothing was found.
alter table messages add column sources text;

-- Beside seams there are sources now: their text is a JSON object.
drop index run_events_seams;
create index run_events_marks on run_events (run_id, sequence) where event <> 'message.delta';

-- It always was unique; that it says so lets messages of several chats be read in its order without sorting them.
drop index chats_by_user;
create unique index chats_by_user on chats (user_id, updated_at desc, id desc);
