using AiChat.Infrastructure.Persistence.Postgres;
using AiChat.Tests.Infrastructure.Persistence;
using AiChat.Tests.Support;
using Dapper;
using Npgsql;

namespace AiChat.Tests.Operations.Chaos;

/// <summary>
/// A PostgreSQL server of its own, whose database watches who writes: each process has a name there, and triggers note whatever one of them
/// writes to a run that belongs to another.
/// </summary>
internal sealed class ChaosPostgres : IChaosStorage
{
    /// <summary>A process that goes on looks at its runs each time it has said that it is alive: the one it is at, and a whole one.</summary>
    private const int RenewalsUntilAware = 3;

    private static readonly TimeSpan PollDelay = TimeSpan.FromMilliseconds(20);

    /// <summary>Far beyond the longest lease, and beyond what the locks of a paused process are kept for.</summary>
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(60);

    private readonly OwnPostgresServer server;
    private readonly HashSet<string> dead = [];

    private ChaosPostgres(OwnPostgresServer server) => this.server = server;

    /// <summary>A run belongs to the process that executes it. Another one may ask for a cancel, hand it its turn, or take it over.</summary>
    private const string WatchSql = """
        create extension amcheck;
        create schema chaos;
        create table chaos.processes (node_id text primary key, name text not null);
        create table chaos.trespasses (id serial primary key, sentence text not null);
        create table chaos.takeovers (run_id text not null, name text not null, at timestamptz not null default clock_timestamp());

        create function chaos.note_process() returns trigger language plpgsql as $$
        begin
          insert into chaos.processes values (new.id, current_setting('application_name')) on conflict do nothing;
          return null;
        end $$;

        create function chaos.note_trespass(place text, run runs) returns void language plpgsql as $$
        declare
          me text := current_setting('application_name');
          owner text := (select name from chaos.processes where node_id = run.node_id);
        begin
          if owner is distinct from me then
            insert into chaos.trespasses (sentence) values (format(
              '%s wrote to %s of run %s, which belongs to %s (lease %s, %s).', me, place, run.id, owner, run.lease_number, run.status));
          end if;
        end $$;

        create function chaos.watch_run() returns trigger language plpgsql as $$
        declare
          free text[] := case when old.status = 'queued' and new.status = 'in_progress'
            then '{cancel_requested_at,status,started_at}' else '{cancel_requested_at}' end;
        begin
          if to_jsonb(new) - free <> to_jsonb(old) - free then
            perform chaos.note_trespass('runs', new);
          end if;
          if old.completed_at is null and new.node_id <> old.node_id then
            insert into chaos.takeovers (run_id, name) select old.id, name from chaos.processes where node_id = old.node_id;
          end if;
          return null;
        end $$;

        create function chaos.watch_part() returns trigger language plpgsql as $$
        declare
          run runs;
        begin
          select * into run from runs where id = new.run_id;
          if found and (tg_table_name <> 'run_replies' or run.completed_at is null) then
            perform chaos.note_trespass(tg_table_name, run);
          end if;
          return null;
        end $$;

        create trigger chaos after insert on nodes for each row execute function chaos.note_process();
        create trigger chaos after update on runs for each row execute function chaos.watch_run();
        create trigger chaos after insert or update on run_events for each row execute function chaos.watch_part();
        create trigger chaos after insert or update on run_replies for each row execute function chaos.watch_part();
        create trigger chaos after insert or update on attempts for each row execute function chaos.watch_part();
        create trigger chaos after update on messages for each row execute function chaos.watch_part();
        """;

    /// <summary>A new server; where PostgreSQL is not installed, the test ends here, as skipped.</summary>
    public static async Task<ChaosPostgres> StartAsync()
    {
        var storage = new ChaosPostgres(await OwnPostgresServer.CreateAsync());
        try
        {
            await using (var database = (PostgresDatabase)TestDatabase.Open(storage.server.Url))
                await TestDatabase.NewMigrator(database, TimeProvider.System).MigrateAsync();
            await using var connection = await storage.ConnectAsync();
            await connection.ExecuteAsync(WatchSql);
            return storage;
        }
        catch
        {
            await storage.DisposeAsync();
            throw;
        }
    }

