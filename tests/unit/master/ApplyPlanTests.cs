using Dts.Common.Cron;
using Dts.Common.Jobs;
using Dts.Master.Jobs;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit.Master;

public sealed class ApplyPlanTests
{
    private static readonly ApplyRules Rules = new(CronZone.Utc, Some.Now);

    [Fact]
    public void Each_job_of_a_set_is_created_changed_or_unchanged()
    {
        var plan = Plan(
            [Some.Job("new"), Some.Job("same"), Some.Job("other") with { Command = "echo 2" }], [Some.Job("same"), Some.Job("other")]);

        Assert.Equal(
            [("new", JobChangeKind.Created), ("same", JobChangeKind.Unchanged), ("other", JobChangeKind.Changed)],
            plan.Deltas.Select(delta => (delta.Name.Value, delta.Kind)));
        Assert.Empty(plan.Faults);
    }

    [Fact]
    public void A_changed_job_is_shown_member_by_member()
    {
        var before = Some.Job() with { Labels = Texts("a", "1", "b", "2"), Retry = new Retry(1) };
        var after = Some.Job() with { Labels = Texts("b", "3", "c", "4"), Retry = new Retry(2), Description = "x", Then = ["y"] };

        var delta = Assert.Single(Plan([after], [before]).Deltas);

        Assert.Equal(
            [
                "description: \"\" > \"x\"", "labels.a: \"1\" > ", "labels.b: \"2\" > \"3\"", "labels.c:  > \"4\"", "retry.max: 1 > 2",
                "then: [] > [\"y\"]",
            ],
            delta.Members.Select(change => $"{change.Member}: {change.Was?.GetRawText()} > {change.Is?.GetRawText()}").Order());
    }

    [Fact]
    public void Jobs_with_a_label_that_are_not_in_the_set_are_deleted()
    {
        Job[] stored = [Labelled("a", "pay"), Labelled("b", "pay"), Labelled("c", "x")];

        var plan = Plan([Labelled("a", "pay")], stored, Rules with { Prune = KeyValuePair.Create("team", "pay") });

        Assert.Equal(
            [("a", JobChangeKind.Unchanged), ("b", JobChangeKind.Deleted)], plan.Deltas.Select(delta => (delta.Name.Value, delta.Kind)));
    }

