using Xunit;
using static Microsoft.Playwright.Assertions;

namespace Dts.Tests.Cluster.ConsolePages;

/// <summary>The console while etcd or the master is away.</summary>
public sealed class OutageTests(ConsoleBrowser browser) : IClassFixture<ConsoleBrowser>
{
    [Fact]
    public async Task While_etcd_is_away_the_last_data_stays_with_its_date_and_nothing_can_be_changed()
    {
        await using var tab = await browser.OpenAsync("/jobs?sort=name&filter=backup");
        await Expect(tab["tbody tr:not(.pad)"]).ToHaveCountAsync(3);
        await Expect(tab["#live"]).ToHaveTextAsync("live");

        await browser.Cluster.Etcd.StopAsync();

        await Expect(tab["#outage"]).ToContainTextAsync("etcd has not answered since");
        await Expect(tab["#live"]).ToContainTextAsync("as of");
        await Expect(tab["tbody tr:not(.pad)"]).ToHaveCountAsync(3);
        await tab["tbody tr:not(.pad)"].First.HoverAsync();
        await Expect(tab.Find("tbody .rowacts button", "Run")).ToHaveAttributeAsync("aria-disabled", "true");

        await browser.Cluster.Etcd.StartAsync();

        await Expect(tab["#outage"]).ToBeHiddenAsync(new() { Timeout = 60_000 });
        await Expect(tab["#live"]).ToHaveTextAsync("live");
        await Expect(tab.Find("tbody .rowacts button", "Run")).Not.ToHaveAttributeAsync("aria-disabled", "true");
    }

    [Fact]
    public async Task While_the_master_is_away_the_page_says_so_and_goes_on_when_it_is_back()
    {
        var (master, uri) = await browser.Cluster.StartMasterAsync();
        await SomeDay.ReadAsync(browser.Cluster);
        await using var tab = await browser.OpenAsync("/workers", master: uri);
        await Expect(tab["#live"]).ToHaveTextAsync("live");

        master.Signal("STOP");
        await Expect(tab["#outage"]).ToContainTextAsync("The master has not answered since");
        await Expect(tab["tbody tr"]).ToHaveCountAsync(2);
        master.Signal("CONT");

        await Expect(tab["#outage"]).ToBeHiddenAsync();
    }
}
