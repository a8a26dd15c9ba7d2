using AiChat.Infrastructure.WebSearch.Pages;

namespace AiChat.Tests.Infrastructure.WebSearch.Pages;

public sealed class ReadableTextTests
{
    private const int LargestPage = 2 * 1024 * 1024;

    [TestCase("<h1>A</h1><p>B<p>C<div>D</div>E", "A|B|C|D|E")]
    [TestCase("<ul><li>A<li>B <b>bold</b><ul><li>C</ul></ul>", "A|B bold|C")]
    [TestCase("<dl><dt>A<dd>B<dt>C<dd>D</dl>", "A|B|C|D")]
    [TestCase("A<br>B<br><br>C<br/> <br/>D", "A B|C|D")]
    [TestCase("<blockquote>A</blockquote><pre>B\n  C</pre><hr>D", "A|B C|D")]
    [TestCase("  A \n\t B&nbsp;&#8195;C  ", "A B C")]
    [TestCase("A<b>B</b><i> C</i>", "AB C")]
    [TestCase("<title>T</title><body>A", "A")]
    public void OfHtml_Blocks_AreParagraphs(string html, string paragraphs)
    {
        Assert.That(Read(html), Is.EqualTo(paragraphs.Replace("|", "\n\n", StringComparison.Ordinal)));
    }

    [Test]
    public void OfHtml_TableRow_IsAParagraphOfItsCells()
    {
        var text = Read("<table><caption>C</caption><tr><th>Year<th>Population<tr><td>2020</td><td>1 <b>million</b></td></tr></table>");

        Assert.That(text, Is.EqualTo("C\n\nYear | Population\n\n2020 | 1 million"));
    }

    [Test]
    public void OfHtml_CellsInsideWhatIsSkipped_LeaveNoTrace()
    {
        Assert.That(Read("<p>A</p><nav><table><tr><td>x<td>y</table></nav><p>B"), Is.EqualTo("A\n\nB"));
    }

    [TestCase("&lt;b&gt; &amp;amp; &eacute;&#x2026; &notit; &unknown;", "<b> &amp; é… ¬it; &unknown;")]
    [TestCase("a&#0;b&#7;c&#x1b;d\0e", "a\uFFFDbcde")]
    [TestCase("pay\u200Bpal \u202Eevil\u202C so\u00ADft \uDB40\uDC41\uDB40\uDC42 na\u200Dme", "paypal evil soft na\u200Dme")]
    [TestCase("👩‍👩‍👧 漢字", "👩‍👩‍👧 漢字")]
    public void OfHtml_Characters_AreWhatIsSeen(string html, string text)
    {
        Assert.That(Read(html), Is.EqualTo(text));
    }

    [TestCase("<script>x</script>")]
    [TestCase("<script>if (a</b) '<p>x'</script>")]
    [TestCase("<style>x</style>")]
    [TestCase("<noscript><p>x</noscript>")]
    [TestCase("<template><p>x</p></template>")]
    [TestCase("<svg><title>x</title><path/><text>x</text></svg>")]
    [TestCase("<nav><ul><li>x</ul></nav>")]
    [TestCase("<header><div>x</div></header>")]
    [TestCase("<footer>x<p>x</footer>")]
    [TestCase("<aside>x</aside>")]
    [TestCase("<form><p>x</p><button>x</button></form>")]
    [TestCase("<button>x</button>")]
    [TestCase("<iframe><p>x</iframe>")]
    [TestCase("<textarea></p>x</textarea>")]
    [TestCase("<select><option>x<option>x</select>")]
    [TestCase("<!-- x -->")]
    [TestCase("<p hidden>x</p>")]
    [TestCase("<p hidden>x<p hidden>x</p>")]
    [TestCase("<span HIDDEN='until-found'>x<span>x</span>x</span>")]
    [TestCase("<ul><li hidden>x<li>B</ul>", "A|B|C")]
    [TestCase("<div aria-hidden='TRUE'>x<br>x</div>")]
    [TestCase("<div style='color: red; Display : None'>x<p>x</p></div>")]
    [TestCase("<div style='visibility:hidden'>x</div>")]
    [TestCase("<nav><div>x</nav>")]
    [TestCase("<span><nav>x</span>x</nav></span>")]
    public void OfHtml_NothingToRead_IsLeftOut(string html, string paragraphs = "A|C")
    {
        Assert.That(Read($"<p>A</p>{html}<p>C</p>"), Is.EqualTo(paragraphs.Replace("|", "\n\n", StringComparison.Ordinal)));
    }

    [TestCase("<p aria-hidden=false>x</p>")]
    [TestCase("<p style='display:block'>x</p>")]
    [TestCase("<body hidden style='display:none'><p>x</p>")]
    [TestCase("<p data-hidden class=hidden>x</p>")]
    public void OfHtml_NotHidden_IsThere(string html)
    {
        Assert.That(Read(html), Is.EqualTo("x"));
    }

