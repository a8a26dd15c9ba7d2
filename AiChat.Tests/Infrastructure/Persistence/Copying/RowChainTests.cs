using AiChat.Infrastructure.Persistence.Copying;

namespace AiChat.Tests.Infrastructure.Persistence.Copying;

public sealed class RowChainTests
{
    /// <summary>Of one row of every kind of value. Another one would make copies that were begun by another version unusable.</summary>
    [Test]
    public void Hash_EveryKindOfValue_IsSha256OverTheOneBeforeAndTheRow()
    {
        var bytes = new List<byte>(new byte[32]);
        bytes.Add(0);
        bytes.AddRange([1, 0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]);
        bytes.AddRange([2, 0, 0, 0, 0, 0, 0, 0xF0, 0x3F]);
        bytes.AddRange([3, 2, 0, 0, 0, 0, 0, 0, 0, 0xC3, 0xA9]);

        Assert.That(ChainOf([null, -2L, 1.0, "é"]).Hash, Is.EqualTo(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData([.. bytes]))));
    }

    [Test]
    public void Hash_RowsThatReadAlike_IsAnother()
    {
        object?[][] rows = [["ab", "c"], ["a", "bc"], ["abc", ""], ["abc", null], [null, "abc"], [1L, 0.0], [1.0, 0L], ["1", "0"], ["", ""], [null, null]];

        Assert.That(rows.Select(r => ChainOf(r).Hash), Is.Unique);
    }

    [Test]
    public void Hash_OtherOrder_IsAnother()
    {
        Assert.That(ChainOf(["a"], ["b"]).Hash, Is.Not.EqualTo(ChainOf(["b"], ["a"]).Hash));
    }

    [Test]
    public void Hash_BothZeros_AreOne()
    {
        Assert.That(ChainOf([-0.0]).Hash, Is.EqualTo(ChainOf([0.0]).Hash));
    }

    [Test]
    public void Fork_GoesOn_LeavesTheFirstAsItIs()
    {
        var first = ChainOf(["a"]);
        var second = first.Fork();

        second.Add(["b"], mended: 1);

        Assert.That((first.Rows, first.Hash, first.Mended, first.Last), Is.EqualTo((1, ChainOf(["a"]).Hash, 0, new[] { "a" })));
        Assert.That((second.Rows, second.Hash, second.Mended), Is.EqualTo((2, ChainOf(["a"], ["b"]).Hash, 1)));
    }

    private static RowChain ChainOf(params object?[][] rows)
    {
        var chain = new RowChain();
        foreach (var row in rows)
            chain.Add(row);
        return chain;
    }
}
