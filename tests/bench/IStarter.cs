namespace Dts.Bench;

/// <summary>A scheduler that is measured: it starts a command at plan times.</summary>
internal interface IStarter : IAsyncDisposable
{
    string Name { get; }

    /// <summary>Starts so many commands at each of some seconds; to be called two seconds ahead.</summary>
    /// <param name="from">The first plan time, a whole second in milliseconds since 1970.</param>
    Task<Lags> StartAsync(int atOnce, long from, int seconds);
}
