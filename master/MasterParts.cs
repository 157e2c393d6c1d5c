using System.Threading.Channels;
using Dts.Common.Cron;
using Dts.Common.Etcd;
using Dts.Common.Hosting;
using Dts.Common.Jobs;
using Dts.Common.Metrics;
using Dts.Master.Access;
using Dts.Master.Alerts;
using Dts.Master.Api;
using Dts.Master.Audit;
using Dts.Master.Events;
using Dts.Master.Jobs;
using Dts.Master.Logs;
using Dts.Master.Versions;
using Dts.Master.Views;

namespace Dts.Master;

/// <summary>The parts that a running master is put together from. Each is created when it is first needed.</summary>
/// <remarks>Not thread-safe: all parts are created at the start, on one thread.</remarks>
internal sealed class MasterParts : IDisposable
{
    private readonly Stack<IDisposable> _owned = new();

    public MasterParts(SettingsReader reader)
    {
        (Reader, Settings) = (reader, MasterSettings.Read(reader));
        Current = Settings;
        Loggers = Own(Service.CreateLoggers(reader, "dts-master", () => Current.LogLevel, out var log));
        Log = log;
        Reload = Own(new Reload(Systemd));
        Figures = Own(new FigureTable());
    }

    public SettingsReader Reader { get; }

    public MasterSettings Settings { get; }

    /// <summary>The settings with those that a reload has changed.</summary>
    public MasterSettings Current { get; set; }

    public ILoggerFactory Loggers { get; }

    public ILogger Log { get; }

    public SystemdNotifier Systemd { get; } = SystemdNotifier.Find();

    public Reload Reload { get; }

    public FigureTable Figures { get; }

    public Keys Keys => Settings.Keys;

    public CronZone Zone => Settings.DefaultZone;

    public ClockCheck Clocks => field ??= Own(new ClockCheck(workerId: "", BootTime.Instance, Log));

    /// <summary>Corrected by the workers' clocks: masters share times, with each other and with the workers.</summary>
    public TimeProvider Time => field ??= new AgreedTime(TimeProvider.System, Clocks);

    public EtcdClient Etcd => field ??= Own(new EtcdClient(Settings.Etcd, Time, Log));

    public ForeignValues Foreign => field ??= new ForeignValues(Log);

    /// <remarks>Its deadline is shortly before a request's own.</remarks>
    public ILogReader Store => field ??= Own(new StoreGate(
        ILogReader.Open(Settings.Log), (Settings.ReadTimeout + Settings.WriteTimeout) * 0.9, Time));

    public IVersionStore Versions => field ??= Own(IVersionStore.Open(Settings.Log, Settings.VersionRetention));

    public WaitingVersions Waiting => field ??= new WaitingVersions(Etcd, Keys, Foreign.Report);

    public VersionHistory History => field ??= Own(new VersionHistory(Waiting, Versions, Time));

    public FormerJobs Former => field ??= new FormerJobs(
        History, async (name, cancel) => await Store.ListAsync(name, 0, 1, cancel) is [_, ..]);

    public HttpContextAccessor Requests { get; } = new();

    public JobStore Jobs => field ??= new JobStore(Etcd, Keys, Zone, Time, Foreign, RightsOfRequest)
    {
        ExpectedChannel = name => Channels.FindExpected(name),
    };

    public WorkerList Workers => field ??= new WorkerList(Etcd, Keys);

    public LedgerReader Ledger => field ??= new LedgerReader(Etcd, Keys, Store, Zone, Foreign, Time);

    public ClusterView View => field ??= new ClusterView(new ClusterState(Keys, Zone));

    public EventFeed Feed => field ??= new EventFeed(Time);

    public AlertKeys AlertKeys => field ??= new AlertKeys(Keys);

    public AlertBoard Board => field ??= new AlertBoard(
        AlertKeys, (change, why) => Foreign.Report(change.Key, change.ModRevision, why));

    public AlertStore AlertStore => field ??= new AlertStore(Board, Etcd, AlertKeys, Time);

    public AlertKeeper Alerts => field ??= new AlertKeeper(Board, AlertStore, View, Feed, Time, Log);

    public AlertClock AlertClock => field ??= new AlertClock(
        Alerts, Board, AlertStore, View, new AlertLedger(AlertStore, Ledger, Time), Time);

    public Channels Channels => field ??= new Channels(Settings.AlertChannels, Log);

    public AlertSender AlertSender => field ??= new AlertSender(
        Board, AlertStore, Own(new ChannelSender(Channels, Time)), new AlertNotices(Store, Settings.PublicUrl, Time), Time, Log);

    public AccessTable Table => field ??= new AccessTable(Keys, Time);

    public AccessKeeper Access => field ??= new AccessKeeper(Table, Etcd, Keys, Foreign);

    public AccessStore People => field ??= new AccessStore(Etcd, Keys, Time);

    public Credentials Credentials => field ??= new Credentials(Settings, Table, () => Access.CutOff);

    public RefusedTokens Refused => field ??= Own(new RefusedTokens(Time, Log));

    public TokenUses Uses => field ??= new TokenUses(Table, People, Time);

    public VisibleJobs Visible => field ??= new VisibleJobs(View, Former);

    public IAuditStore Audit => field ??= Own(IAuditStore.Open(Settings.Log, Settings.AuditRetention));

    // full: a record is only in the journal, and the next line of the writer says so
    public Channel<AuditRecord> Audited { get; } = Channel.CreateBounded<AuditRecord>(AuditWriter.WaitingMax);

    public AuditTrail Trail => field ??= new AuditTrail(Credentials, Audited.Writer, Time, Log);

    public RequestGate Gate => field ??= new RequestGate(Settings, Log);

    public T Own<T>(T part)
        where T : IDisposable
    {
        _owned.Push(part);
        return part;
    }

    public void Dispose()
    {
        while (_owned.TryPop(out var part))
        {
            part.Dispose();
        }
    }

    private JobRights RightsOfRequest() =>
        CallerRights.RightsOf(Caller.Of(Requests.HttpContext), Former, AuditNotes.Of(Requests.HttpContext).NoteChange);
}
