using static AiChat.Infrastructure.Persistence.Copying.Column;

namespace AiChat.Infrastructure.Persistence.Copying;

/// <summary>A table's shape, and the statements that are made of it. They are made once: SQLite's connections know statements by their objects.</summary>
internal sealed class Table
{
    /// <param name="name">What it is called.</param>
    /// <param name="keyColumns">How many of its columns, the first ones, are its key.</param>
    /// <param name="columns">All that a row has; others of the table get their defaults.</param>
    public Table(string name, int keyColumns, params Column[] columns)
    {
        (Name, Columns, Key) = (name, columns, columns[..keyColumns]);
        var keys = string.Join(", ", Key.Select(c => c.Name));
        var all = string.Join(", ", columns.Select(c => c.Name));
        FirstRowsSql = $"select {all} from {name} order by {keys} limit @Limit";
        NextRowsSql = $"select {all} from {name} where ({keys}) > ({string.Join(", ", Key.Select(c => "@" + c.Name))}) order by {keys} limit @Limit";
        InsertSql = $"insert into {name} ({all}) values ({string.Join(", ", columns.Select(c => "@" + c.Name))})";
        CopyInSql = $"copy {name} ({all}) from stdin (format binary)";
        CountSql = $"select count(*) from {name}";
        HasRowsSql = $"select count(*) from (select 1 from {name} limit 1) as first";
        EmptySql = $"delete from {name}";
    }

    /// <summary>Everything that is stored, in the order of the foreign keys; not what belongs to running processes (nodes) or to the schema itself.</summary>
    public static IReadOnlyList<Table> All { get; } =
    [
        new("users", 1, Text("id"), Integer("chat_count")),
        new("chats", 1, Text("id"), Text("user_id"), Text("title"), Text("model"), Text("system_prompt"), Text("metadata"), Integer("message_count"),
            Text("active_run_id"), Bigint("created_at"), Bigint("updated_at")),
        new("messages", 2, Text("chat_id"), Integer("sequence"), Text("id"), Text("role"), Text("content"), Text("tool_calls"), Text("status"),
            Text("model"), Text("run_id"), Text("sources"), Bigint("created_at"), Bigint("updated_at")),
        new("runs", 1, Text("id"), Text("chat_id"), Text("user_id"), Text("user_message_id"), Text("assistant_message_id"), Integer("user_sequence"),
            Integer("assistant_sequence"), Text("alias"), Double("temperature"), Integer("max_tokens"), Boolean("web_search"), Text("status"),
            Integer("attempt"), Bigint("first_sequence"), Bigint("last_sequence"), Text("provider"), Text("model"), Integer("input_tokens"),
            Integer("output_tokens"), Boolean("usage_estimated"), Bigint("cost"), Text("finish_reason"), Text("error_code"), Text("error_message"),
            Text("receipt"), Text("node_id"), Integer("lease_number"), Bigint("cancel_requested_at"), Bigint("created_at"), Bigint("started_at"),
            Bigint("first_token_at"), Bigint("completed_at")),
        new("run_events", 2, Text("run_id"), Bigint("sequence"), Text("event"), Integer("text_offset"), Text("text"), Integer("attempt")),
        new("run_replies", 2, Text("run_id"), Integer("attempt"), Text("reply")),
        new("idempotency_keys", 2, Text("user_id"), Text("key"), Text("fingerprint"), Text("resource_id"), Bigint("created_at")),
        new("attempts", 2, Text("run_id"), Integer("attempt"), Text("purpose"), Text("chat_id"), Text("user_id"), Text("alias"), Text("provider"),
            Text("model"), Text("outcome"), Text("error_code"), Text("error_message"), Integer("input_tokens"), Integer("output_tokens"),
            Integer("cached_tokens"), Integer("reasoning_tokens"), Boolean("usage_estimated"), Bigint("input_price"), Bigint("output_price"),
            Bigint("cost"), Bigint("started_at"), Bigint("first_token_at"), Bigint("completed_at")),
        new("budget_windows", 4, Text("scope"), Text("subject"), Text("period"), Bigint("starts_at"), Bigint("requests"), Bigint("tokens"), Bigint("cost")),
        new("budget_reservations", 4, Text("run_id"), Text("scope"), Text("subject"), Text("period"), Bigint("starts_at"), Integer("first_attempt"),
            Bigint("tokens"), Bigint("cost")),
    ];

    public string Name { get; }

    public IReadOnlyList<Column> Columns { get; }

    public IReadOnlyList<Column> Key { get; }

    public string FirstRowsSql { get; }

    public string NextRowsSql { get; }

    public string InsertSql { get; }

    public string CopyInSql { get; }

    public string CountSql { get; }

    public string HasRowsSql { get; }

    public string EmptySql { get; }
}