    public string GetUrl(string process) => $"{server.Url}?application_name={process}";

    private const string TakeTrespassesSql = "delete from chaos.trespasses returning sentence";

    private const string UnfinishedSql = """
        select r.id, r.user_id from runs r join chaos.processes p on p.node_id = r.node_id where p.name = @Process and r.completed_at is null
        """;

    public async Task<ChaosFindings> ExamineAsync(string process)
    {
        dead.Add(process);
        await using var connection = await ConnectAsync();
        var trespasses = await connection.QueryAsync<string>(TakeTrespassesSql);
        var unfinished = await connection.QueryAsync<(string Id, string UserId)>(UnfinishedSql, new { Process = process });
        return new ChaosFindings([.. trespasses], [.. unfinished.Select(r => new UnfinishedRun(r.Id, r.UserId))]);
    }

    private const string AllUnfinishedSql = "select id, user_id from runs where completed_at is null";

    public async Task<ChaosFindings> ExamineAllAsync()
    {
        await using var connection = await ConnectAsync();
        var damage = (await connection.QueryAsync<string>(TakeTrespassesSql)).Concat(await connection.QueryAsync<string>(ContradictionsSql)).ToList();
        damage.AddRange(await connection.QueryAsync<string>(CheckTablesSql));
        damage.AddRange(await connection.QueryAsync<string>(MistakenSql, new { Dead = dead.ToArray() }));
        try
        {
            await connection.ExecuteAsync(CheckIndexesSql);
        }
        catch (PostgresException failure)
        {
            damage.Add($"PostgreSQL finds an index damaged: {failure.MessageText}.");
        }

        var unfinished = await connection.QueryAsync<(string Id, string UserId)>(AllUnfinishedSql);
        return new ChaosFindings(damage, [.. unfinished.Select(r => new UnfinishedRun(r.Id, r.UserId))])
        {
            TakenOver = await connection.ExecuteScalarAsync<int>(CountTakeoversSql),
        };
    }

    private const string CountTakeoversSql = "select count(*) from chaos.takeovers";

    private const string MistakenSql = """
        select format('Process %s was taken for dead although it was alive: %s of its runs were taken over.', name, count(*))
        from chaos.takeovers where name <> all(@Dead) group by name
        """;

    /// <summary>Rows that no statement may leave, whichever constraints there are.</summary>
    private const string ContradictionsSql = """
        select format('Message %s is in no chat.', m.id) from messages m left join chats c on c.id = m.chat_id where c.id is null
        union all select format('Run %s is in no chat.', r.id) from runs r left join chats c on c.id = r.chat_id where c.id is null
        union all select format('Run %s lacks its messages.', r.id) from runs r where
          not exists (select 1 from messages m where m.chat_id = r.chat_id and m.sequence = r.user_sequence and m.id = r.user_message_id)
          or not exists (select 1 from messages m where m.chat_id = r.chat_id and m.sequence = r.assistant_sequence and m.id = r.assistant_message_id and m.run_id = r.id)
        union all select format('Reply %s belongs to no run.', m.id) from messages m left join runs r on r.id = m.run_id where m.run_id is not null and r.id is null
        union all select format('Reply %s is %s, its run %s.', m.id, m.status, r.status) from messages m join runs r on r.id = m.run_id
          where m.status <> r.status and r.completed_at is not null
        union all select format('Chat %s counts %s messages and has %s.', c.id, c.message_count, count(m.id))
          from chats c left join messages m on m.chat_id = c.id group by c.id having c.message_count <> count(m.id) or c.message_count <> coalesce(max(m.sequence), 0)
        union all select format('User %s counts %s chats and has %s.', u.id, u.chat_count, count(c.id))
          from users u left join chats c on c.user_id = u.id group by u.id having u.chat_count <> count(c.id)
        union all select format('The turn of chat %s is with run %s, which has ended or is not there.', c.id, c.active_run_id)
          from chats c left join runs r on r.id = c.active_run_id and r.chat_id = c.id and r.completed_at is null where c.active_run_id is not null and r.id is null
        union all select format('Run %s goes on without the turn of its chat.', r.id) from runs r join chats c on c.id = r.chat_id
          where r.status = 'in_progress' and c.active_run_id is distinct from r.id
        union all select format('Run %s is %s and %s.', r.id, r.status, case when r.completed_at is null then 'has no end' else 'has ended' end)
          from runs r where (r.status in ('queued', 'in_progress')) <> (r.completed_at is null)
        union all select format('Run %s has ended and has text beside its message.', r.id) from runs r
          where r.completed_at is not null and exists (select 1 from run_events e where e.run_id = r.id and e.event = 'message.delta')
        union all select format('Event %s belongs to no run.', e.run_id) from run_events e left join runs r on r.id = e.run_id where r.id is null
        union all select format('Earlier reply %s belongs to no run.', p.run_id) from run_replies p left join runs r on r.id = p.run_id where r.id is null
        union all select format('Attempt %s of run %s goes on, the run has ended.', a.attempt, a.run_id) from attempts a join runs r on r.id = a.run_id
          where a.outcome = 'in_progress' and r.completed_at is not null
        union all select format('Key %s stands for run %s, which is not there.', k.key, k.resource_id) from idempotency_keys k left join runs r on r.id = k.resource_id where r.id is null
        """;

