using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Xunit;
using static Microsoft.Playwright.Assertions;

namespace Dts.Tests.Cluster.ConsolePages;

/// <summary>A cluster in which people sign in: they, their tokens and what a viewer sees.</summary>
public sealed class SignInTests(ConsoleBrowser browser) : IClassFixture<ConsoleBrowser>
{
    private const string Password = "correct horse battery";

    [Fact]
    public async Task A_person_signs_in_for_the_page_that_was_asked_for_and_makes_and_revokes_a_token()
    {
        await using var cluster = await NativeCluster.StartAsync(1);
        await cluster.SaveAsync("nightly", "true", "0 3 * * *");
        using (var http = new HttpClient { BaseAddress = cluster.MasterUri })
        {
            (await http.PostAsJsonAsync("/api/v1/users", new JsonObject { ["name"] = "mara", ["role"] = "admin", ["password"] = Password }))
                .EnsureSuccessStatusCode();
        }

        await using var tab = await browser.OpenAsync("/jobs/nightly/history?version=1", master: cluster.MasterUri);
        await tab[".login input[name=name]"].FillAsync("mara");
        await tab[".login input[name=password]"].FillAsync("wrong horse battery");
        await tab.PressAsync("Enter");
        await Expect(tab[".login .fault"]).ToHaveTextAsync("The name or the password is wrong.");
        await tab[".login input[name=password]"].FillAsync(Password);
        await tab.PressAsync("Enter");
        await Expect(tab[".vers li"]).ToHaveCountAsync(1);
        Assert.EndsWith("/jobs/nightly/history?version=1", tab.Page.Url, StringComparison.Ordinal);

        await tab.Page.GotoAsync(new Uri(cluster.MasterUri, "/settings/people").ToString());
        await tab.Find(".lead button", "New token").ClickAsync();
        await tab[".new-form input[name=name]"].FillAsync("grafana");
        await tab[".new-form select"].SelectOptionAsync("viewer");
        await tab.Find(".new-form button", "Make the token").ClickAsync();
        var token = await tab[".token-once code"].TextContentAsync();
        await Expect(tab[".lead h1"]).ToHaveTextAsync("1 person, 1 token");

        await using var viewer = await browser.OpenAsync("/jobs/nightly", master: cluster.MasterUri);
        await viewer.Find(".login .seg button", "Token").ClickAsync();
        await viewer[".login input[name=token]"].FillAsync(token!);
        await viewer.PressAsync("Enter");
        await Expect(viewer.Find(".head .acts button", "Run now")).ToHaveAttributeAsync("aria-disabled", "true");
        await Expect(viewer.Find(".head .acts button", "Run now")).ToHaveAttributeAsync("title", "operators may do this");
        await viewer.Page.GotoAsync(new Uri(cluster.MasterUri, "/settings/people").ToString());
        await Expect(viewer[".settings-main"]).ToContainTextAsync("Only admins see this.");

        await tab[".people td.act button"].Last.ClickAsync();
        await tab.Find(".dlg button", "Revoke").ClickAsync();
        await Expect(tab.Find(".toast", "Revoked grafana.")).ToBeVisibleAsync();
        await Expect(tab[".lead h1"]).ToHaveTextAsync("1 person, 0 tokens");
        await viewer.Page.ReloadAsync();

        await Expect(viewer[".login h1"]).ToBeVisibleAsync();
    }
}
