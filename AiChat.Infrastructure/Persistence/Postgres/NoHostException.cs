using Npgsql;

namespace AiChat.Infrastructure.Persistence.Postgres;

/// <summary>There are hosts, but none to be used at the moment: the one that led may have gone, and no other one taken over yet.</summary>
internal sealed class NoHostException(string message) : NpgsqlException(message);
