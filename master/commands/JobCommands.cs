using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Dts.Common.Hosting;
using Dts.Master.Crontab;

namespace Dts.Master.Commands;

/// <summary>Commands about the definitions of jobs.</summary>
internal sealed class JobCommands(CommandLine line)
{
    private const int PageMax = 500;

    public IEnumerable<Command> All => [Ls(), Get(), Save(), Switch("pause", false), Switch("resume", true), Next()];

    private Command Ls()
    {
        var filter = new Argument<string[]>("filter")
        {
            Description = "The jobs, such as state:failing label:team=pay backup; without it all",
            Arity = ArgumentArity.ZeroOrMore,
            DefaultValueFactory = _ => [],
        };
        var sort = CommandLine.Text("--sort", "name, next, last or state; -next reverses the order", "name");
        var limit = CommandLine.Number("--limit", "The most jobs to list", 100, "-n");
        return line.Make("ls", "Lists jobs: state, schedule, last and next run", call => LsAsync(
            call, string.Join(' ', call.Of(filter)), call.Of(sort)!, call.Of(limit)), filter, sort, limit);
    }

    private static async Task<int> LsAsync(CommandCall call, string filter, string sort, int limit)
    {
        List<JsonNode?> rows = [];
        JsonNode page;
        var after = "";
        do
        {
            var size = Math.Clamp(limit - rows.Count, 1, PageMax).ToString(CultureInfo.InvariantCulture);
            page = await call.Api.GetAsync(
                ApiClient.Query(ApiClient.Path("jobs"), ("filter", filter), ("sort", sort), ("limit", size), ("after", after)),
                call.Cancel);
            rows.AddRange(page.List("jobs"));
            after = page.Text("next");
        }
        while (after.Length > 0 && rows.Count < limit);

        var answer = new JsonObject
        {
            ["jobs"] = new JsonArray([.. rows.Select(row => row?.DeepClone())]), ["total"] = page["total"]?.DeepClone(),
        };
        return call.Print(answer, () =>
        {
            call.Terminal.Table([["JOB", "STATE", "LAST", "NEXT", "SCHEDULE"], .. rows.Select(Row)]);
            if (after.Length > 0)
            {
                call.Terminal.Note($"{rows.Count} of {page.Text("total")} jobs; --limit lists more");
            }
        });
    }

    private static string[] Row(JsonNode? job)
    {
        var last = job?["last"];
        var ended = last is null ? "-" : $"{last.Line("ending")} {last.Line("startedAt")}".Trim();
        var words = job.Text("words") is { Length: > 0 } text ? text : job.Text("cronExpr");
        return [job.Line("name"), job.Line("state"), ended, job.Line("next") is { Length: > 0 } next ? next : "-", Display.Line(words)];
    }

    private Command Get()
    {
        var job = line.Job();
        return line.Make("get", "Prints a job's definition", async call =>
        {
            var found = await call.Api.GetAsync(ApiClient.Path("jobs", call.Of(job)), call.Cancel);
            return call.Print(found, () => call.Terminal.Line(found.ToJsonString(Answers.Indented)));
        }, job);
    }

