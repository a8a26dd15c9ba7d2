using System.Collections.Concurrent;
using System.Diagnostics;

namespace AiChat.Tests.Support;

/// <summary>A real searx of Debian's package, as a process of its own, that asks one site and nobody else.</summary>
public sealed class SearxServer : IDisposable
{
    private const string Program = "/usr/bin/searx-run";

    /// <summary>The one its packages are installed for; another one may come first in the path.</summary>
    private const string Python = "/usr/bin/python3";

    private static readonly TimeSpan LongestStart = TimeSpan.FromSeconds(60);

    private static readonly string[] Proxies = ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];

    private readonly TempFolder folder = new();
    private readonly ConcurrentQueue<string> output = new();
    private readonly Process process;

    private SearxServer(string searchUrl)
    {
        var port = FreePort.Find();
        BaseUrl = $"http://127.0.0.1:{port}";
        File.WriteAllText(folder.File("settings.yml"), Settings(port, searchUrl));
        var start = new ProcessStartInfo(Python, [Program])
        {
            WorkingDirectory = folder.Path,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var name in Proxies)
            start.Environment.Remove(name);
        start.Environment["SEARX_SETTINGS_PATH"] = folder.File("settings.yml");
        process = Process.Start(start)!;
        process.OutputDataReceived += (_, line) => output.Enqueue(line.Data ?? "");
        process.ErrorDataReceived += (_, line) => output.Enqueue(line.Data ?? "");
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    /// <summary>Why tests with it are ignored where it is missing.</summary>
    public const string Missing = "searx is not installed: apt-get install searx.";

    public static bool IsInstalled => File.Exists(Program) && File.Exists(Python);

    /// <summary>What <c>WebSearch:SearxngUrl</c> has to be.</summary>
    public string BaseUrl { get; }

    /// <summary>A server that answers.</summary>
    /// <param name="searchUrl">Where it searches, with <c>{query}</c> in it; the answer is JSON as <see cref="FakeSite"/> gives it.</param>
    /// <exception cref="InvalidOperationException">It ended before.</exception>
    public static async Task<SearxServer> StartAsync(string searchUrl)
    {
        var searx = new SearxServer(searchUrl);
        try
        {
            await searx.WaitUntilReadyAsync();
            return searx;
        }
        catch
        {
            searx.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        if (!process.HasExited)
            process.Kill(entireProcessTree: true);
        process.WaitForExit();
        process.Dispose();
        folder.Dispose();
    }

    private static string Settings(int port, string searchUrl) => $$"""
        use_default_settings: false
        general: { debug: false, instance_name: test, contact_url: false, enable_stats: false }
        brand: {}
        search: { safe_search: 0, autocomplete: "", default_lang: "", ban_time_on_fail: 0, max_ban_time_on_fail: 0, formats: [html, json] }
        server:
          port: {{port}}
          bind_address: "127.0.0.1"
          secret_key: "test"
          base_url: false
          image_proxy: false
          http_protocol_version: "1.0"
          method: "GET"
          limiter: false
          default_http_headers: {}
        ui:
          static_path: "/usr/share/python3-searx/static"
          templates_path: "/usr/share/python3-searx/templates"
          default_theme: oscar
          default_locale: ""
          theme_args: { oscar_style: logicodev }
        outgoing: { request_timeout: 10.0, useragent_suffix: "", pool_connections: 10, pool_maxsize: 10 }
        checker: { off_when_debug: true }
        enabled_plugins: []
        locales: { en: English }
        doi_resolvers: { oadoi.org: "https://oadoi.org/" }
        default_doi_resolver: oadoi.org
        engines:
          - name: site
            engine: json_engine
            shortcut: st
            categories: general
            enable_http: true
            search_url: "{{searchUrl}}"
            results_query: results
            url_query: url
            title_query: title
            content_query: content
        """;

    private async Task WaitUntilReadyAsync()
    {
        using var client = new HttpClient();
        using var limit = new CancellationTokenSource(LongestStart);
        while (true)
        {
            if (process.HasExited)
                throw new InvalidOperationException("searx did not start: " + string.Join('\n', output));
            try
            {
                using var response = await client.GetAsync($"{BaseUrl}/robots.txt", limit.Token);
                return;
            }
            catch (HttpRequestException)
            {
                // Not listening yet.
                await Task.Delay(50, limit.Token);
            }
        }
    }
}
