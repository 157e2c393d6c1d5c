using Dts.Common.Jobs;
using Dts.Master.Alerts;
using Dts.Master.Logs;
using Dts.Master.Views;
using Dts.Tests.Support;
using Xunit;

namespace Dts.Tests.Unit.Master.Alerts;

public sealed class AlertCoreTests
{
    private readonly List<Ending> _endings = [];
    private readonly List<string> _told = [];
    private AlertState _state = AlertState.Well;
    private DateTimeOffset _now = Some.Now;

    // Succeeded, Failed, Timed out, Killed, Cancelled, sKipped (x), Missed, Lost. "3:failing" = told with the third ending.
    [Theory]
    // One message when it turns bad, one when it is well again.
    [InlineData("failing recovered",             1, "S S S",             "")]
    [InlineData("failing recovered",             1, "F",                 "1:failing")]
    [InlineData("failing recovered",             1, "F F T F S S",       "1:failing 5:recovered")]
    [InlineData("failing recovered",             1, "F S F S",           "1:failing 2:recovered 3:failing 4:recovered")]
    [InlineData("failing",                       1, "F S F",             "1:failing 3:failing")]
    [InlineData("recovered",                     1, "F F S M S",         "3:recovered 5:recovered")]
    // After several in a row; what says nothing of the job is passed over.
    [InlineData("failing recovered",             3, "F F S F F F F S",   "6:failing 8:recovered")]
    [InlineData("failing recovered",             2, "F K C x F S",       "5:failing 6:recovered")]
    [InlineData("failing recovered",             2, "F M L F S",         "4:failing 5:recovered")]
    // Each kind by itself; the end of all of them is told once.
    [InlineData("missed recovered",              1, "F M M S",           "2:missed 4:recovered")]
    [InlineData("lost",                          1, "L S L",             "1:lost 3:lost")]
    [InlineData("failing missed lost recovered", 1, "L F M F S",         "1:lost 2:failing 3:missed 5:recovered")]
    // A killed run is no recovery.
    [InlineData("failing recovered",             1, "F K K S",           "1:failing 4:recovered")]
    public void A_message_tells_each_turn_from_well_to_wrong_and_back(string on, int after, string endings, string told)
    {
        var rule = new JobAlert("c", [.. on.Split(' ').Select(word => Enum.Parse<AlertEvent>(word, ignoreCase: true))], after);
        foreach (var letter in endings.Split(' '))
        {
            Take(rule, StatusOf(letter));
        }

        Assert.Equal(told, string.Join(' ', _told));
    }

    [Fact]
    public void An_ending_that_was_judged_already_changes_nothing()
    {
        var rule = new JobAlert("c");
        var failed = Take(rule, RunStatus.Failed);
        Take(rule, RunStatus.Succeeded);

        var again = new AlertCore(rule, _state, _now, isMuted: false).Take(failed, [_endings[0]]);

        Assert.Same(_state, again.State);
        Assert.Empty(again.Turns);
    }

    [Fact]
    public void The_true_ending_of_a_lost_run_closes_that_alert_only()
    {
        var rule = new JobAlert("c");
        var lost = Take(rule, RunStatus.Lost);
        Take(rule, RunStatus.Failed);

        Take(rule, lost with { Status = RunStatus.Succeeded, StartTime = lost.StartTime - 1000 });

        Assert.Equal("1:lost 2:failing 3:recovered", string.Join(' ', _told));
        Assert.Equal([AlertEvent.Failing], _state.Open.Keys);
    }

    [Fact]
    public void A_fault_that_begins_under_a_mute_is_told_when_the_mute_ends_unless_it_is_over()
    {
        var rule = new JobAlert("c");
        Take(rule, RunStatus.Failed, isMuted: true);
        Check(rule, isMuted: true);
        Assert.Empty(_told);

        Check(rule, isMuted: false);
        Assert.Equal(["check:failing"], _told);
        Take(rule, RunStatus.Succeeded);
        Assert.Equal(["check:failing", "2:recovered"], _told);

        Take(rule, RunStatus.Failed, isMuted: true);
        Take(rule, RunStatus.Succeeded);
        Check(rule, isMuted: false);
        Assert.Equal(["check:failing", "2:recovered"], _told);
    }

    [Fact]
    public void No_further_fault_is_told_within_the_quiet_time()
    {
        var rule = new JobAlert("c", QuietSeconds: 600);
        Take(rule, RunStatus.Failed);
        Take(rule, RunStatus.Succeeded);
        Take(rule, RunStatus.Failed);
        Take(rule, RunStatus.Succeeded);
        Take(rule, RunStatus.Failed);
        Assert.Equal(["1:failing", "2:recovered"], _told);

        _now = Some.Now.AddMinutes(30);
        Check(rule, isMuted: false);

        Assert.Equal(["1:failing", "2:recovered", "check:failing"], _told);
    }

