using Dts.Common.Jobs;

namespace Dts.Worker.Fires;

/// <summary>
/// Orders the live workers by a hash of job, plan time and worker. So load is spread, and a fast clock does not win every fire.
/// </summary>
/// <remarks>
/// Rendezvous hashing (Thaler and Ravishankar, 1998): when a worker goes, only its own fires move. All workers must compute the same.
/// </remarks>
internal static class Ranking
{
    /// <summary>The rank of a worker among the live ones, itself included; 0 is the first.</summary>
    public static int RankOf(string me, IReadOnlyCollection<string> workers, JobName job, DateTimeOffset planTime)
    {
        var mine = Score(me, job, planTime);
        var rank = 0;
        foreach (var worker in workers)
        {
            var score = worker == me ? mine : Score(worker, job, planTime);
            if (score > mine || (score == mine && string.CompareOrdinal(worker, me) < 0))
            {
                rank++;
            }
        }

        return rank;
    }

    private static ulong Score(string worker, JobName job, DateTimeOffset planTime)
    {
        var hash = 14695981039346656037UL; // FNV-1a, 64 bits
        hash = Add(hash, worker);
        hash = Add(hash, job.Value);
        hash = (hash ^ (ulong)planTime.ToUnixTimeSeconds()) * 1099511628211UL;

        // FNV alone leaves the high bits to the last input; this is the finalizer of MurmurHash3.
        hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccdUL;
        hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53UL;
        return hash ^ (hash >> 33);
    }

    private static ulong Add(ulong hash, string text)
    {
        foreach (var letter in text)
        {
            hash = (hash ^ letter) * 1099511628211UL;
        }

        return (hash ^ 0xff) * 1099511628211UL;
    }
}
