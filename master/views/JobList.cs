using System.Globalization;
using Dts.Master.Logs;

namespace Dts.Master.Views;

/// <summary>A page of the jobs that match a filter, in some order.</summary>
internal sealed record JobListQuery(Filter Filter, JobOrder Order, JobCursor? After, int Limit)
{
    /// <summary>The page, and how many jobs match.</summary>
    public JobPage Of(ClusterState state, DateTimeOffset now)
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
        return new JobPage([.. page.Select(place => JobRow.Of(sorted[JobOrder.IndexOf(place)], state, now))], total, next);
    }
}

/// <param name="Total">How many jobs match the filter, on all pages.</param>
/// <param name="Next">Asks for what follows; null = there is nothing more.</param>
internal sealed record JobPage(IReadOnlyList<JobRow> Jobs, int Total, string? Next);

/// <summary>The order of a list of jobs; jobs of one rank are in the order of their names.</summary>
/// <remarks>
/// A job's place is a number: its rank, and below that its index among all jobs by name. So places are sorted as numbers, and a place leads
/// back to its job.
/// </remarks>
internal abstract record JobOrder(string Word)
{
    public const string Expected = "name, next, last or state, with '-' before it for the reverse";
    public const long RankEnd = 1L << 34; // Above all seconds since the epoch until 2514.

    private const int IndexBits = 28;
    private const long Last = RankEnd - 1;

    /// <returns>Null = the text names no order.</returns>
    public static JobOrder? Find(string text) => text switch
    {
        "name" => new ByName(),
        "-name" => new ByNameReversed(),
        "next" => new ByNext(false),
        "-next" => new ByNext(true),
        "last" => new ByLast(false),
        "-last" => new ByLast(true),
        "state" => new ByState(false),
        "-state" => new ByState(true),
        _ => null,
    };

    public static long RankOf(long place) => place >> IndexBits;

    public static int IndexOf(long place) => (int)(place & ((1L << IndexBits) - 1));

    public long PlaceOf(int index, JobEntry job, ClusterState state, DateTimeOffset now) =>
        Place(Math.Clamp(RankOf(index, job, state, now), 0, Last), index);

    /// <summary>The first place behind that of a job, which may have gone meanwhile.</summary>
    public virtual long PlaceAfter(JobCursor cursor, ClusterState state) => Place(cursor.Rank, state.Jobs.IndexOf(cursor.Name + '\0'));

    protected abstract long RankOf(int index, JobEntry job, ClusterState state, DateTimeOffset now);

    private static long Place(long rank, int index) => (rank << IndexBits) | (uint)index;

    private sealed record ByName() : JobOrder("name")
    {
        protected override long RankOf(int index, JobEntry job, ClusterState state, DateTimeOffset now) => 0;
    }

    private sealed record ByNameReversed() : JobOrder("-name")
    {
        public override long PlaceAfter(JobCursor cursor, ClusterState state) => Place(Last - state.Jobs.IndexOf(cursor.Name) + 1, 0);

        protected override long RankOf(int index, JobEntry job, ClusterState state, DateTimeOffset now) => Last - index;
    }

    /// <summary>Jobs without a next plan time come last either way.</summary>
    private sealed record ByNext(bool IsReversed) : JobOrder(IsReversed ? "-next" : "next")
    {
        protected override long RankOf(int index, JobEntry job, ClusterState state, DateTimeOffset now) =>
            job.NextAfter(now.ToUnixTimeSeconds()) is not { } next ? Last : IsReversed ? Last - 1 - next : next;
    }

    /// <summary>By the start of the latest run that has ended; jobs without one come last either way.</summary>
    private sealed record ByLast(bool IsReversed) : JobOrder(IsReversed ? "-last" : "last")
    {
        protected override long RankOf(int index, JobEntry job, ClusterState state, DateTimeOffset now) =>
            !job.HasRuns ? Last : IsReversed ? Last - 1 - (job.LastStart / 1000) : job.LastStart / 1000;
    }

    /// <summary>Those that need somebody first.</summary>
    private sealed record ByState(bool IsReversed) : JobOrder(IsReversed ? "-state" : "state")
    {
        private static readonly JobState[] MostUrgentFirst =
        [
            JobState.Failing, JobState.Broken, JobState.Running, JobState.Queued, JobState.Unknown, JobState.New, JobState.Well,
            JobState.Paused,
        ];

        protected override long RankOf(int index, JobEntry job, ClusterState state, DateTimeOffset now) =>
            Array.IndexOf(MostUrgentFirst, state.StateOf(job)) is var rank && IsReversed ? MostUrgentFirst.Length - rank : rank;
    }
}

/// <summary>A place between two jobs in an order. It stays right when jobs come and go.</summary>
internal sealed record JobCursor(string Order, long Rank, string Name)
{
    /// <returns>Null = it is no cursor of this order.</returns>
    public static JobCursor? Parse(string text, JobOrder order) =>
        CursorText.Read(text, 3) is [var word, var rank, { Length: > 0 } name]
        && word == order.Word
        && long.TryParse(rank, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
        && number < JobOrder.RankEnd
            ? new JobCursor(word, number, name)
            : null;

    public override string ToString() => CursorText.Write(string.Create(CultureInfo.InvariantCulture, $"{Order} {Rank} {Name}"));
}
