namespace Dts.Bench;

/// <summary>A scheduler that is measured: it starts a command at plan times.</summary>
internal interface IStarter : IAsyncDisposable
{
    string Name { get; }

    /// <summary>How long before the first plan time <see cref="StartAsync"/> is called at the latest, for so many commands.</summary>
    int AheadMs(int atOnce) => 1500;

    /// <summary>Starts so many commands at each of some seconds.</summary>
    /// <param name="from">The first plan time, a whole second in milliseconds since 1970.</param>
    Task<Lags> StartAsync(int atOnce, long from, int seconds);
}
