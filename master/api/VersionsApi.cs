using System.ComponentModel;
using System.Globalization;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Master.Access;
using Dts.Master.Jobs;
using Dts.Master.Versions;

namespace Dts.Master.Api;

/// <summary>The versions of a job, also of a deleted one: each save with its author, time, address and changes.</summary>
internal sealed class VersionsApi(JobStore jobs, JobSaves saves, VersionHistory history)
{
    private const int LimitByDefault = 20;

    public void Map(RouteGroupBuilder v1)
    {
        v1.MapGet("/jobs/{name}/versions", ListAsync).RequireRole(Role.Viewer).WithSummary("The versions of a job, the latest first");
        v1.MapGet("/jobs/{name}/versions/{revision}", FindAsync).RequireRole(Role.Viewer)
            .WithSummary("A version of a job with its definition");
        v1.MapGet("/jobs/{name}/versions/{revision}/diff", CompareAsync).RequireRole(Role.Viewer)
            .WithSummary("The differences between a version and another one, or the present job, member by member")
            .WithMetadata(ApiDescription.Invalid);
        v1.MapPost("/jobs/{name}/versions/{revision}/restore", RestoreAsync).RequireRole(Role.Editor)
            .WithSummary("Saves a version of a job again, as a new version; also of a deleted job").WithMetadata(ApiHeaders.OfChanges);
    }

    private async Task<VersionPage> ListAsync(
        string name,
        [Description("At most so many versions, 1 to 100; 20 by default")] string? limit,
        string? after,
        CancellationToken cancel)
    {
        var job = await ResolveAsync(name, cancel);
        var most = Query.Number("limit", limit, LimitByDefault, 1, VersionLimits.CountMax);
        var place = Query.Place(after, VersionCursor.Parse);
        var found = await history.ListAsync(job, place, most + 1, cancel);
        return found.Count > 0 || place is not null
            ? VersionPage.Of(found, most)
            : throw Refusal.NotFound($"name \"{Display.Line(name)}\" has no versions; expected a job that is or was saved");
    }

    private async Task<VersionView> FindAsync(string name, string revision, HttpContext http, CancellationToken cancel) =>
        VersionView.Of(await GetAsync(await ResolveAsync(name, cancel), "revision", revision, cancel), Caller.Of(http));

    private async Task<VersionDiff> CompareAsync(
        string name,
        string revision,
        [Description("The revision of another version; the present job by default")] string? to,
        HttpContext http,
        CancellationToken cancel)
    {
        var job = await ResolveAsync(name, cancel);
        var from = await GetAsync(job, "revision", revision, cancel);
        var other = Query.Text("to", to) is { } text ? await GetAsync(job, "to", text, cancel) : null;
        foreach (var lost in new[] { from, other }.OfType<JobVersion>().Where(version => version.IsLost))
        {
            throw Lost(lost);
        }

        var now = other is null ? await jobs.FindAsync(job, cancel) : other.Job;
        return new VersionDiff(from.Revision, other?.Revision, Caller.Of(http).Show(JobDiff.Between(from.Job, now)));
    }

    private async Task<SaveAnswer> RestoreAsync(
        string name, string revision, string? dryRun, HttpContext http, CancellationToken cancel)
    {
        var version = await GetAsync(await ResolveAsync(name, cancel), "revision", revision, cancel);
        var job = version.Job ?? throw (version.IsLost ? Lost(version) : Refusal.Invalid(
            $"revision {version.Revision} is the job's deletion; expected a version with a definition"));
        var options = new SaveOptions(JobCondition.Of(http.Request.Headers), IsLenient: true, Query.Flag("dryRun", dryRun));
        var saved = await saves.SaveAsync(Query.Name(name), JobMembers.ToObject(job), _ => JobMembers.ToObject(job), options, cancel);
        if (!options.IsTrial)
        {
            http.Response.Headers.ETag = JobCondition.TagOf(saved.Revision);
        }

        return saved.Answer;
    }

    private static Refusal Lost(JobVersion version) => Refusal.Invalid(
        $"revision {version.Revision} has no definition any more: etcd forgot it before the log store took it; expected another version");

    private async Task<JobName> ResolveAsync(string name, CancellationToken cancel) =>
        await jobs.ResolveAsync(Query.Name(name), cancel);

    private async Task<JobVersion> GetAsync(JobName job, string field, string revision, CancellationToken cancel) =>
        !long.TryParse(revision, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? throw Refusal.BadQuery(field, revision, "the revision of a version")
            : await history.FindAsync(job, number, cancel)
                ?? throw Refusal.NotFound(
                    $"revision {number} is not a version of job \"{Display.Line(job)}\"; expected one that its list of versions has");
}

/// <param name="Next">The next page begins here; null = this is the last page.</param>
internal sealed record VersionPage(IReadOnlyList<VersionLine> Versions, string? Next)
{
    /// <param name="found">The versions of the page, and the next one if there is one.</param>
    public static VersionPage Of(IReadOnlyList<JobVersion> found, int limit) => new(
        [.. found.Take(limit).Select((version, i) => VersionLine.Of(version, found.ElementAtOrDefault(i + 1)))],
        found.Count > limit ? found[limit - 1].Place.ToString() : null);
}

/// <param name="At">When it was saved; null = not known.</param>
/// <param name="By">token, local, or unknown: no master saved it.</param>
/// <param name="From">The client's address.</param>
/// <param name="What">created, changed, paused, resumed, deleted, or saved: the version before is not kept.</param>
/// <param name="Changed">The members that it changed; null = not known.</param>
internal sealed record VersionLine(
    long Revision, DateTimeOffset? At, string By, string From, string What, IReadOnlyList<string>? Changed)
{
    public static VersionLine Of(JobVersion version, JobVersion? before)
    {
        var (what, members) = VersionChange.Of(version, before);
        return new VersionLine(version.Revision, version.SavedAt, version.Author.By, version.Author.From, what, members);
    }
}

/// <param name="Job">The whole definition; null = the job was deleted, or its definition is no longer kept.</param>
internal sealed record VersionView(long Revision, DateTimeOffset? At, string By, string From, Job? Job)
{
    public static VersionView Of(JobVersion version, Caller caller) => new(
        version.Revision, version.SavedAt, version.Author.By, version.Author.From, version.Job is { } job ? caller.Show(job) : null);
}

/// <param name="To">The other version's revision; null = the job as it is now.</param>
internal sealed record VersionDiff(long From, long? To, IReadOnlyList<MemberChange> Changes);