    [Theory]
    [InlineData(0.5, "")] // Clocks differ a little.
    [InlineData(2,   "1:failing")]
    [InlineData(60,  "1:failing")]
    public void A_message_made_by_a_clock_that_was_ahead_silences_no_fault(double minutesAhead, string told)
    {
        _state = AlertState.Well with { ToldAt = Some.Now.AddMinutes(minutesAhead) };

        Take(new JobAlert("c", QuietSeconds: 600), RunStatus.Failed);

        Assert.Equal(told, string.Join(' ', _told));
    }

    [Fact]
    public void A_run_by_a_clock_that_was_ahead_does_not_hide_later_runs()
    {
        var rule = new JobAlert("c");
        Take(rule, Views.SomeCluster.Ended("a", RunStatus.Failed, Some.Now.AddHours(1)));

        Take(rule, RunStatus.Succeeded);
        Take(rule, RunStatus.Failed);

        Assert.Equal("1:failing 2:recovered 3:failing", string.Join(' ', _told));
    }

    [Fact]
    public void An_ending_by_a_clock_that_is_ahead_counts_once()
    {
        var rule = new JobAlert("c");
        var failed = Take(rule, Views.SomeCluster.Ended("a", RunStatus.Failed, Some.Now.AddMinutes(60)));
        Take(rule, Views.SomeCluster.Ended("a", RunStatus.Succeeded, Some.Now.AddMinutes(61)));

        var again = new AlertCore(rule, _state, _now, isMuted: false).Take(failed, [_endings[0]]);

        Assert.Same(_state, again.State);
    }

    [Fact]
    public void A_slow_run_makes_one_message_and_its_end_another()
    {
        var rule = new JobAlert("c", [AlertEvent.Slow, AlertEvent.Recovered]);
        var slow = new Dictionary<AlertEvent, OpenAlert> { [AlertEvent.Slow] = new(_now, "runs for long", "run-1") };

        Check(rule, false, slow);
        Check(rule, false, slow);
        Check(rule, false);

        Assert.Equal(["check:slow", "check:recovered"], _told);
        Assert.Empty(_state.Open);
    }

    [Fact]
    public void A_second_slow_run_makes_a_message_of_its_own()
    {
        var rule = new JobAlert("c", [AlertEvent.Slow]);

        Check(rule, false, new() { [AlertEvent.Slow] = new(_now, "runs for long", "run-1") });
        Check(rule, false, new() { [AlertEvent.Slow] = new(_now, "runs for long", "run-2") });

        Assert.Equal(["check:slow", "check:slow"], _told);
    }

    private static RunStatus StatusOf(string letter) => letter switch
    {
        "S" => RunStatus.Succeeded,
        "F" => RunStatus.Failed,
        "T" => RunStatus.TimedOut,
        "K" => RunStatus.Killed,
        "C" => RunStatus.Cancelled,
        "x" => RunStatus.Skipped,
        "M" => RunStatus.Missed,
        "L" => RunStatus.Lost,
        _ => throw new ArgumentOutOfRangeException(nameof(letter), letter, "expected a letter of the table"),
    };

    /// <summary>The next run, a minute later, has ended.</summary>
    private EndedRun Take(JobAlert rule, RunStatus status, bool isMuted = false)
    {
        _now = Some.Now.AddMinutes(_endings.Count);
        return Take(rule, Views.SomeCluster.Ended("a", status, _now), isMuted);
    }

    private EndedRun Take(JobAlert rule, EndedRun run, bool isMuted = false)
    {
        _endings.Add(new Ending(run.Status, run.StartTime / 1000, 1000));
        Note($"{_endings.Count}", new AlertCore(rule, _state, _now, isMuted).Take(run, [.. _endings]));
        return run;
    }

    private void Check(JobAlert rule, bool isMuted, Dictionary<AlertEvent, OpenAlert>? found = null) => Note(
        "check", new AlertCore(rule, _state, _now, isMuted).Check(found ?? new(), [AlertEvent.Slow, AlertEvent.NoSuccess]));

    private void Note(string when, AlertStep step)
    {
        _state = step.State;
        _told.AddRange(step.Turns.Select(turn => $"{when}:{char.ToLowerInvariant($"{turn.What}"[0])}{$"{turn.What}"[1..]}"));
    }
}
