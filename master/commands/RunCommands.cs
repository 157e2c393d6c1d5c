using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Dts.Common.Hosting;

namespace Dts.Master.Commands;

/// <summary>Commands about runs.</summary>
internal sealed class RunCommands(CommandLine line)
{
    private const int WaitSecondsMax = 600; // Of one request; a longer wait takes several.

    private static readonly TimeSpan BeyondWait = TimeSpan.FromSeconds(30);

    public IEnumerable<Command> All => [Run(), Logs(), Kill(), Ledger()];

    private Command Run()
    {
        var job = line.Job();
        var worker = CommandLine.Text("--worker", "The only worker that may run it");
        var env = CommandLine.Texts("--env", "NAME=VALUE for the command; may be repeated", "-e");
        var wait = CommandLine.Flag("--wait", "Wait for the end, print the output, and exit with 1 unless it succeeded", "-w");
        var timeout = CommandLine.Number("--timeout", "The most seconds to wait; 0 waits for as long as it takes", 0);
        var raw = CommandLine.Flag("--raw", "Print control characters of the output as they are");
        return line.Make("run", "Runs a job now", async asked =>
        {
            var name = asked.Of(job);
            var body = BodyOf(asked.Of(worker)!, asked.Of(env)!);
            var answer = asked.Of(wait)
                ? await WaitAsync(asked, name, body, asked.Of(timeout))
                : await AskAsync(asked, name, body, 0, NewKey());
            if (answer["status"] is null)
            {
                var code = asked.Of(wait) ? ExitCodes.Failed : ExitCodes.Done;
                return asked.Print(answer, () => asked.Terminal.Line(answer.Text("runId")), code);
            }

            return asked.Print(answer, () =>
            {
                asked.Terminal.Write(answer.Text("output"), asked.Of(raw));
                var err = answer.Line("err");
                asked.Terminal.Note($"{Display.Line(name)} {answer.Line("status")}{(err.Length > 0 ? $": {err}" : "")}");
            }, answer.Text("status") == "succeeded" ? ExitCodes.Done : ExitCodes.Failed);
        }, job, worker, env, wait, timeout, raw);
    }

    private static JsonObject BodyOf(string worker, string[] env)
    {
        var variables = new JsonObject();
        foreach (var variable in env)
        {
            var at = variable.IndexOf('=');
            variables[at > 0 ? variable[..at] : throw new CommandFailure(
                ExitCodes.Usage, $"--env is \"{Display.Line(variable)}\"; expected NAME=VALUE")] = variable[(at + 1)..];
        }

        var body = new JsonObject();
        if (worker.Length > 0)
        {
            body["worker"] = worker;
        }

        if (variables.Count > 0)
        {
            body["env"] = variables;
        }

        return body;
    }

    /// <summary>The record, or the run that was asked for when the time is up.</summary>
    /// <remarks>The request is repeated with one key, so the job runs once.</remarks>
    private static async Task<JsonNode> WaitAsync(Asked asked, string job, JsonObject body, int timeoutSeconds)
    {
        var key = NewKey();
        for (var waited = 0; ;)
        {
            var seconds = timeoutSeconds == 0 ? WaitSecondsMax : Math.Min(WaitSecondsMax, timeoutSeconds - waited);
            var answer = await AskAsync(asked, job, body, seconds, key);
            waited += seconds;
            if (answer["status"] is not null)
            {
                return answer;
            }

            if (timeoutSeconds > 0 && waited >= timeoutSeconds)
            {
                asked.Terminal.Note(
                    $"{Display.Line(job)} has not ended after {timeoutSeconds} s; it goes on as run {answer.Line("runId")}");
                return answer;
            }
        }
    }

    private static async Task<JsonNode> AskAsync(Asked asked, string job, JsonObject body, int waitSeconds, string key)
    {
        using var content = ApiClient.Json(body);
        var wait = waitSeconds > 0 ? waitSeconds.ToString(CultureInfo.InvariantCulture) : null;
        return await asked.Api.SendAsync(
            HttpMethod.Post,
            ApiClient.Query(ApiClient.Path("jobs", job, "run"), ("wait", wait)),
            content,
            asked.Cancel,
            TimeSpan.FromSeconds(waitSeconds) + BeyondWait,
            ("Idempotency-Key", key));
    }

    private static string NewKey() => $"dts-master-{Guid.NewGuid():N}";

    private Command Logs()
    {
        var job = line.Job();
        var run = new Argument<string>("run")
        {
            Description = "The run's id; without it the latest run", Arity = ArgumentArity.ZeroOrOne, DefaultValueFactory = _ => "",
        };
        var follow = CommandLine.Flag("--follow", "Go on printing until the run has ended", "-f");
        var raw = CommandLine.Flag("--raw", "Print control characters as they are");
        return line.Make("logs", "Prints the output of a run", async asked =>
        {
            var name = asked.Of(job);
            var runId = asked.Of(run) is { Length: > 0 } given ? given : await FindLatestAsync(asked, name);
            var path = ApiClient.Path("runs", name, runId, "output");
            if (asked.Of(follow))
            {
                return await FollowAsync(asked, path, asked.Of(raw));
            }

            using var answer = await asked.Api.OpenAsync(path, asked.Cancel);
            await asked.Terminal.CopyAsync(await answer.Content.ReadAsStreamAsync(asked.Cancel), asked.Of(raw), asked.Cancel);

            return ExitCodes.Done;
        }, job, run, follow, raw);
    }