    private Command Save()
    {
        var file = new Argument<string>("file") { Description = "A file with one job as JSON or YAML; - is standard input" };
        var create = CommandLine.Flag("--create", "Refuse if the job exists");
        var revision = CommandLine.Text("--if-match", "Refuse if the job has another revision");
        var lenient = CommandLine.Flag("--lenient", "Keep unknown members");
        var dryRun = CommandLine.Flag("--dry-run", "Check it, and save nothing");
        return line.Make("save", "Creates or replaces a job", async call =>
        {
            var (name, members) = ReadOne(await call.Terminal.ReadFileAsync(call.Of(file), call.Cancel));
            List<(string, string)> headers = [];
            if (call.Of(create))
            {
                headers.Add(("If-None-Match", "*"));
            }

            if (call.Of(revision) is { Length: > 0 } seen)
            {
                headers.Add(("If-Match", seen.StartsWith('"') ? seen : $"\"{seen}\""));
            }

            var path = ApiClient.Query(
                ApiClient.Path("jobs", name),
                ("lenient", call.Of(lenient) ? "true" : null),
                ("dryRun", call.Of(dryRun) ? "true" : null));
            using var body = ApiClient.Json(members);
            var saved = await call.Api.SendAsync(HttpMethod.Put, path, body, call.Cancel, headers: [.. headers]);
            return call.Print(saved, () =>
            {
                call.Terminal.Line($"{(call.Of(dryRun) ? "would save" : "saved")} {Display.Line(name)}: {saved.Text("words")}");
                call.Terminal.Line($"next: {string.Join(' ', saved.Texts("next"))}");
                foreach (var warning in saved.Texts("warnings"))
                {
                    call.Terminal.Note($"warning: {warning}");
                }
            });
        }, file, create, revision, lenient, dryRun);
    }

    private static (string Name, JsonObject Members) ReadOne(byte[] file)
    {
        try
        {
            return JobSet.Read(file, "") switch
            {
                [{ Members: { } members, Job: { } job }] => (job.Name, members),
                [{ Fault: var fault }] => throw new CommandFailure(ExitCodes.Refused, fault),
                var jobs => throw new CommandFailure(
                    ExitCodes.Refused, $"the file has {jobs.Count} jobs; expected one, or dts-master apply"),
            };
        }
        catch (FormatException wrong)
        {
            throw new CommandFailure(ExitCodes.Refused, wrong.Message);
        }
    }

    private Command Switch(string name, bool enabled)
    {
        var jobs = line.Jobs();
        var does = enabled ? "Resumes paused jobs" : "Pauses jobs: no plan times until they are resumed";
        return line.Make(name, does, async call =>
        {
            foreach (var job in call.Of(jobs))
            {
                var answer = await call.Api.SendAsync(HttpMethod.Post, ApiClient.Path("jobs", job, name), null, call.Cancel);
                call.Print(answer, () => call.Terminal.Line($"{(enabled ? "resumed" : "paused")} {Display.Line(job)}"));
            }

            return ExitCodes.Done;
        }, jobs);
    }

    private Command Next()
    {
        var job = line.Job();
        job.Arity = ArgumentArity.ZeroOrOne;
        job.DefaultValueFactory = _ => "";
        var count = CommandLine.Number("--count", "How many times", 5, "-n");
        var expr = CommandLine.Text("--expr", "A schedule instead of a job's");
        var zone = CommandLine.Text("--zone", "The time zone of --expr (IANA)");
        return line.Make("next", "Prints a job's schedule in words, and its next plan times", async call =>
        {
            var (name, text, id) = (call.Of(job), call.Of(expr)!, call.Of(zone)!);
            if (name.Length == 0 == (text.Length == 0))
            {
                throw new CommandFailure(ExitCodes.Usage, "next needs either a job or --expr");
            }

            if (name.Length > 0)
            {
                var found = await call.Api.GetAsync(ApiClient.Path("jobs", name), call.Cancel);
                (text, id) = (found.Text("cronExpr"), found.Text("timeZone"));
            }

            var n = call.Of(count).ToString(CultureInfo.InvariantCulture);
            var preview = await call.Api.GetAsync(
                ApiClient.Query(ApiClient.Path("schedule", "preview"), ("expr", text), ("zone", id), ("name", name), ("n", n)),
                call.Cancel);
            return call.Print(preview, () =>
            {
                call.Terminal.Line(preview.Text("description"));
                foreach (var time in preview.Texts("next"))
                {
                    call.Terminal.Line(time);
                }

                foreach (var warning in preview.Texts("warnings"))
                {
                    call.Terminal.Note($"warning: {warning}");
                }
            });
        }, job, count, expr, zone);
    }
}
