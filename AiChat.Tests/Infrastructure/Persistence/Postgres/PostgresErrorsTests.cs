using System.Net.Sockets;
using AiChat.Infrastructure.Persistence.Postgres;
using Npgsql;

namespace AiChat.Tests.Infrastructure.Persistence.Postgres;

/// <summary>Whether something is tried again, or refused until later, or a defect of ours.</summary>
public sealed class PostgresErrorsTests
{
    [TestCase("40001", true, true, false)]
    [TestCase("40P01", true, true, false)]
    [TestCase("25P03", true, false, true)]
    [TestCase("57P01", true, false, true)]
    [TestCase("57P02", true, false, true)]
    [TestCase("08006", true, false, true)]
    [TestCase("08P01", true, false, true)]
    [TestCase("57P03", true, false, false)]
    [TestCase("53300", true, false, false)]
    [TestCase("53100", true, false, false)]
    [TestCase("58030", true, false, false)]
    [TestCase("25006", true, false, false)]
    [TestCase("55P03", true, false, false)]
    [TestCase("57014", true, false, false)]
    [TestCase("23505", false, false, false)]
    [TestCase("42601", false, false, false)]
    [TestCase("22021", false, false, false)]
    public void StateOfTheServer_IsSorted(string state, bool isUnavailable, bool isConflict, bool isConnectionLost)
    {
        var failure = new PostgresException("words", "ERROR", "ERROR", state);

        Assert.That(
            (PostgresErrors.IsUnavailable(failure), PostgresErrors.IsConflict(failure), PostgresErrors.IsConnectionLost(failure)),
            Is.EqualTo((isUnavailable, isConflict, isConnectionLost)));
    }

    private static TestCaseData[] Failures { get; } =
    [
        new TestCaseData(new NpgsqlException("broken", new IOException()), true, true).SetArgDisplayNames("connection breaks"),
        new TestCaseData(new NpgsqlException("refused", new SocketException()), true, true).SetArgDisplayNames("no connection"),
        new TestCaseData(new NpgsqlException("slow", new TimeoutException()), true, false).SetArgDisplayNames("statement takes too long"),
        new TestCaseData(new TimeoutException(), true, false).SetArgDisplayNames("time is up"),
        new TestCaseData(new InvalidOperationException(), false, false).SetArgDisplayNames("defect"),
        new TestCaseData(new OperationCanceledException(), false, false).SetArgDisplayNames("client has gone"),
    ];

    [Test]
    public void MayPass_OneOfSeveralHosts_IsEnough()
    {
        var password = new PostgresException("words", "FATAL", "FATAL", "28P01");

        Assert.That(PostgresErrors.MayPass(new NpgsqlException("none", new AggregateException(password, new SocketException()))), Is.True);
        Assert.That(PostgresErrors.MayPass(new NpgsqlException("none", new AggregateException(password, password))), Is.False);
    }

    [TestCaseSource(nameof(Failures))]
    public void FailureOfTheDriver_IsSorted(Exception failure, bool isUnavailable, bool isConnectionLost)
    {
        Assert.That(
            (PostgresErrors.IsUnavailable(failure), PostgresErrors.IsConflict(failure), PostgresErrors.IsConnectionLost(failure)),
            Is.EqualTo((isUnavailable, false, isConnectionLost)));
    }
}
