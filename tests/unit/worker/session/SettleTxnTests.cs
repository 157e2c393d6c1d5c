using System.Text.Json;
using Dts.Common.Etcd;
using Dts.Common.Jobs;
using Dts.Tests.Support;
using Dts.Worker.Sessions;
using Etcdserverpb;
using Mvccpb;
using Xunit;

namespace Dts.Tests.Unit.Worker.Sessions;

public sealed class SettleTxnTests
{
    private const long Claimed = 100;
    private static readonly LeaseId Session = new(0x11);
    private static readonly Keys Keys = new(Keys.DefaultPrefix);
    private static readonly RunSpec Spec = RunSpec.Scheduled(Some.Now);
    private static readonly Job Rerun = Some.Job() with { OnWorkerLost = OnWorkerLost.Rerun, OnFailure = ["mend"] };

    private static readonly SettleAction.EndLost Lost = new(
        Pair("/cron/runs/hello/20261122T100000Z", "", Claimed, changed: 120),
        JobName.Parse("hello"),
        new ClaimedRun("w2", "22", Some.Now, Spec),
        "its session has expired");

    [Fact]
    public void A_lost_run_goes_with_what_follows_from_it_and_leaves_its_ending_owed_if_nobody_has_changed_it()
    {
        var (request, _, owed) = SettleTxn.EndLost(Keys, Lost, Asked(Some.Job() with { OnFailure = ["mend"] }), Session, Some.Now);

        var condition = Assert.Single(request.Compare);
        Assert.Equal((Compare.Types.CompareTarget.Mod, 120L), (condition.Target, condition.ModRevision));
        Assert.Equal(
            ["delete /cron/runs/hello/20261122T100000Z", "put /cron/owed/hello/20261122T100000Z", "put /cron/queue/mend/*"],
            Describe(request));
        Assert.Equal(
            new OwedEnding("w2", "11", Spec, RunStatus.Lost, "worker w2 lost: its session has expired", Some.Now, Token: Claimed), owed);
        Assert.Empty(request.Failure);
    }

    [Theory]
    // The revisions of the kill requests for the job and for the run (0 = there is none), and what is queued.
    [InlineData(0,           0,           "hello")]
    [InlineData(Claimed - 1, 0,           "hello")] // It was meant for an earlier run.
    [InlineData(Claimed + 1, 0,           "mend")]
    [InlineData(0,           Claimed + 1, "mend")]
    public void A_lost_run_runs_again_unless_somebody_asked_for_its_end(long ofJob, long ofRun, string queued)
    {
        var (request, _, _) = SettleTxn.EndLost(Keys, Lost, Asked(Rerun, ofJob, ofRun), Session, Some.Now);

        Assert.StartsWith($"put /cron/queue/{queued}/", Describe(request)[^1]);
    }

    [Theory]
    [InlineData("none")]
    [InlineData("unreadable")]
    public void Nothing_follows_from_a_lost_run_whose_job_cannot_be_read(string definition)
    {
        var asked = Asked(null);
        if (definition == "unreadable")
        {
            asked.Responses[0].ResponseRange.Kvs.Add(Pair("/cron/jobs/hello", "garbage", 1, 1));
        }

        var (request, _, _) = SettleTxn.EndLost(Keys, Lost, asked, Session, Some.Now);

        Assert.Equal(["delete /cron/runs/hello/20261122T100000Z", "put /cron/owed/hello/20261122T100000Z"], Describe(request));
    }

    [Fact]
    public void A_cursor_goes_with_the_history_of_a_job_that_is_gone()
    {
        var cursor = Pair("/cron/fired/hello", "", 1, changed: 7);

        Assert.Equal(
            ["delete /cron/fired/hello", "delete /cron/history/hello"],
            Describe(SettleTxn.RemoveCursor(new SettleAction.RemoveCursor(cursor, "/cron/history/hello"))));
        Assert.Equal(["delete /cron/fired/hello"], Describe(SettleTxn.RemoveCursor(new SettleAction.RemoveCursor(cursor, null))));
    }

    /// <summary>The answer to the request that asks about a lost run.</summary>
    private static TxnResponse Asked(Job? job, long killOfJob = 0, long killOfRun = 0)
    {
        var definition = job is null ? null : Pair("/cron/jobs/hello", JsonSerializer.Serialize(job, JobsJson.Readable.Job), 1, 1);
        return new TxnResponse { Responses = { Found(definition), Found(Kill(killOfJob)), Found(Kill(killOfRun)) } };

        static KeyValue? Kill(long revision) => revision == 0 ? null : Pair("/cron/killer/hello", "", revision, revision);
        static ResponseOp Found(KeyValue? pair) =>
            new() { ResponseRange = pair is null ? new RangeResponse() : new RangeResponse { Kvs = { pair } } };
    }

    private static List<string> Describe(TxnRequest request) =>
    [
        .. request.Success.Select(operation => operation.RequestPut is { } put
            ? $"put {(put.Key.ToStringUtf8() is var key && key.Contains("/queue/") ? key[..(key.LastIndexOf('/') + 1)] + "*" : key)}"
            : $"delete {operation.RequestDeleteRange.Key.ToStringUtf8()}"),
    ];

    private static KeyValue Pair(string key, string value, long created, long changed) =>
        new() { Key = Txn.Bytes(key), Value = Txn.Bytes(value), CreateRevision = created, ModRevision = changed };
}
