namespace AiChat.Tests.Support;

/// <summary>Several fake providers, and the settings that put them behind an alias.</summary>
public sealed class FakeFleet : IAsyncDisposable
{
    private FakeFleet(IReadOnlyList<FakeProvider> providers) => Providers = providers;

    /// <summary>In the order they are tried.</summary>
    public IReadOnlyList<FakeProvider> Providers { get; }

    /// <summary>Every call of every provider.</summary>
    public IReadOnlyList<BilledCall> Bill => [.. Providers.SelectMany(p => p.Bill)];

    /// <summary>Everything that was billed.</summary>
    public FakeUsage Total => Bill.Select(c => c.Usage ?? default)
        .Aggregate(default(FakeUsage), (sum, u) => new FakeUsage(sum.InputTokens + u.InputTokens, sum.OutputTokens + u.OutputTokens));

    /// <summary>Starts one provider of each format, named <c>fake1</c>, <c>fake2</c> and so on.</summary>
    public static async Task<FakeFleet> StartAsync(params WireFormat[] formats)
    {
        var providers = new List<FakeProvider>();
        foreach (var format in formats)
            providers.Add(await FakeProvider.StartAsync($"fake{providers.Count + 1}", format));
        return new FakeFleet(providers);
    }

    /// <summary>Settings that put one model of every provider, in their order, behind an alias; the prices are 1, 2, 3… and twice that for output.</summary>
    public IEnumerable<(string Key, string Value)> Settings(string alias = "fast") =>
        Providers.SelectMany((provider, i) => provider.Settings().Concat(
        [
            ($"Models:{alias}:Candidates:{i}:Provider", provider.Name),
            ($"Models:{alias}:Candidates:{i}:Model", $"model-{i + 1}"),
            ($"Models:{alias}:Candidates:{i}:ContextWindow", "131072"),
            ($"Models:{alias}:Candidates:{i}:InputPrice", $"{i + 1}"),
            ($"Models:{alias}:Candidates:{i}:OutputPrice", $"{2 * (i + 1)}"),
        ]));

    public async ValueTask DisposeAsync()
    {
        foreach (var provider in Providers)
            await provider.DisposeAsync();
    }
}
