using Dts.Common.Jobs;
using Dts.Tests.Support;
using Dts.Worker.Fires;
using Xunit;

namespace Dts.Tests.Unit.Worker.Fires;

public sealed class RosterTests
{
    private readonly Roster _roster = new("w1", new Dictionary<string, string> { ["zone"] = "a", ["disk"] = "ssd" });

    public RosterTests()
    {
        _roster.Add("w2", new Dictionary<string, string> { ["zone"] = "a" });
        _roster.Add("w3", new Dictionary<string, string> { ["zone"] = "b" });
    }

    [Theory]
    [InlineData("",      "",             "w1 w2 w3")]
    [InlineData("w2,w9", "",             "w2")]
    [InlineData("w9",    "",             "")]
    [InlineData("",      "zone=a",       "w1 w2")]
    [InlineData("",      "zone=a,disk=ssd", "w1")]
    [InlineData("",      "zone=c",       "")]
    [InlineData("w3,w2", "zone=a",       "w2")]
    public void A_target_names_workers_and_labels_and_both_must_fit(string workers, string labels, string expected) =>
        Assert.Equal(expected, string.Join(' ', _roster.Matching(TargetOf(workers, labels)).Order()));

    [Fact]
    public void A_rewritten_registration_is_nothing_new()
    {
        Assert.False(_roster.Add("w2", new Dictionary<string, string> { ["zone"] = "a" }));
        Assert.True(_roster.Add("w2", new Dictionary<string, string> { ["zone"] = "b" }));
        Assert.True(_roster.Add("w4", new Dictionary<string, string>()));
        Assert.False(_roster.Add("w1", new Dictionary<string, string>())); // A worker knows its own labels.
    }

    [Fact]
    public void A_drained_worker_matches_nothing_be_it_this_one_or_not_there_yet_until_it_is_taken_back()
    {
        Assert.True(_roster.Drain("w1", isOn: true));
        Assert.True(_roster.Drain("w4", isOn: true));
        Assert.False(_roster.Drain("w4", isOn: true));
        _roster.Add("w4", new Dictionary<string, string>());

        Assert.Equal("w2 w3", string.Join(' ', _roster.Matching(TargetOf("", "")).Order()));
        Assert.Empty(_roster.Matching(TargetOf("", "disk=ssd")));
        Assert.Empty(_roster.Candidates(RunSpec.Scheduled(DateTimeOffset.UnixEpoch) with { Worker = "w4" }, TargetOf("", "")));
        Assert.Null(_roster.LabelsOf("w4"));

        Assert.True(_roster.Drain("w1", isOn: false));
        Assert.Equal("w1 w2 w3", string.Join(' ', _roster.Matching(TargetOf("", "")).Order()));
    }

    [Fact]
    public void A_worker_that_is_gone_matches_no_more_and_this_one_never_goes()
    {
        _roster.Remove("w2");
        _roster.Remove("w1");

        Assert.Equal(["w1", "w3"], _roster.Matching(new Target()).Order());
    }

    [Fact]
    public void A_run_bound_to_a_worker_has_one_candidate_or_none_whatever_the_target()
    {
        Assert.Equal(["w3"], _roster.Candidates(RunSpec.Scheduled(Some.Now) with { Worker = "w3" }, TargetOf("", "zone=a")));
        Assert.Empty(_roster.Candidates(RunSpec.Scheduled(Some.Now) with { Worker = "w9" }, new Target()));
    }

    [Fact]
    public void A_worker_to_avoid_is_passed_over_while_there_is_another()
    {
        var run = RunSpec.Scheduled(Some.Now) with { Avoid = "w1" };

        Assert.Equal(["w2"], _roster.Candidates(run, TargetOf("", "zone=a")));
        Assert.Equal(["w1"], _roster.Candidates(run, TargetOf("", "disk=ssd")));
    }

    private static Target TargetOf(string workers, string labels) => new(
        workers.Split(',', StringSplitOptions.RemoveEmptyEntries),
        labels.Split(',', StringSplitOptions.RemoveEmptyEntries).ToDictionary(label => label.Split('=')[0], label => label.Split('=')[1]));
}
