using Dts.Common.Jobs;
using Dts.Master.Jobs;

namespace Dts.Tests.Integration.Master;

internal static class SavedJobs
{
    public static Task<Job?> SaveAsync(this JobStore jobs, Job job, CancellationToken cancel) =>
        jobs.SaveAsync(JobName.Parse(job.Name), _ => job, cancel);
}
