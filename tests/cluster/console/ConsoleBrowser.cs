using Dts.Tests.Support;
using Microsoft.Playwright;
using Xunit;

namespace Dts.Tests.Cluster.ConsolePages;

/// <summary>Debian's Chromium, before a cluster with some days behind it.</summary>
public sealed class ConsoleBrowser : IAsyncLifetime
{
    private static readonly string[] Arguments =
    [
        "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync",
    ];

    private IPlaywright? _playwright;
    private IBrowser? _browser;
    private ConsoleTab? _tab; // See EvaluateAsync.

    internal NativeCluster Cluster { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Cluster = await NativeCluster.StartAsync(2);
        await SomeDay.FillAsync(Cluster, more: 200);
        await SomeDay.ReadAsync(Cluster);
        _playwright = await Playwright.CreateAsync();
        Assertions.SetDefaultExpectTimeout((float)Patience.Limit.TotalMilliseconds);
        _browser = await _playwright.Chromium.LaunchAsync(new() { ExecutablePath = "/usr/bin/chromium", Args = Arguments });
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            await (_tab?.DisposeAsync() ?? ValueTask.CompletedTask);
        }
        finally
        {
            await (_browser?.DisposeAsync() ?? ValueTask.CompletedTask);
            _playwright?.Dispose();
            await Cluster.DisposeAsync();
        }
    }

    /// <summary>Opens an address of the console in a browser of its own, as somebody in Berlin would.</summary>
    internal async Task<ConsoleTab> OpenAsync(
        string path, int width = 1440, int height = 900, string language = "en", bool isDark = false, Uri? master = null,
        string timeZone = "Europe/Berlin")
    {
        var context = await _browser!.NewContextAsync(new()
        {
            ViewportSize = new ViewportSize { Width = width, Height = height },
            Locale = language == "zh" ? "zh-CN" : "en-GB",
            TimezoneId = timeZone,
            ColorScheme = isDark ? ColorScheme.Dark : ColorScheme.Light,
            HasTouch = width < 700,
            IsMobile = width < 700,
            ReducedMotion = ReducedMotion.Reduce,
        });
        context.SetDefaultTimeout((float)Patience.Limit.TotalMilliseconds);
        var tab = new ConsoleTab(context, await context.NewPageAsync());
        await tab.Page.GotoAsync(new Uri(master ?? Cluster.MasterUri, path).ToString());
        await tab.Page.WaitForSelectorAsync("#page h1", new() { State = WaitForSelectorState.Attached });
        return tab;
    }

    /// <summary>Evaluates an expression that needs no page of its own.</summary>
    /// <param name="module">A module of the console, such as logic/zone.js. The expression sees it as m.</param>
    internal async Task<T> EvaluateAsync<T>(string module, string expression)
    {
        _tab ??= await OpenAsync("/settings");
        return await _tab.Page.EvaluateAsync<T>(
            $"async () => {{ const m = await import('/console/any/{module}'); return {expression}; }}");
    }
}

/// <summary>A tab of the browser. At its end it fails the test if the page had an error or broke its policy.</summary>
internal sealed class ConsoleTab : IAsyncDisposable
{
    private readonly IBrowserContext _context;
    private readonly List<string> _errors = [];

    public ConsoleTab(IBrowserContext context, IPage page)
    {
        (_context, Page) = (context, page);
        page.PageError += (_, error) => _errors.Add(error);
        page.Dialog += (_, dialog) => _errors.Add($"dialog: {dialog.Message}");
        page.Console += (_, message) =>
        {
            // The browser itself reports each answer that is no success; what follows from one is the page's business.
            if (message.Type == "error" && !message.Text.StartsWith("Failed to load resource", StringComparison.Ordinal))
            {
                _errors.Add(message.Text);
            }
        };
    }

    public IPage Page { get; }

    /// <summary>The test provokes errors.</summary>
    public bool MayHaveErrors { get; set; }

    public ILocator this[string selector] => Page.Locator(selector);

    /// <summary>A part that has this text.</summary>
    public ILocator Find(string selector, string text) => Page.Locator(selector, new() { HasText = text }).First;

    public Task PressAsync(string key) => Page.Keyboard.PressAsync(key);

    /// <summary>Waits until an expression is true in the page.</summary>
    /// <remarks>Playwright's own wait has the page evaluate the text again later, which the page's policy refuses.</remarks>
    public static async Task UntilAsync(IPage page, string expression)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        var deadline = Environment.TickCount64 + (long)Patience.Limit.TotalMilliseconds;
        while (!await page.EvaluateAsync<bool>($"Boolean({expression})"))
        {
            Assert.True(Environment.TickCount64 < deadline, $"not true in the page after {Patience.Limit}: {expression}");
            _ = await timer.WaitForNextTickAsync();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _context.DisposeAsync();
        Assert.True(MayHaveErrors || _errors.Count == 0, string.Join('\n', _errors));
    }
}