    /// <summary>As <c>pg_amcheck --heapallindexed</c> does (https://www.postgresql.org/docs/15/amcheck.html).</summary>
    private const string CheckIndexesSql = """
        select bt_index_check(c.oid, heapallindexed => true)
        from pg_class c join pg_am a on a.oid = c.relam
        where a.amname = 'btree' and c.relkind = 'i' and c.relnamespace = 'public'::regnamespace
        """;

    private const string CheckTablesSql = """
        select format('PostgreSQL finds the table %s damaged: block %s, %s.', c.relname, d.blkno, d.msg)
        from pg_class c cross join lateral verify_heapam(c.oid) d
        where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace
        """;

    private const string IsTakenOverSql = """
        select not exists (
          select 1 from chaos.processes p where p.name = @Process and (
            exists (select 1 from nodes n where n.id = p.node_id and n.expires_at >= extract(epoch from clock_timestamp()) * 1000)
            or exists (select 1 from runs r where r.node_id = p.node_id and r.completed_at is null)))
        """;

    public async Task WaitUntilTakenOverAsync(string process)
    {
        dead.Add(process);
        await using var connection = await ConnectAsync();
        await WaitAsync(() => connection.ExecuteScalarAsync<bool>(IsTakenOverSql, new { Process = process }), $"the runs of the paused process {process} to be taken over");
    }

    private const string AliveUntilSql = "select n.expires_at from nodes n join chaos.processes p on p.node_id = n.id where p.name = @Process";

    public async Task WaitUntilAwareAsync(string process)
    {
        await using var connection = await ConnectAsync();
        var (seen, renewals) = (await GetAliveUntilAsync(), 0);
        await WaitAsync(async () =>
        {
            var aliveUntil = await GetAliveUntilAsync();
            renewals += aliveUntil == seen ? 0 : 1;
            seen = aliveUntil;
            return renewals >= RenewalsUntilAware;
        }, $"process {process} to find that it was paused");

        Task<long> GetAliveUntilAsync() => connection.ExecuteScalarAsync<long>(AliveUntilSql, new { Process = process });
    }

    public ValueTask DisposeAsync() => server.DisposeAsync();

    private static async Task WaitAsync(Func<Task<bool>> isTrueAsync, string what)
    {
        using var limit = new CancellationTokenSource(LongestWait);
        while (!await isTrueAsync())
        {
            if (limit.IsCancellationRequested)
                throw new TimeoutException($"Waited {LongestWait} for {what}.");
            await Task.Delay(PollDelay);
        }
    }

    private Task<NpgsqlConnection> ConnectAsync() => PostgresServer.ConnectAsync(server.Url);
}
