using System.Text;
using System.Text.Json.Nodes;
using Dts.Common.Jobs;

namespace Dts.Master.Logs;

/// <summary>A query to the log as conditions of SQL.</summary>
/// <param name="Indexed">Conditions on columns with an index.</param>
/// <param name="Others">Conditions on the record itself.</param>
internal sealed record SqliteConditions(string Indexed, string Others, IReadOnlyList<(string Name, object Value)> Parameters)
{
    private const int BranchesMax = 64;
    private const int NamesMax = 1000; // SQLite accepts 32,766 parameters; more names are one parameter, an array of JSON.

    private const int LettersEnd = 0x20000; // No letter from here on has an upper and a lower case.

    /// <summary>For each upper-case letter, all letters that differ from it only in case.</summary>
    private static readonly Lazy<Dictionary<int, string>> Cases = new(FindCases);

    /// <summary>Values that an index has in order, each by itself; null = the log is read in the order of start times.</summary>
    private (string Column, IReadOnlyList<string> Names)? Branches { get; init; }

    /// <summary>Reads a column of the latest $limit records that fit.</summary>
    /// <remarks>
    /// SQLite sorts all records of several jobs or endings before it knows the latest. So each value has a query of its own, which an
    /// index answers in order.
    /// </remarks>
    public string LatestOf(string wanted)
    {
        const string order = "order by startTime desc, _id desc limit $limit";
        return Branches is not var (column, names)
            ? $"select {wanted} from log where {Indexed} and {Others} {order}"
            : $"select found from ({string.Join(" union all ", names.Select(Branch))}) {order}";

        string Branch(string name) =>
            $"select * from (select {wanted} as found, startTime, _id from log where {column} = {name} and {Indexed} and {Others} {order})";
    }

    /// <summary>The endings that a query asks for, if it has no other condition but a span; otherwise null.</summary>
    public static IReadOnlyList<RunStatus>? OnlyEndingsOf(LogQuery query) => query switch
    {
        not { Job: null } => null,
        { Status: { } one, Terms: [] } => [one],
        { Status: null, Terms: [] } => Enum.GetValues<RunStatus>(),
        { Status: null, Terms: [{ Field: LogField.Ending, IsNegated: false } endings] } =>
            [.. endings.Values.Select(RunStatusWords.Find).OfType<RunStatus>()],
        _ => null,
    };

    public static SqliteConditions Of(LogQuery query)
    {
        var (indexed, others) = (new StringBuilder("true"), new StringBuilder("true"));
        var parameters = new List<(string, object)>();
        Where("jobName = $job", "$job", query.Job);
        Where(query.Job is null ? "status = $status" : "+status = $status", "$status", query.Status?.Word()); // One job has fewer runs.
        Where("startTime >= $from", "$from", query.From?.ToUnixTimeMilliseconds());
        Where("startTime < $until", "$until", query.Until?.ToUnixTimeMilliseconds());
        if (query.After is { } after)
        {
            Where("(startTime, _id) < ($afterStart, $afterId)", "$afterStart", after.StartTime);
            parameters.Add(("$afterId", after.Id));
        }

        (string, IReadOnlyList<string>)? branches = null;
        foreach (var term in query.Terms)
        {
            var values = term.Values.Distinct().ToList();
            if (term.Field == LogField.Job && values.Count > NamesMax)
            {
                var array = NameOf(new JsonArray([.. values.Select(value => JsonValue.Create(value))]).ToJsonString());
                others.Append(term.IsNegated ? " and not " : " and ").Append($"(+jobName in (select value from json_each({array})))");
                continue;
            }

            List<string> names = [.. values.Select(value => NameOf(term.Field == LogField.Text ? InAnyCase(value) : value))];
            others.Append(term.IsNegated ? " and not " : " and ").Append(ConditionOf(term.Field, names));
            if (term is { IsNegated: false, Field: LogField.Job or LogField.Ending }
                && (query.Job, query.Status, branches) is (null, null, null)
                && names.Count is > 0 and <= BranchesMax)
            {
                branches = (term.Field == LogField.Job ? "jobName" : "status", names);
            }
        }

        return new SqliteConditions($"{indexed}", $"{others}", parameters) { Branches = branches };

        string NameOf(string value)
        {
            parameters.Add(($"$value{parameters.Count}", value));
            return parameters[^1].Item1;
        }

        void Where(string condition, string name, object? value)
        {
            if (value is not null)
            {
                indexed.Append(" and ").Append(condition);
                parameters.Add((name, value));
            }
        }
    }

    /// <remarks>A '+' before a column keeps SQLite from choosing its index.</remarks>
    private static string ConditionOf(LogField field, IReadOnlyList<string> names) => field switch
    {
        LogField.Job => $"(+jobName in ({string.Join(", ", names)}))",
        LogField.Ending => $"(+status in ({string.Join(", ", names)}))",
        LogField.Worker => $"(coalesce(record ->> 'worker', '') in ({string.Join(", ", names)}))",
        LogField.Trigger => $"(coalesce(record ->> 'trigger', '') in ({string.Join(", ", names)}))",
        LogField.Text => $"({string.Join(" or ", names.Select(HasText))})",
        _ => throw new System.Diagnostics.UnreachableException(),
    };

    private static string HasText(string name) =>
        $"(jobName glob {name} or coalesce(record ->> 'command', '') glob {name} or coalesce(record ->> 'err', '') glob {name})";

    private static string InAnyCase(string text) => $"*{string.Concat(text.EnumerateRunes().Select(InAnyCase))}*";

    /// <summary>A pattern for glob, because like ignores the case of ASCII letters only.</summary>
    private static string InAnyCase(Rune rune) =>
        Cases.Value.TryGetValue(Rune.ToUpperInvariant(rune).Value, out var cases) ? $"[{cases}]"
        : rune.Value is '*' or '?' or '[' ? $"[{rune}]"
        : $"{rune}";

    private static Dictionary<int, string> FindCases()
    {
        var cases = new Dictionary<int, string>();
        for (var value = 'a' + 0; value < LettersEnd; value++)
        {
            if (Rune.IsValid(value) && Rune.ToUpperInvariant(new Rune(value)).Value is var upper && upper != value)
            {
                cases[upper] = cases.GetValueOrDefault(upper, char.ConvertFromUtf32(upper)) + char.ConvertFromUtf32(value);
            }
        }

        return cases;
    }
}
