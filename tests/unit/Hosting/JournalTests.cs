using System.Text;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Tests.Support;
using Dts.Worker;
using Dts.Worker.Records;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Dts.Tests.Unit.Hosting;

public sealed class JournalTests : IDisposable
{
    private readonly NotifySocket _journald = new();
    private readonly RecordedLog _fallback = new();
    private readonly ILoggerFactory _loggers;
    private readonly ILogger _log;

    public JournalTests()
    {
        _loggers = LoggerFactory.Create(
            logging => logging.AddProvider(new Journal(_journald.Path, "dts-worker", "w1", new Fallback(_fallback))));
        _log = _loggers.CreateLogger("dts-worker");
    }

    public void Dispose()
    {
        _loggers.Dispose();
        _journald.Dispose();
    }

    [Fact]
    public void Start_and_end_of_a_run_have_job_run_status_and_worker_as_fields()
    {
        _log.Started(JobName.Parse("backup"), "20261122T100000Z", 4711, 0.52);
        _log.Ended(Some.Record(0, "backup") with { Status = RunStatus.Failed, Err = "exit code 3" });

        var (start, end) = (Read(), Read());
        Assert.Equal(("backup", "20261122T100000Z", "started", "w1"), (start["JOB"], start["RUN_ID"], start["STATUS"], start["WORKER"]));
        Assert.Equal(
            ("backup started for 20261122T100000Z as pid 4711, 0.5 ms after its time", "6", "dts-worker"),
            (start["MESSAGE"], start["PRIORITY"], start["SYSLOG_IDENTIFIER"]));
        Assert.Equal(("backup", "20261122T100000Z", "failed", "4"), (end["JOB"], end["RUN_ID"], end["STATUS"], end["PRIORITY"]));
        Assert.Empty(_fallback.Lines);
    }

    [Fact]
    public void A_line_about_another_worker_names_that_one()
    {
        _log.RunLost(JobName.Parse("backup"), "20261122T100000Z", "w2", "its session expired");

        var entry = Read();
        Assert.Equal(("w2", "lost"), (entry["WORKER"], entry["STATUS"]));
    }

    [Fact]
    public void No_text_can_forge_a_field()
    {
        const string Forged = "oops\nJOB=other\nPRIORITY=0\n";
        _log.Ended(Some.Record(0, "backup") with { Status = RunStatus.Failed, Err = Forged });

        var entry = Read();

        Assert.Equal(("backup", "4", Forged), (entry["JOB"], entry["PRIORITY"], entry["WHY"]));
        Assert.EndsWith(Forged, entry["MESSAGE"]);
    }

    [Fact]
    public void A_message_that_is_too_long_is_cut_between_characters_and_says_so()
    {
        _log.Ended(Some.Record(0, "backup") with { Status = RunStatus.Failed, Err = new string('ü', 300_000) });

        var entry = Read();

        Assert.Matches(@"ü \[cut: 55\d{4} of 6000\d\d bytes\]$", entry["MESSAGE"]);
        Assert.Equal("backup", entry["JOB"]);
        Assert.DoesNotContain('�', entry["MESSAGE"]);
    }

    [Fact]
    public void A_line_that_the_journal_does_not_take_is_printed_without_a_wait()
    {
        for (var n = 0; n < 1000; n++)
        {
            _log.Ready(n); // Nobody reads: the queue of the socket is short.
        }

        Assert.Equal(1000, _fallback.Lines.Count + _journald.CountWaiting());
        Assert.NotEmpty(_fallback.Lines);

        _journald.Dispose();
        _log.Ready(1001);
        Assert.Contains("ready, 1001 jobs planned", _fallback.ToString());
    }

    [Fact]
    public void Journald_reads_us_only_where_its_stream_is_our_output()
    {
        Assert.False(Journal.ReadsUs(null));
        Assert.False(Journal.ReadsUs("8:1"));
        Assert.False(Journal.ReadsUs("nonsense"));
    }

    /// <summary>Reads one entry as journald does.</summary>
    private Dictionary<string, string> Read()
    {
        var bytes = _journald.Read();
        var fields = new Dictionary<string, string>();
        while (bytes.Length > 0)
        {
            var end = bytes.IndexOf((byte)'\n');
            var line = Encoding.UTF8.GetString(bytes[..end]);
            bytes = bytes[(end + 1)..];
            if (line.Split('=', 2) is [var name, var value])
            {
                fields.Add(name, value);
            }
            else
            {
                var length = (int)BitConverter.ToUInt64(bytes);
                fields.Add(line, Encoding.UTF8.GetString(bytes.Slice(8, length)));
                bytes = bytes[(8 + length + 1)..];
            }
        }

        return fields;
    }

    private sealed class Fallback(ILogger log) : ILoggerFactory
    {
        public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

        public ILogger CreateLogger(string categoryName) => log;

        public void Dispose()
        {
        }
    }
}
