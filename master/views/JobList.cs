using System.Globalization;
using Dts.Master.Logs;

namespace Dts.Master.Views;

/// <summary>A page of the jobs that match a filter, in some order.</summary>
internal sealed record JobListQuery(Filter Filter, JobOrder Order, JobCursor? After, int Limit)
{
    /// <summary>The page, and the number of jobs that match.</summary>
    /// <param name="isMuted">A mute of alerts covers a job; null = none does.</param>
    public JobPage Of(ClusterState state, DateTimeOffset now, Predicate<JobEntry>? isMuted = null)
    {
        var sorted = state.Jobs.Sorted;
        var found = new List<long>();
        var total = 0;
        var after = After is { } cursor ? Order.PlaceAfter(cursor, state) : long.MinValue;
        for (var i = 0; i < sorted.Count; i++)
        {
            if (!Filter.Matches(sorted[i], state, now))
            {
                continue;
            }

            total++;
            if (Order.PlaceOf(i, sorted[i], state, now) is var place && place >= after)
            {
                found.Add(place);
            }
        }

        found.Sort();
        var page = found.Take(Limit).ToList();
        var next = found.Count > page.Count
            ? new JobCursor(Order.Word, JobOrder.RankOf(page[^1]), sorted[JobOrder.IndexOf(page[^1])].Name).ToString()
            : null;
        return new JobPage([.. page.Select(place => RowOf(sorted[JobOrder.IndexOf(place)]))], total, next);

        JobRow RowOf(JobEntry job) => JobRow.Of(job, state, now) with { IsMuted = isMuted?.Invoke(job) == true };
    }
}

/// <param name="Total">How many jobs match the filter, on all pages.</param>
/// <param name="Next">The next page begins here; null = this is the last page.</param>
internal sealed record JobPage(IReadOnlyList<JobRow> Jobs, int Total, string? Next);

/// <summary>The order of a list of jobs. Jobs of one rank are in the order of their names.</summary>
/// <remarks>
/// A job's place is a number: its rank, and below that its index among all jobs by name. So places are sorted as numbers, and a place leads
/// back to its job.
/// </remarks>
internal sealed record JobOrder(string Word)
{
    public const string Expected = "name, next, last or state, with '-' before it for the reverse";
    public const long RankEnd = 1L << 34; // Above all seconds since the epoch until 2514.

    private const int IndexBits = 28;
    private const long Last = RankEnd - 1;

    private static readonly JobState[] MostUrgentFirst =
    [
        JobState.Failing, JobState.Broken, JobState.Running, JobState.Queued, JobState.Unknown, JobState.New, JobState.Well,
        JobState.Paused,
    ];

    private bool IsReversed => Word[0] == '-';

    /// <returns>Null = the text names no order.</returns>
    public static JobOrder? Find(string text) =>
        text is "name" or "-name" or "next" or "-next" or "last" or "-last" or "state" or "-state" ? new JobOrder(text) : null;

    public static long RankOf(long place) => place >> IndexBits;

    public static int IndexOf(long place) => (int)(place & ((1L << IndexBits) - 1));

    public long PlaceOf(int index, JobEntry job, ClusterState state, DateTimeOffset now) =>
        Place(Math.Clamp(RankOf(index, job, state, now), 0, Last), index);

    /// <summary>The first place behind that of a job, which may have gone meanwhile.</summary>
    public long PlaceAfter(JobCursor cursor, ClusterState state) => Word == "-name"
        ? Place(Last - state.Jobs.IndexOf(cursor.Name) + 1, 0)
        : Place(cursor.Rank, state.Jobs.IndexOf(cursor.Name + '\0'));

    private long RankOf(int index, JobEntry job, ClusterState state, DateTimeOffset now) => Word switch
    {
        "name" => 0,
        "-name" => Last - index,
        "next" or "-next" => RankOf(job.NextAfter(now.ToUnixTimeSeconds())),
        "last" or "-last" => RankOf(job.HasRuns ? job.LastStart / 1000 : null), // The start of the latest run that has ended.
        "state" => Array.IndexOf(MostUrgentFirst, state.StateOf(job)),
        "-state" => MostUrgentFirst.Length - Array.IndexOf(MostUrgentFirst, state.StateOf(job)),
        _ => throw new System.Diagnostics.UnreachableException(),
    };

    /// <summary>Jobs without a value come last in both directions.</summary>
    private long RankOf(long? value) => value is not { } known ? Last : IsReversed ? Last - 1 - known : known;

    private static long Place(long rank, int index) => (rank << IndexBits) | (uint)index;
}

/// <summary>A place between two jobs in an order. It stays valid when jobs come and go.</summary>
internal readonly record struct JobCursor(string Order, long Rank, string Name)
{
    /// <returns>Null = the text is not a cursor of this order.</returns>
    public static JobCursor? Parse(string text, JobOrder order) =>
        CursorText.Read(text, 3) is [var word, var rank, { Length: > 0 } name]
        && word == order.Word
        && long.TryParse(rank, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
        && number < JobOrder.RankEnd
            ? new JobCursor(word, number, name)
            : null;

    public override string ToString() => CursorText.Write(string.Create(CultureInfo.InvariantCulture, $"{Order} {Rank} {Name}"));
}
