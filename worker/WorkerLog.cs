using Microsoft.Extensions.Logging;

namespace Dts.Worker;

/// <summary>The lines that only the worker prints; see <see cref="Dts.Common.Hosting.Log"/>.</summary>
internal static partial class WorkerLog
{
    [LoggerMessage(110, LogLevel.Information, "session {Session} opened for {Key}, {TtlSeconds} s to live")]
    public static partial void SessionOpened(this ILogger log, string session, string key, double ttlSeconds);

    [LoggerMessage(111, LogLevel.Warning, "session {Session} has expired; opening a new one")]
    public static partial void SessionLost(this ILogger log, string session);

    [LoggerMessage(112, LogLevel.Warning,
        "{Key} is registered by another live worker, {Holder}; waiting for it to end (two workers need two ids: set workerId)")]
    public static partial void SessionTaken(this ILogger log, string key, string holder);

    [LoggerMessage(113, LogLevel.Information,
        "this worker was drained ({Why}); it claims nothing new until it is undrained; the runs that it has claimed go on")]
    public static partial void Drained(this ILogger log, string why);

    [LoggerMessage(114, LogLevel.Information, "this worker was undrained; it claims again")]
    public static partial void Undrained(this ILogger log);

    [LoggerMessage(201, LogLevel.Warning, "{Job} cannot run: {Why}; it is not scheduled until the job is corrected")]
    public static partial void JobIgnored(this ILogger log, string job, string why);

    [LoggerMessage(202, LogLevel.Information, "{Job} has no plan time left; its schedule has ended")]
    public static partial void ScheduleEnded(this ILogger log, string job);

    [LoggerMessage(301, LogLevel.Error, "etcd refused a request of {Fires} claims ({Reason}); trying again")]
    public static partial void ClaimRefused(this ILogger log, string reason, int fires);

    public static void Started(this ILogger log, string job, string runId, int pid, double lagMs) =>
        log.Began(job, "started", runId, pid, lagMs);

    [LoggerMessage(401, LogLevel.Information, "{Job} {Status} for {RunId} as pid {Pid}, {LagMs:F1} ms after its time")]
    private static partial void Began(this ILogger log, string job, string status, string runId, int pid, double lagMs);

    [LoggerMessage(402, LogLevel.Information, "{Job} {Status} for {RunId} after {TookMs} ms")]
    public static partial void Succeeded(this ILogger log, string job, string status, string runId, long tookMs);

    [LoggerMessage(403, LogLevel.Warning, "{Job} {Status} for {RunId} after {TookMs} ms: {Why}")]
    public static partial void Failed(this ILogger log, string job, string status, string runId, long tookMs, string why);

    [LoggerMessage(404, LogLevel.Warning, "{Job}/{RunId} {Status}: {Why}")]
    public static partial void EndedUnstarted(this ILogger log, string job, string runId, string status, string why);

    [LoggerMessage(405, LogLevel.Warning, "{Job}/{RunId} {Status}: worker {Worker}, {Why}")]
    public static partial void EndedLost(this ILogger log, string job, string runId, string status, string worker, string why);

    [LoggerMessage(406, LogLevel.Information, "{Job}/{RunId} moved to the new session")]
    public static partial void RunMoved(this ILogger log, string job, string runId);

    [LoggerMessage(407, LogLevel.Warning, "{Run} was left behind by the process before this one; its {Processes} processes were killed")]
    public static partial void LeftBehindKilled(this ILogger log, string run, int processes);

    [LoggerMessage(414, LogLevel.Information, "{Job}/{RunId} adopted from the process before this one, pid {Pid}: {State}")]
    public static partial void Adopted(this ILogger log, string job, string runId, int pid, string state);

    [LoggerMessage(415, LogLevel.Information, "{Running} commands go on without this process; the worker's next process adopts them")]
    public static partial void LeftRunning(this ILogger log, int running);

    [LoggerMessage(410, LogLevel.Warning, "{Job}/{RunId} was recorded as lost while this worker was cut off; {Then}")]
    public static partial void RunHadBeenLost(this ILogger log, string job, string runId, string then);

