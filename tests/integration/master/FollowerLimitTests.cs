using System.Net;
using System.Text.Json;
using Dts.Common.Jobs;
using Dts.Common.Logs;
using Dts.Master.Api;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Integration.Master;

/// <remarks>
/// With a master of its own: HttpClient takes up to two seconds to close the connection of a stream that it did not read to its end, and
/// until then the follower counts.
/// </remarks>
public sealed class FollowerLimitTests(MasterProcess master) : IClassFixture<MasterProcess>
{
    private const string Job = "followed";

    private readonly RunRecord _record = Some.Record(1, Job);

    private string Url => $"/api/v1/runs/{_record.Id}/output?follow=true";

    [Fact]
    public async Task A_follower_beyond_the_limit_is_refused_until_another_leaves()
    {
        var key = master.Keys.Run(JobName.Parse(Job), _record.Id[(Job.Length + 1)..]);
        var run = new ClaimedRun("w1", "1", Some.Now, RunSpec.Scheduled(Some.Now));
        await master.Etcd.PutAsync(key, JsonSerializer.Serialize(run, JobsJson.Readable.ClaimedRun));
        var followers = await Task.WhenAll(Enumerable.Range(0, FollowedRuns.FollowersMax).Select(_ => FollowedAsync()));
        Assert.All(followers, follower => Assert.Equal(HttpStatusCode.OK, follower.StatusCode));

        using (var refused = await FollowedAsync())
        {
            Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
            Assert.Contains(
                "250 readers already follow outputs on this master; try again later, or without follow=true",
                await refused.Content.ReadAsStringAsync());
        }

        followers[0].Dispose();
        await Patience.Until(
            () =>
            {
                using var again = FollowedAsync().Result;
                return again.StatusCode == HttpStatusCode.OK;
            },
            master.Said);
        Array.ForEach(followers, follower => follower.Dispose());
        await master.Etcd.DeleteAsync(key);

        Task<HttpResponseMessage> FollowedAsync() => master.Http.GetAsync(Url, HttpCompletionOption.ResponseHeadersRead);
    }
}
