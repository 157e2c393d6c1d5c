using System.Text.Json.Nodes;
using Dts.Common.Jobs;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Integration.Master;

public sealed class ScheduleApiTests(MasterProcess master) : IClassFixture<MasterProcess>
{
    [Fact]
    public async Task The_load_of_a_day_is_that_of_the_jobs_that_the_filter_names()
    {
        var label = new Dictionary<string, string> { ["team"] = "pay" };
        await PutAsync(Some.Job("hourly", "7 * * * *") with { Labels = label });
        await PutAsync(Some.Job("paused", "* * * * *") with { Enabled = false });
        await PutAsync(Some.Job("no-schedule", "whenever"));
        await PutAsync(Some.Job("daily", "30 12 * * *") with { Description = "Prints the bills" });

        await Patience.Until(() => TryGet("from=2026-11-22&filter=daily")?["total"]?.GetValue<int>() == 1, master.Said);
        var all = await GetAsync("from=2026-11-22&step=minute");
        var some = await GetAsync("from=2026-11-22&to=2026-11-23&filter=label:team=pay");
        var other = await GetAsync("from=2026-11-22T12:00:00Z&to=2026-11-22T13:00:00Z&filter=-label:team%20BILLS");

        Assert.Equal((2, 25, 1440), ((int)all["jobs"]!, (int)all["total"]!, all["fires"]!.AsArray().Count));
        Assert.Equal((1, 24, 96), ((int)some["jobs"]!, (int)some["total"]!, some["fires"]!.AsArray().Count));
        Assert.Equal("[0,0,1,0]", other["fires"]!.ToJsonString());
        Assert.StartsWith("2026-11-22T12:30:00", (string?)other["busiest"]!["at"]);
    }

    [Theory]
    [InlineData("from=2026-11-22&to=2026-11-24", "to is \"2026-11-24T00:00:00Z\"; expected a time at most 25 hours after from, "
        + "which is 2026-11-22T00:00:00Z")]
    [InlineData("from=9999-12-31",               "from is 9999-12-31T00:00:00Z; "
        + "expected a time from 1970-01-01T00:00:00Z to 2099-12-31T23:59:59Z")]
    [InlineData("step=hour",                     "step is \"hour\"; expected one of minute, quarter")]
    [InlineData("filter=trigger:manual",         "filter has \"trigger:manual\", which does not apply to jobs: "
        + "only runs have it")]
    public async Task What_cannot_be_answered_is_refused_with_the_reason(string query, string detail)
    {
        using var answer = await master.Http.GetAsync($"/api/v1/schedule?{query}");

        Assert.Equal(detail, (string?)JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["detail"]);
    }

    private async Task PutAsync(Job job) => await master.Etcd.PutAsync(master.Keys.Job(JobName.Parse(job.Name)), JobJson.ToJson(job));

    private JsonNode? TryGet(string query) =>
        JsonNode.Parse(master.Http.GetAsync($"/api/v1/schedule?{query}").Result.Content.ReadAsStringAsync().Result);

    private async Task<JsonNode> GetAsync(string query) =>
        JsonNode.Parse(await master.Http.GetStringAsync($"/api/v1/schedule?{query}"))!;
}