    private static async Task<string> FindLatestAsync(Asked asked, string job)
    {
        var escaped = job.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal);
        var quoted = $"job:\"{escaped}\"";
        foreach (var (filter, list) in new[] { ($"{quoted} state:running", "unended"), (quoted, "runs") })
        {
            var page = await asked.Api.GetAsync(ApiClient.Query(ApiClient.Path("runs"), ("filter", filter), ("limit", "1")), asked.Cancel);
            if (page.List(list).FirstOrDefault() is { } run)
            {
                return run.Text("runId") is { Length: > 0 } id ? id : run.Text("_id")[(job.Length + 1)..];
            }
        }

        throw new CommandFailure(ExitCodes.Refused, $"job \"{Display.Line(job)}\" has not run, or its records are gone");
    }

    /// <summary>Reads the event stream of an output; asks again from where it is when the connection breaks.</summary>
    private static async Task<int> FollowAsync(Asked asked, string path, bool isRaw)
    {
        const int tries = 5;
        var offset = "0";
        for (var failures = 0; failures < tries; failures++)
        {
            try
            {
                using var answer = await asked.Api.OpenAsync(ApiClient.Query(path, ("follow", "true"), ("offset", offset)), asked.Cancel);
                using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync(asked.Cancel), Encoding.UTF8);
                var name = "";
                while (await reader.ReadLineAsync(asked.Cancel) is { } text)
                {
                    if (text.StartsWith("id: ", StringComparison.Ordinal))
                    {
                        (offset, failures) = (text[4..], 0);
                    }
                    else if (text.StartsWith("event: ", StringComparison.Ordinal))
                    {
                        name = text[7..];
                    }
                    else if (text.StartsWith("data: ", StringComparison.Ordinal) && name.Length > 0)
                    {
                        asked.Terminal.Note(text[6..]);
                        return name == "end" ? ExitCodes.Done : ExitCodes.Refused;
                    }
                    else if (text.StartsWith("data: ", StringComparison.Ordinal))
                    {
                        var piece = new MemoryStream(BytesOf(JsonNode.Parse(text[6..])));
                        await asked.Terminal.CopyAsync(piece, isRaw, asked.Cancel);
                    }
                }
            }
            catch (IOException)
            {
                // The connection broke.
            }
        }

        throw new CommandFailure(ExitCodes.Refused, $"the output breaks off at byte {offset} again and again");
    }

    private static byte[] BytesOf(JsonNode? piece) =>
        piece.Text("base64") is { Length: > 0 } bytes ? Convert.FromBase64String(bytes) : Encoding.UTF8.GetBytes(piece.Text("text"));

    private Command Kill()
    {
        var job = line.Job();
        var run = CommandLine.Text("--run", "Only this run; without it all runs of the job");
        var reason = CommandLine.Text("--reason", "Why; the run's record keeps it");
        return line.Make("kill", "Ends the runs of a job", async asked =>
        {
            var body = new JsonObject();
            foreach (var (member, value) in new[] { ("runId", asked.Of(run)!), ("reason", asked.Of(reason)!) })
            {
                if (value.Length > 0)
                {
                    body[member] = value;
                }
            }

            using var content = ApiClient.Json(body);
            var answer = await asked.Api.SendAsync(HttpMethod.Post, ApiClient.Path("jobs", asked.Of(job), "kill"), content, asked.Cancel);
            return asked.Print(answer, () =>
            {
                var (running, cancelled) = (answer.Texts("running").ToList(), answer.Texts("cancelled").ToList());
                asked.Terminal.Line($"{running.Count} runs are asked to end, {cancelled.Count} are cancelled in the queue");
                running.Concat(cancelled).ToList().ForEach(asked.Terminal.Line);
            });
        }, job, run, reason);
    }

    private Command Ledger()
    {
        var job = line.Job();
        var from = CommandLine.Text("--from", "The start of the span; the day before its end");
        var to = CommandLine.Text("--to", "The end of the span; now");
        return line.Make("ledger", "Lists every planned time of a job with its ending; exits with 1 if one has none or two", async asked =>
        {
            var faults = 0;
            var after = "";
            do
            {
                var page = await asked.Api.GetAsync(
                    ApiClient.Query(
                        ApiClient.Path("jobs", asked.Of(job), "ledger"), ("from", asked.Of(from)), ("to", asked.Of(to)), ("after", after)),
                    asked.Cancel);
                faults += page.List("lines").Count(fire => fire.Text("fault").Length > 0);
                asked.Print(page, () =>
                {
                    foreach (var fire in page.List("lines"))
                    {
                        asked.Terminal.Line(Describe(fire));
                    }
                });
                after = page.Text("next");
            }
            while (after.Length > 0);

            return faults == 0 ? ExitCodes.Done : ExitCodes.Failed;
        }, job, from, to);
    }

    private static string Describe(JsonNode? fire)
    {
        var endings = fire.List("endings").Select(ending => $"{ending.Line("status")} {ending.Line("worker")}").ToList();
        var ended = fire.Line("ending") is { Length: > 0 } word ? word : endings.Count > 0 ? string.Join("; ", endings) : "-";
        var why = fire.Line("reason") is { Length: > 0 } reason ? reason : fire.Line("note");
        var fault = fire.Line("fault");
        return $"{fire.Line("planTime")}  {ended,-9}  {why}{(fault.Length > 0 ? $"  << {fault}" : "")}".TrimEnd();
    }
}