    [LoggerMessage(411, LogLevel.Information, "{Job}/{RunId} queued after {Cause}: {Trigger}")]
    public static partial void FollowUp(this ILogger log, string job, string runId, string cause, string trigger);

    [LoggerMessage(412, LogLevel.Error,
        "etcd refuses the completion of {Run} ({Reason}); its record is written, but no retry, rerun or dependent is queued")]
    public static partial void CompletionRefused(this ILogger log, string run, string reason);

    [LoggerMessage(413, LogLevel.Error, "etcd refused to settle {Key} ({Reason}); the key stays as it is")]
    public static partial void ChoreRefused(this ILogger log, string key, string reason);

    [LoggerMessage(416, LogLevel.Error,
        "the holder of {User}'s commands {How} (a job of that user may have run kill -9 -1); "
        + "its {Running} running commands are killed, their runs are lost, and the next start has a new holder")]
    public static partial void HolderGone(this ILogger log, string user, string how, int running);

    [LoggerMessage(417, LogLevel.Warning,
        "holder {Pid}, left by the worker's previous process, does not answer ({State}); it is killed, and its runs are lost")]
    public static partial void HolderHangs(this ILogger log, int pid, string state);

    [LoggerMessage(418, LogLevel.Error,
        "what is left of {Run} could not be killed: no holder could be started as {User}; kill its processes by hand")]
    public static partial void LeftoverStays(this ILogger log, string run, string user);

    [LoggerMessage(430, LogLevel.Error,
        "the holder (the process that starts commands) did not answer within {Seconds} s; its runs wait while they may, "
            + "and this worker claims nothing until it answers")]
    public static partial void HolderSilent(this ILogger log, double seconds);

    [LoggerMessage(431, LogLevel.Information, "the holder answers again")]
    public static partial void HolderAnswers(this ILogger log);

    [LoggerMessage(432, LogLevel.Error,
        "{Run} started too late, as process {Pid}: that start was given up, so the process is killed")]
    public static partial void StartedTooLate(this ILogger log, string run, int pid);

    [LoggerMessage(434, LogLevel.Warning, "{Job}/{RunId} has not started and is tried again: {Why}")]
    public static partial void StartTriedAgain(this ILogger log, string job, string runId, string why);

    [LoggerMessage(433, LogLevel.Warning,
        "jobs that name no user run as {User}, this worker's own user: "
        + "their commands can read its settings, credentials, spool and outputs, and can end it; {Remedy}")]
    public static partial void CommandsReachWorker(this ILogger log, string user, string remedy);

    [LoggerMessage(420, LogLevel.Error, "runAs allows {Users}, but this worker cannot switch users: {Missing}")]
    public static partial void CannotSwitchUsers(this ILogger log, string users, string missing);

    [LoggerMessage(421, LogLevel.Information, "jobs with memoryMax, cpuMax or pidsMax fail on this worker, all others run: {Why}")]
    public static partial void NoLimits(this ILogger log, string why);

    [LoggerMessage(409, LogLevel.Warning,
        "{Key} has a value that DTS cannot read ({Why}); the key is removed, because it would block its job")]
    public static partial void DocumentRemoved(this ILogger log, string key, string why);

    [LoggerMessage(408, LogLevel.Error,
        "{Path} cannot be written ({Reason}); after a crash of this worker its commands may not be found; free space on its disk")]
    public static partial void LaunchJournalFailed(this ILogger log, string path, string reason);

    [LoggerMessage(501, LogLevel.Warning, "log store unavailable ({Reason}); {Waiting} records wait in the spool, runs go on")]
    public static partial void StoreLost(this ILogger log, string reason, long waiting);

    [LoggerMessage(502, LogLevel.Information, "log store is back after {Seconds:F1} s and {Failures} tries")]
    public static partial void StoreBack(this ILogger log, double seconds, int failures);

    [LoggerMessage(503, LogLevel.Warning,
        "this worker stops before all records are shipped ({Reason}); {Waiting} records stay in the spool for the next start")]
    public static partial void StoreLeft(this ILogger log, string reason, long waiting);

