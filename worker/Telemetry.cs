using Dts.Common.Hosting;
using Microsoft.Extensions.Logging;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Dts.Worker;

/// <summary>Pushes this worker's metrics, and a span for each run, to an OTLP receiver. The worker opens no port.</summary>
/// <remarks>The variables OTEL_EXPORTER_OTLP_HEADERS, OTEL_METRIC_EXPORT_INTERVAL and OTEL_RESOURCE_ATTRIBUTES apply, too.</remarks>
internal sealed class Telemetry : IDisposable
{
    private const int CallWithinMs = 5000;
    private const int EndsWithinMs = 1000; // A receiver that hangs must not delay the stop.

    private readonly MeterProvider _meters;
    private readonly TracerProvider _traces;

    private Telemetry(MeterProvider meters, TracerProvider traces) => (_meters, _traces) = (meters, traces);

    /// <summary>Null = the settings name no receiver.</summary>
    public static Telemetry? Open(WorkerSettings settings, ILogger log)
    {
        if (settings.OtlpEndpoint is not { } endpoint)
        {
            return null;
        }

        var receiver = new Receiver(endpoint, log);
        return new Telemetry(
            Sdk.CreateMeterProviderBuilder()
                .ConfigureResource(Describe)
                .AddMeter("Dts.*")
                .AddOtlpExporter(options => receiver.Apply(options, "v1/metrics"))
                .Build(),
            Sdk.CreateTracerProviderBuilder()
                .ConfigureResource(Describe)
                .SetSampler(new AlwaysOnSampler())
                .AddSource("Dts.*")
                .AddOtlpExporter(options => receiver.Apply(options, "v1/traces"))
                .Build());

        void Describe(ResourceBuilder resource) =>
            resource.AddService("dts-worker", serviceVersion: Service.Version, serviceInstanceId: settings.WorkerId);
    }

    public void Dispose()
    {
        _traces.Shutdown(EndsWithinMs);
        _meters.Shutdown(EndsWithinMs);
        _traces.Dispose();
        _meters.Dispose();
    }

    /// <summary>Logs once that the receiver cannot be reached, and once that it can again; the exporters log nothing.</summary>
    private sealed class Receiver(Uri endpoint, ILogger log)
    {
        private bool _isLost;

        public void Apply(OtlpExporterOptions options, string path)
        {
            options.Protocol = OtlpExportProtocol.HttpProtobuf;
            options.Endpoint = new Uri($"{endpoint.AbsoluteUri.TrimEnd('/')}/{path}");
            options.TimeoutMilliseconds = CallWithinMs;
            options.HttpClientFactory = () => new HttpClient(new Line(this)) { Timeout = TimeSpan.FromMilliseconds(CallWithinMs) };
        }

        private void Note(string? fault)
        {
            if (fault is not null && !Interlocked.Exchange(ref _isLost, true))
            {
                log.OtlpLost(endpoint, fault);
            }
            else if (fault is null && Interlocked.Exchange(ref _isLost, false))
            {
                log.OtlpBack(endpoint);
            }
        }

        private sealed class Line(Receiver receiver) : DelegatingHandler(new SocketsHttpHandler { UseProxy = false })
        {
            protected override HttpResponseMessage Send(HttpRequestMessage request, CancellationToken cancellationToken)
            {
                try
                {
                    var answer = base.Send(request, cancellationToken);
                    receiver.Note(answer.IsSuccessStatusCode ? null : $"it answers with status {(int)answer.StatusCode}");
                    return answer;
                }
                catch (Exception failure) when (failure is HttpRequestException or OperationCanceledException)
                {
                    receiver.Note(failure is HttpRequestException ? failure.Message : $"no answer in {CallWithinMs / 1000} s");
                    throw;
                }
            }
        }
    }
}
