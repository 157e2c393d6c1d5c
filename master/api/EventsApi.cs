using System.Buffers;
using System.ComponentModel;
using System.Text;
using System.Text.Json;
using Dts.Master.Access;
using Dts.Master.Events;
using Dts.Master.Views;

namespace Dts.Master.Api;

/// <summary>The changes in the cluster, as server-sent events.</summary>
internal sealed class EventsApi(EventFeed feed, TimeProvider time)
{
    private readonly CallerQuota _quota =
        new(EventFeed.ListenersMax, "listeners", "already get events from this master", "try again later");

    public void Map(RouteGroupBuilder v1) =>
        v1.MapGet("/events", (
            [Description("Which events: job:backup label:team=pay user:deploy worker:w1 ending:failed, or a part of the job's name")]
            string? filter,
            HttpContext http) => ServeAsync(http, EventFilter.Read(
                Filter.Parse(Query.Text("filter", filter) ?? "", time.GetUtcNow()), Caller.Of(http).Scope.Filter)))
            .RequireRole(Role.Viewer)
            .WithMetadata(new OwnDeadline())
            .Produces(StatusCodes.Status200OK, contentType: "text/event-stream")
            .WithSummary("Changes as server-sent events: job, run, worker, alert; Last-Event-ID resumes the stream");

    private async Task ServeAsync(HttpContext http, EventFilter filter)
    {
        http.Response.ContentType = "text/event-stream";
        http.Response.Headers["X-Accel-Buffering"] = "no"; // nginx passes each event on at once.
        if (http.Features.Get<HeadRequest>() is not null)
        {
            return;
        }

        using var taken = _quota.Take(Caller.Of(http));
        var lastEventId = http.Request.Headers["Last-Event-ID"].FirstOrDefault();
        var place = feed.Join(lastEventId);
        try
        {
            await TellAsync(http, filter, place, lastEventId);
        }
        catch (OperationCanceledException) when (http.RequestAborted.IsCancellationRequested)
        {
            // The listener has gone.
        }
        finally
        {
            feed.Leave();
        }
    }

    private async Task TellAsync(HttpContext http, EventFilter filter, EventFeed.Place place, string? lastEventId)
    {
        var (number, beats) = (place.Number, feed.KeepAlives);
        if (!place.IsResumed)
        {
            Say(http, number, lastEventId is null ? "ready" : "reset", lastEventId is null
                ? "events follow from here on; read the lists now"
                : "the events since that id are not kept by this master; read the lists again");
            await FlushAsync(http);
        }

        while (true)
        {
            var (events, more) = feed.Read(number);
            if (events is null)
            {
                Say(http, number, "dropped", "this listener was too slow: events that it has not read are gone; come back without an id");
                await FlushAsync(http);
                return;
            }

            var isTold = false;
            foreach (var told in events)
            {
                number++;
                isTold |= Tell(http, filter, number, told);
            }

            if (events.Count == 0 && feed.KeepAlives != beats)
            {
                beats = feed.KeepAlives;
                Write(http, ": nothing new\n\n");
                isTold = true;
            }

            if (isTold)
            {
                await FlushAsync(http);
            }

            if (events.Count == 0 && feed.IsEnded)
            {
                return;
            }

            if (events.Count == 0)
            {
                await more.WaitAsync(http.RequestAborted);
            }
        }
    }

    private bool Tell(HttpContext http, EventFilter filter, long number, FeedEvent told)
    {
        var sight = filter.Of(told.Subject);
        if (sight != Sight.None)
        {
            Write(http, $"id: {feed.IdOf(number)}\nevent: {told.Name}\ndata: ");
            http.Response.BodyWriter.Write(sight == Sight.Gone ? EventWriter.Gone(told.Subject.Before!.Name) : told.Data);
            Write(http, "\n\n");
        }

        return sight != Sight.None;
    }

    private void Say(HttpContext http, long number, string name, string reason)
    {
        var data = JsonSerializer.Serialize(new StreamEvent(reason), EventJson.Readable.StreamEvent);
        Write(http, $"id: {feed.IdOf(number)}\nevent: {name}\ndata: {data}\n\n");
    }

    private static void Write(HttpContext http, string text) => Encoding.UTF8.GetBytes(text, http.Response.BodyWriter);

    private static async Task FlushAsync(HttpContext http)
    {
        await http.Response.BodyWriter.FlushAsync(http.RequestAborted);
    }
}