    [LoggerMessage(515, LogLevel.Error,
        "{Job}/{RunId}: the log store refuses the record ({Reason}); the record is kept in {File}, and the others are shipped")]
    public static partial void RecordRefused(this ILogger log, string job, string runId, string reason, string file);

    [LoggerMessage(516, LogLevel.Error,
        "this host's disk blocks the shipping of records ({Reason}); {Waiting} records wait in the spool, runs go on")]
    public static partial void ShippingHeldUp(this ILogger log, string reason, long waiting);

    [LoggerMessage(517, LogLevel.Information, "shipping of records has resumed after {Seconds:F1} s and {Failures} tries")]
    public static partial void ShippingGoesOn(this ILogger log, double seconds, int failures);

    [LoggerMessage(504, LogLevel.Warning,
        "spool segment {Path} has {Bytes} bytes that are not a record (torn by a crash, or damaged on disk); "
        + "they are skipped, and probably belong to {Run}")]
    public static partial void SpoolTorn(this ILogger log, string path, long bytes, string run);

    [LoggerMessage(514, LogLevel.Error,
        "spool segment {Path} cannot be read: {Reason}; it is skipped and kept, and the next start tries again")]
    public static partial void SpoolUnreadable(this ILogger log, string path, string reason);

    [LoggerMessage(505, LogLevel.Warning,
        "spool {Folder} has reached its quota of {QuotaBytes} bytes; the outputs of records that wait in it are shortened, "
            + "the oldest first")]
    public static partial void SpoolFull(this ILogger log, string folder, long quotaBytes);

    [LoggerMessage(511, LogLevel.Information, "spool {Folder} is half empty again; the outputs of {Shortened} records were shortened")]
    public static partial void SpoolEased(this ILogger log, string folder, int shortened);

    [LoggerMessage(512, LogLevel.Warning,
        "spool {Folder} has {Bytes} bytes, above its quota of {QuotaBytes}: there is no output left to shorten, and no record is dropped; "
            + "bring the log store back")]
    public static partial void SpoolAbove(this ILogger log, string folder, long bytes, long quotaBytes);

    [LoggerMessage(506, LogLevel.Error,
        "spool cannot be written ({Reason}); {Waiting} records wait in memory, trying again; free space on its disk")]
    public static partial void SpoolFailed(this ILogger log, string reason, int waiting);

    [LoggerMessage(507, LogLevel.Information, "spool can be written again")]
    public static partial void SpoolBack(this ILogger log);

    [LoggerMessage(508, LogLevel.Warning, "expired records could not be removed ({Reason}); trying again later")]
    public static partial void SweepFailed(this ILogger log, string reason);

    [LoggerMessage(513, LogLevel.Warning,
        "runs cannot be counted ({Reason}); trying again every second, records are written all the same: "
            + "give the user of mongodbUri the role readWrite on database cron")]
    public static partial void CountsWait(this ILogger log, string reason);

    [LoggerMessage(509, LogLevel.Warning,
        "indexes of the log cannot be made ({Reason}); lists may be slow and records may not expire: "
            + "give the user of mongodbUri the role readWrite on database cron")]
    public static partial void IndexesMissing(this ILogger log, string reason);

    [LoggerMessage(510, LogLevel.Warning, "output of {Run} is not shown while it runs ({Reason}); its record will have it")]
    public static partial void LiveOutputFailed(this ILogger log, string run, string reason);

    [LoggerMessage(520, LogLevel.Warning,
        "OTLP receiver {Endpoint} cannot be reached ({Reason}); metrics and spans until it can again are lost, runs go on")]
    public static partial void OtlpLost(this ILogger log, Uri endpoint, string reason);

    [LoggerMessage(521, LogLevel.Information, "OTLP receiver {Endpoint} takes metrics and spans again")]
    public static partial void OtlpBack(this ILogger log, Uri endpoint);

    [LoggerMessage(904, LogLevel.Information, "ready, {Jobs} jobs planned")]
    public static partial void Ready(this ILogger log, int jobs);
}
