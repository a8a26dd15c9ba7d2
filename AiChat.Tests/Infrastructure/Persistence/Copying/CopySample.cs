using System.Globalization;
using AiChat.Infrastructure.Persistence;
using AiChat.Infrastructure.Persistence.Copying;
using Dapper;

namespace AiChat.Tests.Infrastructure.Persistence.Copying;

/// <summary>Rows of every table with values of every kind, and a way to see all that is stored without the copy's own code.</summary>
internal static class CopySample
{
    /// <summary>More than one transaction of a copy.</summary>
    public const int DeepChatMessages = 11_000;

    private const string FillSql = """
        insert into users (id, chat_count) values ('anna', 4), ('bob 😀', 1);

        insert into chats (id, user_id, title, model, system_prompt, metadata, message_count, active_run_id, created_at, updated_at) values
          ('chat-1', 'anna', 'A title with 😀 and ''quotes''', 'fast', 'Be kind.', '{"a": [1, null]}', 4, 'run-2', 1, 9007199254740993),
          ('chat-2', 'anna', null, null, null, null, 0, null, -1, 0),
          ('Chat-3', 'anna', '', '', '', '', 0, null, 0, 0),
          ('é-chat', 'anna', 'é', null, null, null, 0, null, 0, 1),
          ('ﬁ-chat', 'bob 😀', null, null, null, null, 0, null, 0, 0),
          ('😀-chat', 'bob 😀', null, null, null, null, 0, null, 0, 2);

        insert into messages (chat_id, sequence, id, role, content, tool_calls, status, model, run_id, sources, created_at, updated_at) values
          ('chat-1', 1, 'm-1', 'user', @LongText, null, 'completed', null, null, null, 1, 1),
          ('chat-1', 2, 'm-2', 'assistant', '', '[{"id": "call"}]', 'completed', 'oss', 'run-1', '[{"url": "https://example.org"}]', 2, 3),
          ('chat-1', 3, 'm-3', 'user', @Lines, null, 'completed', null, null, null, 4, 4),
          ('chat-1', 4, 'm-4', 'assistant', '', null, 'in_progress', null, 'run-2', null, 4, 4),
          ('😀-chat', 2147483647, '😀', 'tool', '😀', null, 'completed', null, null, null, 9223372036854775807, 5);

        insert into messages (chat_id, sequence, id, role, content, status, created_at, updated_at)
        with recursive numbers (i) as (select 1 union all select i + 1 from numbers where i < @DeepChatMessages)
        select 'chat-2', i, 'deep-' || i, 'user', 'Message number ' || i, 'completed', i, i from numbers;

        insert into runs (id, chat_id, user_id, user_message_id, assistant_message_id, user_sequence, assistant_sequence, alias, temperature, max_tokens,
          web_search, status, attempt, first_sequence, last_sequence, provider, model, input_tokens, output_tokens, usage_estimated, cost, finish_reason,
          error_code, error_message, receipt, node_id, lease_number, cancel_requested_at, created_at, started_at, first_token_at, completed_at) values
          ('run-1', 'chat-1', 'anna', 'm-1', 'm-2', 1, 2, 'fast', 0.1, 100, true, 'completed', 2, 5, 9007199254740993, 'groq', 'oss', 1, 2, false,
            9007199254740993, 'stop', 'e', 'E', '{}', 'node', 3, 1, 1, 2, 3, 4),
          ('run-2', 'chat-1', 'anna', 'm-3', 'm-4', 3, 4, 'fast', -0.0, null, false, 'in_progress', 1, 1, null, null, null, null, null, null,
            null, null, null, null, null, '', 1, null, 1, null, null, null),
          ('run-3', 'chat-2', 'anna', 'deep-1', 'deep-2', 1, 2, 'fast', 1e300, null, false, 'completed', 1, 1, null, null, null, null, null, true,
            null, null, null, null, null, '', 1, null, 1, null, null, 5),
          ('run-4', 'chat-2', 'anna', 'deep-3', 'deep-4', 3, 4, 'fast', 2, null, false, 'completed', 1, 1, null, null, null, null, null, null,
            null, null, null, null, null, '', 1, null, 1, null, null, 5);

        insert into run_events (run_id, sequence, event, text_offset, text, attempt) values
          ('run-2', 10, 'message.delta', 0, 'Hel', null), ('run-2', 9, 'run.continued', 3, '', 2), ('run-2', 100, 'message.delta', 3, 'lo 😀', null);

        insert into run_replies (run_id, attempt, reply) values ('run-1', 1, 'Half a re');

        insert into idempotency_keys (user_id, key, fingerprint, resource_id, created_at) values ('anna', 'key', 'f', 'run-1', 1), ('anna', 'Key', 'f', 'run-2', 2);

        insert into attempts (run_id, attempt, purpose, chat_id, user_id, alias, provider, model, outcome, error_code, error_message, input_tokens,
          output_tokens, cached_tokens, reasoning_tokens, usage_estimated, input_price, output_price, cost, started_at, first_token_at, completed_at) values
          ('run-1', 1, 'reply', 'chat-1', 'anna', 'fast', 'groq', 'oss', 'failed', 'c', 'm', 1, 2, 3, 4, true, 5, 6, 7, 8, 9, 10),
          ('run-2', 1, 'reply', 'gone', 'anna', 'fast', 'groq', 'oss', 'in_progress', null, null, null, null, null, null, null, null, null, null, 8, null, null);

        insert into budget_windows (scope, subject, period, starts_at, requests, tokens, cost) values ('user', 'anna', 'day', 0, 1, 2, 3), ('user', 'anna', 'day', 1, 1, 2, 3);

        insert into budget_reservations (run_id, scope, subject, period, starts_at, first_attempt, tokens, cost) values ('run-2', 'user', 'anna', 'day', 0, 1, 2, 3);
        """;

    public static Task FillAsync(IDatabase database) => database.WriteAsync(connection => connection.ExecuteAsync(FillSql, new
    {
        LongText = string.Concat(Enumerable.Repeat("Long, 😀. ", 100_000)),
        Lines = "One\r\nTwo\tthree\\ \"four\"\u0001\u2028",
        DeepChatMessages,
    }));

    /// <summary>Everything that is stored, a line for each row; the same lines for the same rows on both engines.</summary>
    public static async Task<IReadOnlyList<string>> DumpAsync(IDatabase database)
    {
        var lines = new List<string>();
        foreach (var table in Table.All)
        {
            var rows = await database.ReadAsync(connection => connection.QueryAsync($"select * from {table.Name}"), CancellationToken.None);
            lines.AddRange(rows.Cast<IDictionary<string, object?>>()
                .Select(row => $"{table.Name}: {string.Join(" | ", row.OrderBy(v => v.Key, StringComparer.Ordinal).Select(v => $"{v.Key}={Describe(v.Value)}"))}"));
        }

        return [.. lines.Order(StringComparer.Ordinal)];
    }

    /// <summary>SQLite has numbers for booleans.</summary>
    private static string Describe(object? value) => value switch
    {
        null => "null",
        bool truth => truth ? "1" : "0",
        double number => (number + 0.0).ToString("R", CultureInfo.InvariantCulture),
        string text => $"'{text}'",
        _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
    };
}