    [Fact]
    public void A_set_names_all_its_faults()
    {
        var plan = Plan(
            [
                Some.Job("a") with { Command = " " }, Some.Job("b"), Some.Job("b"), Some.Job("c", "0 0 0 1 1 ? 2020"),
                Some.Job("d") with { TimeZone = "Berlin" }, Some.Job("e/f"),
            ],
            []);

        Assert.Equal(["job 1", "job 3", "job 4", "job 5", "job 6"], plan.Faults.Select(fault => fault.Place));
        Assert.Contains("command is empty", plan.Faults[0].Detail, StringComparison.Ordinal);
        Assert.Contains("also the name of job 2", plan.Faults[1].Detail, StringComparison.Ordinal);
        Assert.Contains("never fires from now on", plan.Faults[2].Detail, StringComparison.Ordinal);
        Assert.Contains("Europe/Berlin", plan.Faults[3].Detail, StringComparison.Ordinal);
        Assert.Contains("has a '/'", plan.Faults[4].Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void An_unchanged_job_whose_time_is_over_is_no_fault()
    {
        var over = Some.Job("a", "0 0 0 1 1 ? 2020");

        Assert.Empty(Plan([over], [over]).Faults);
        Assert.Empty(Plan([over with { Command = "echo 2" }], [over]).Faults);
    }

    [Theory]
    [InlineData("a>b b>a",             "",        "a b")]
    [InlineData("a>a",                 "",        "a")]
    [InlineData("a>b",                 "b>c c>a", "a")]
    [InlineData("a>b b>",              "b>a",     "")]      // The set opens the cycle.
    [InlineData("x>a",                 "a>b b>a", "")]      // A cycle that is there already keeps no other job back.
    [InlineData("c>d b>c a>b",         "",        "")]
    [InlineData("a>b,c b>d c>d d>e",   "e>",      "")]
    [InlineData("a>b b>c c>d d>b",     "",        "b c d")]
    public void A_cycle_is_found_in_the_state_that_results(string wanted, string stored, string faults)
    {
        var plan = Plan(Jobs(wanted), Jobs(stored));

        Assert.Equal(faults, string.Join(' ', plan.Faults.Select(fault => fault.Name)));
        Assert.All(plan.Faults, fault => Assert.Contains("lead back to the job itself", fault.Detail, StringComparison.Ordinal));
    }

    [Fact]
    public void Jobs_that_lead_to_each_other_are_named_with_one_way()
    {
        var jobs = Enumerable.Range(0, 1000).Select(n => Some.Job($"j{n}") with
        {
            Then = [.. Enumerable.Range(n + 1, 20).Select(next => $"j{next % 1000}")],
        }).ToArray();

        var faults = Plan([.. jobs, .. Jobs("a>b b>a x>j1")], []).Faults;

        Assert.Equal(1002, faults.Count);
        Assert.Equal(2, faults.Select(fault => fault.Detail).Distinct().Count());
        Assert.Contains("(a > b > a)", faults[^1].Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void A_cycle_may_be_as_long_as_there_are_jobs()
    {
        var jobs = Enumerable.Range(0, 10_000).Select(n => Some.Job($"j{n}") with { Then = [$"j{(n + 1) % 10_000}"] }).ToArray();

        Assert.Equal(10_000, Plan(jobs, []).Faults.Count);
        Assert.Empty(Plan(jobs[1..], []).Faults);
    }

    [Fact]
    public void A_job_that_another_client_has_changed_since_it_was_written_is_left_alone()
    {
        var stored = Stored([Some.Job("a") with { Then = ["b"] }, Some.Job("b"), Labelled("c", "pay")]);
        var rules = Rules with { KeepsOthers = true, Prune = KeyValuePair.Create("team", "pay") };
        Job[] wanted = [Some.Job("a"), Some.Job("b"), Some.Job("d")];

        var plan = ApplyPlan.Make(Wanted(wanted), stored with { Kept = new HashSet<string> { "a", "c", "d" } }, rules);

        Assert.Empty(plan.Faults);
        Assert.Equal(["b"], plan.Deltas.Select(delta => delta.Name.Value));
    }

    [Fact]
    public void A_cycle_through_such_a_job_is_found()
    {
        var stored = Stored([Some.Job("a") with { Then = ["b"] }, Some.Job("b")]) with { Kept = new HashSet<string> { "a" } };

        Assert.Equal("b", Assert.Single(ApplyPlan.Make(Wanted(Jobs("a> b>a")), stored, Rules).Faults).Name);
    }

    [Fact]
    public void The_order_of_a_set_does_not_matter()
    {
        var random = Some.Random();
        var jobs = Enumerable.Range(0, 200).Select(n => Some.Job($"j{n}") with { Then = n > 0 ? [$"j{random.Next(n)}"] : [] }).ToArray();
        random.Shuffle(jobs);

        Assert.Empty(Plan(jobs, []).Faults);
    }

    [Fact]
    public void An_import_changes_no_job_of_others()
    {
        var plan = Plan(
            [Some.Job("a") with { Command = "echo 2" }, Some.Job("b")],
            [Some.Job("a"), Some.Job("b")],
            Rules with { KeepsOthers = true });

        Assert.Contains("name \"a\" is a job that differs in command", Assert.Single(plan.Faults).Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void Names_are_composed_and_line_ends_are_Unix()
    {
        var delta = Assert.Single(Plan([Some.Job("cafe\u0301") with { Command = "a\r\nb", Then = ["e\u0301"] }], []).Deltas);

        Assert.Equal(("caf\u00e9", "a\nb", "\u00e9"), (delta.Name.Value, delta.After!.Command, delta.After.Then[0]));
        Assert.Equal(2, delta.Warnings.Count);
    }

    [Fact]
    public void The_undo_of_a_delta_starts_from_the_written_job()
    {
        var created = Assert.Single(Plan([Some.Job("a")], []).Deltas).Undo(7);
        var changed = Assert.Single(Plan([Some.Job("a") with { Command = "x" }], [Some.Job("a")]).Deltas).Undo(7);

        Assert.Equal((JobChangeKind.Deleted, 7), (created.Kind, created.Revision));
        Assert.Equal((JobChangeKind.Changed, "echo hello", 7), (changed.Kind, changed.After!.Command, changed.Revision));
    }

    /// <summary>"a>b,c b>": job a with the dependents b and c, and b with none.</summary>
    private static Job[] Jobs(string text) =>
        [.. text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(word => word.Split('>')).Select(parts =>
            Some.Job(parts[0]) with { Then = parts[1].Split(',', StringSplitOptions.RemoveEmptyEntries) })];

    private static ApplyPlan Plan(Job[] wanted, Job[] stored, ApplyRules? rules = null) =>
        ApplyPlan.Make(Wanted(wanted), Stored(stored), rules ?? Rules);

    private static List<WantedJob> Wanted(Job[] jobs) => [.. jobs.Select((job, i) => new WantedJob($"job {i + 1}", job))];

    private static StoredJobs Stored(Job[] jobs) => new(jobs.ToDictionary(job => job.Name, job => ((Job?)job, 5L)), 9);

    private static Job Labelled(string name, string team) => Some.Job(name) with { Labels = Texts("team", team) };

    private static Dictionary<string, string> Texts(params string[] pairs) =>
        pairs.Chunk(2).ToDictionary(pair => pair[0], pair => pair[1]);
}
