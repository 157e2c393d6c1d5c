using Dts.Common.Jobs;
using Dts.Master.Events;

namespace Dts.Master.Alerts;

/// <summary>What is told about which jobs or workers: the value of a key under alerts/rules/.</summary>
/// <param name="Filter">Which jobs: job:, label:, user: or a text; or which workers: worker:. Empty = all.</param>
/// <param name="Text">The message, with {job}, {worker}, {event}, {reason}, {lastLine} and {url}; empty = the usual sentence.</param>
internal sealed record AlertRule(
    string Channel,
    string Filter = "",
    IReadOnlyList<AlertEvent>? On = null,
    int After = 1,
    double SlowFactor = 3,
    int NoSuccessSeconds = 0,
    int QuietSeconds = 0,
    string Text = "",
    bool Enabled = true)
{
    public const string ExpectedName = WorkerRegistration.ExpectedId;

    private const int TextMax = 4000;

    public IReadOnlyList<AlertEvent> On { get; init; } = On ?? JobAlert.Usual;

    public JobAlert Terms() => new(Channel, On, After, SlowFactor, NoSuccessSeconds, QuietSeconds);

    /// <exception cref="FormatException">The filter asks how jobs stand at a moment; the message names the word.</exception>
    public EventFilter ReadFilter(DateTimeOffset now)
    {
        var filter = Views.Filter.Parse(Filter, now);
        return filter.Terms.FirstOrDefault(term => term is Views.FilterTerm.Ending) is { } wrong
            ? throw new FormatException(
                $"filter has {Views.FilterParser.Quote(wrong.Word)}, which is no question of a rule: its \"on\" says which endings count; "
                + "expected job:, label:, user:, worker: or a text")
            : EventFilter.Read(filter);
    }

    /// <summary>What is wrong with it; null = nothing.</summary>
    public string? FindFault(DateTimeOffset now)
    {
        try
        {
            ReadFilter(now);
        }
        catch (FormatException wrong)
        {
            return wrong.Message;
        }

        return JobRules.FindBadAlert("", Terms())
            ?? (Text.Length > TextMax ? $"text has {Text.Length} characters; expected at most {TextMax}" : null);
    }

    public static bool IsName(string text) => WorkerRegistration.IsId(text);
}
