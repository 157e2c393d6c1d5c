namespace Dts.Common.Doctor;

/// <summary>Something to look at. It may fail or take too long: then that is the finding, with this remedy.</summary>
/// <param name="What">What it looks at, in a word or two.</param>
public sealed record Check(string Area, string What, string Remedy, Func<CancellationToken, Task<IReadOnlyList<Finding>>> Look)
{
    public static Check Of(string area, string what, string remedy, Func<IEnumerable<Finding>> look) =>
        new(area, what, remedy, _ => Task.FromResult<IReadOnlyList<Finding>>([.. look()]));
}