    [TestCase("<main>{0}</main>")]
    [TestCase("<article><h2>{0}</h2></article>")]
    [TestCase("<div role=main><div>{0}</div></div>")]
    public void OfHtml_MainPartWithEnoughText_IsAllThatIsRead(string format)
    {
        var main = string.Join(' ', Enumerable.Repeat("word", 100));

        Assert.That(Read($"<p>Before</p>{string.Format(null, format, main)}<p>After</p>"), Is.EqualTo(main));
    }

    [Test]
    public void OfHtml_MainPartWithLittleText_IsReadWithTheRest()
    {
        Assert.That(Read("<p>Before</p><main>Loading…</main><p>After</p>"), Is.EqualTo("Before\n\nLoading…\n\nAfter"));
    }

    [Test]
    public void OfHtml_PageInsideAForm_IsRead()
    {
        Assert.That(Read("<body><form><nav>x</nav><p>A</p><button>x</button><p>B</p></form>"), Is.EqualTo("A\n\nB"));
    }

    [TestCase("<title> A &amp;\n B </title><title>C</title>", "A & B")]
    [TestCase("<title></title><meta property='og:title' content=' A  B '>", "A B")]
    [TestCase("<meta property='og:title' content='A'><title>B</title>", "B")]
    [TestCase("<svg><title>A</title></svg>", null)]
    [TestCase("<title>A<b>B</title>", "A<b>B")]
    [TestCase("<p>A", null)]
    public void OfHtml_Title_IsThePagesOwn(string html, string? title)
    {
        Assert.That(ReadableText.OfHtml(html, CancellationToken.None).Title, Is.EqualTo(title));
    }

    [Test]
    public void OfHtml_LongTitle_IsCutBetweenCharacters()
    {
        var title = ReadableText.OfHtml($"<title>{new string('x', 199)}👩👩</title>", CancellationToken.None).Title;

        Assert.That(title, Is.EqualTo(new string('x', 199)));
    }

    [TestCase("<div>")]
    [TestCase("<b>")]
    [TestCase("<p><b>")]
    [TestCase("<table><tr><td>")]
    [TestCase("<ul><li>")]
    [TestCase("<a href=x><div>")]
    [TestCase("<x-y>")]
    public void OfHtml_VeryDeep_IsRead(string tags)
    {
        var html = string.Concat(Enumerable.Repeat(tags, 100_000)) + "the bottom";

        Assert.That(Read(html), Does.EndWith("the bottom"));
    }

    [Test]
    public void OfHtml_DeepAndClosedAgain_KeepsWhatIsHiddenHidden()
    {
        var deep = string.Concat(Enumerable.Repeat("<div>", 1000)) + "A" + string.Concat(Enumerable.Repeat("</div>", 1000));

        Assert.That(Read($"{deep}<p hidden>x</p><p>B</p>"), Is.EqualTo("A\n\nB"));
    }

    /// <summary>Each takes time in proportion to its length; one that took the square of it would not end within hours.</summary>
    [TestCase("<")]
    [TestCase("&")]
    [TestCase("&notit")]
    [TestCase("</")]
    [TestCase("</x>")]
    [TestCase("<!--")]
    [TestCase("<!")]
    [TestCase("<?")]
    [TestCase("\0")]
    [TestCase("<script>")]
    [TestCase("<title>")]
    [TestCase("<svg>")]
    [TestCase("<template>")]
    [TestCase("<table>")]
    [TestCase("<li></ul>")]
    [TestCase("<div></p></x>")]
    [TestCase("<b><div></b>")]
    [TestCase("<a hidden>")]
    public void OfHtml_GarbageOfTheLargestSize_IsSurvived(string piece)
    {
        var html = string.Concat(Enumerable.Repeat(piece, LargestPage / piece.Length));

        Assert.That(Read(html).Length, Is.LessThanOrEqualTo(html.Length));
    }

    [Test]
    public void OfHtml_ManyAttributes_AreSurvived()
    {
        var attributes = string.Join(' ', Enumerable.Range(0, 200_000).Select(i => $"a{i}=1"));

        Assert.That(Read($"<div {attributes}>A</div>"), Is.EqualTo("A"));
    }

    [Test]
    public void OfHtml_RandomBytes_AreSurvived()
    {
        var random = new Random(5);
        var html = new string([.. Enumerable.Range(0, LargestPage).Select(_ => (char)random.Next(0x20, 0x80))]);

        Assert.That(() => Read(html), Throws.Nothing);
    }

    [Test]
    public void OfHtml_CallerGivesUp_ThrowsThat()
    {
        Assert.That(() => ReadableText.OfHtml("<p>A", new CancellationToken(canceled: true)), Throws.InstanceOf<OperationCanceledException>());
    }

    private static string Read(string html) => ReadableText.OfHtml(html, CancellationToken.None).Text;
}
