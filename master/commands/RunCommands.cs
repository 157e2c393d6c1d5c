using System.CommandLine;
using System.Text.Json.Nodes;
using Dts.Common.Hosting;

namespace Dts.Master.Commands;

/// <summary>Commands about runs.</summary>
internal sealed class RunCommands(CommandLine line)
{
    private const string Time = "a time such as 2026-11-22T10:00:00Z, or a date; without a zone it is UTC";

    private const string AboutLedger = "Lists every plan time of a job with its ending. "
        + "dts-master ledger --job NAME reads etcd and the log itself, with the master's settings, and needs no master. "
        + "exit code 0: every past plan time has one ending; 1: one has none or two; "
        + "2: the ledger cannot be read, or the job is unknown; 64, with --job 78: wrong arguments";

    public IEnumerable<Command> All => [Run(), Logs(), Kill(), Ledger()];

    private Command Run()
    {
        var job = line.Job();
        var worker = CommandLine.Text("--worker", "The only worker that may run it");
        var env = CommandLine.Texts("--env", "NAME=VALUE for the command; may be repeated", "-e");
        var wait = CommandLine.Flag("--wait", "Wait until this run has ended, print its output, and exit with 1 unless it succeeded", "-w");
        var timeout = CommandLine.Number("--timeout", "The most seconds to wait; 0 = no limit", 0);
        var raw = CommandLine.Flag("--raw", "Print control characters of the output as they are");
        return line.Make("run", "Runs a job now", async call =>
        {
            var name = call.Of(job);
            var body = RunBodyOf(call.Of(worker)!, call.Of(env)!);
            var request = new RunRequest(call, name, body);
            var answer = call.Of(wait) ? await request.WaitAsync(call.Of(timeout)) : await request.AskAsync(waitSeconds: 0);
            if (answer["status"] is null)
            {
                var code = call.Of(wait) ? ExitCodes.Failed : ExitCodes.Done;
                return call.Print(answer, () => call.Terminal.Line(answer.Text("runId")), code);
            }

            return call.Print(answer, () =>
            {
                call.Terminal.Write(answer.Text("output"), call.Of(raw));
                var err = answer.Line("err");
                call.Terminal.Note($"{Display.Line(name)} {answer.Line("status")}{(err.Length > 0 ? $": {err}" : "")}");
            }, answer.Text("status") == "succeeded" ? ExitCodes.Done : ExitCodes.Failed);
        }, job, worker, env, wait, timeout, raw);
    }

    private static JsonObject RunBodyOf(string worker, string[] env)
    {
        var variables = new JsonObject();
        foreach (var variable in env)
        {
            var at = variable.IndexOf('=');
            variables[at > 0 ? variable[..at] : throw new CommandFailure(
                ExitCodes.Usage, $"--env is \"{Display.Line(variable)}\"; expected NAME=VALUE")] = variable[(at + 1)..];
        }

        var body = BodyOf(("worker", worker));
        if (variables.Count > 0)
        {
            body["env"] = variables;
        }

        return body;
    }

    /// <summary>The members that have a value.</summary>
    private static JsonObject BodyOf(params (string Name, string? Value)[] members)
    {
        var body = new JsonObject();
        foreach (var (name, value) in members.Where(member => member.Value is { Length: > 0 }))
        {
            body[name] = value;
        }

        return body;
    }

    private Command Logs()
    {
        var job = line.Job();
        var run = new Argument<string>("run")
        {
            Description = "The run's id; without it the latest run", Arity = ArgumentArity.ZeroOrOne, DefaultValueFactory = _ => "",
        };
        var follow = CommandLine.Flag("--follow", "Go on printing until the run has ended", "-f");
        var raw = CommandLine.Flag("--raw", "Print control characters as they are");
        return line.Make("logs", "Prints the output of a run", async call =>
        {
            var name = call.Of(job);
            var runId = call.Of(run) is { Length: > 0 } given ? given : await FindLatestAsync(call, name);
            var path = ApiClient.Path("runs", name, runId, "output");
            if (call.Of(follow))
            {
                return await new Follower(call, path, call.Of(raw)).RunAsync();
            }

            using var answer = await call.Api.OpenAsync(path, call.Cancel);
            await call.Terminal.CopyAsync(await answer.Content.ReadAsStreamAsync(call.Cancel), call.Of(raw), call.Cancel);
            return ExitCodes.Done;
        }, job, run, follow, raw);
    }

    private static async Task<string> FindLatestAsync(CommandCall call, string job)
    {
        var escaped = job.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal);
        var quoted = $"job:\"{escaped}\"";
        foreach (var (filter, list) in new[] { ($"{quoted} state:running", "unended"), (quoted, "runs") })
        {
            var page = await call.Api.GetAsync(ApiClient.Query(ApiClient.Path("runs"), ("filter", filter), ("limit", "1")), call.Cancel);
            if (page.List(list).FirstOrDefault() is { } run)
            {
                return RunIdOf(run, job);
            }
        }

        throw new CommandFailure(ExitCodes.Refused, $"job \"{Display.Line(job)}\" has not run, or its records are gone");
    }

    private static string RunIdOf(JsonNode run, string job)
    {
        if (run.Text("runId") is { Length: > 0 } given)
        {
            return given;
        }

        var (id, owner) = (run.Text("_id"), run.Text("jobName") is { Length: > 0 } name ? name : job);
        return id.Length > owner.Length + 1 && id.StartsWith($"{owner}/", StringComparison.Ordinal)
            ? id[(owner.Length + 1)..]
            : throw new CommandFailure(
                ExitCodes.Refused,
                $"the latest run of job \"{Display.Line(job)}\" is a record of the original system; its output cannot be read here");
    }

    private Command Kill()
    {
        var job = line.Job();
        var run = CommandLine.Text("--run", "Only this run; without it all runs of the job");
        run.Validators.Add(given =>
        {
            if (given.Tokens is [{ Value: "" }])
            {
                given.AddError("--run is \"\"; expected a run's id; without --run all runs of the job are killed");
            }
        });
        var reason = CommandLine.Text("--reason", "Why; the run's record keeps it");
        return line.Make("kill", "Ends the runs of a job", async call =>
        {
            using var content = ApiClient.Json(BodyOf(("runId", call.Of(run)), ("reason", call.Of(reason))));
            var answer = await call.Api.SendAsync(HttpMethod.Post, ApiClient.Path("jobs", call.Of(job), "kill"), content, call.Cancel);
            return call.Print(answer, () =>
            {
                var (running, cancelled) = (answer.Texts("running").ToList(), answer.Texts("cancelled").ToList());
                call.Terminal.Line($"{running.Count} runs are asked to end, {cancelled.Count} are cancelled in the queue");
                running.Concat(cancelled).ToList().ForEach(call.Terminal.Line);
            });
        }, job, run, reason);
    }

    private Command Ledger()
    {
        var job = line.Job();
        var from = CommandLine.Text("--from", $"The start of the span, {Time}; without it the day before its end");
        var to = CommandLine.Text("--to", "The end of the span; without it now");
        return line.Make("ledger", AboutLedger, async call =>
        {
            var faults = 0;
            var after = "";
            do
            {
                var page = await call.Api.GetAsync(
                    ApiClient.Query(
                        ApiClient.Path("jobs", call.Of(job), "ledger"), ("from", call.Of(from)), ("to", call.Of(to)), ("after", after)),
                    call.Cancel);
                faults += page.List("lines").Count(fire => fire.Text("fault").Length > 0);
                call.Print(page, () =>
                {
                    foreach (var fire in page.List("lines"))
                    {
                        call.Terminal.Line(Describe(fire));
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
