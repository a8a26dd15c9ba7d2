namespace AiChat.Infrastructure.Usage;

/// <summary>
/// Money as the database keeps it: whole millionths of a millionth of the currency, so that sums are exact. Nine million of the currency is
/// the most one sum may be.
/// </summary>
internal static class Money
{
    private const decimal Unit = 1_000_000_000_000m;

    public static long? ToStored(decimal? amount) => amount is { } value ? (long)decimal.Round(value * Unit) : null;

    public static decimal? FromStored(long? stored) => stored is { } value ? value / Unit : null;
}
