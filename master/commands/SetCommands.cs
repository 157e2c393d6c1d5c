using System.CommandLine;
using System.Text.Json.Nodes;
using Dts.Common.Hosting;

namespace Dts.Master.Commands;

/// <summary>Commands about many jobs at once.</summary>
internal sealed class SetCommands(CommandLine line)
{
    private static readonly TimeSpan AppliesWithin = TimeSpan.FromMinutes(2);

    public IEnumerable<Command> All => [Import(), Apply(), Export()];

    private Command Import()
    {
        var file = new Argument<string>("file") { Description = "A crontab; - is standard input", DefaultValueFactory = _ => "-" };
        var dryRun = CommandLine.Flag("--dry-run", "Print what would be imported, and save nothing");
        var format = CommandLine.Text("--format", "user, or system (with a user in each line); without it detected");
        var user = CommandLine.Text("--user", "The user that the commands run as");
        var prefix = CommandLine.Text("--prefix", "A prefix for the names of the jobs");
        var label = CommandLine.Texts("--label", "KEY=VALUE for all jobs; may be repeated", "-l");
        var paused = CommandLine.Flag("--paused", "Save the jobs paused");
        var replace = CommandLine.Flag("--replace", "Replace existing jobs that differ");
        return line.Make("import", "Imports a crontab", async call =>
        {
            var path = ApiClient.Query(
                ApiClient.Path("import"),
                [
                    ("format", call.Of(format)),
                    ("user", call.Of(user)),
                    ("prefix", call.Of(prefix)),
                    ("paused", Flag(call.Of(paused))),
                    ("replace", Flag(call.Of(replace))),
                    ("dryRun", Flag(call.Of(dryRun))),
                    .. call.Of(label)!.Select(text => ("label", (string?)text)),
                ]);
            using var body = ApiClient.Bytes(await call.Terminal.ReadFileAsync(call.Of(file), call.Cancel), "text/plain");
            var answer = await call.Api.SendAsync(HttpMethod.Post, path, body, call.Cancel, AppliesWithin);
            return call.Print(answer, () => ShowImport(call.Terminal, answer));
        }, file, dryRun, format, user, prefix, label, paused, replace);
    }

    private static void ShowImport(Terminal terminal, JsonNode answer)
    {
        foreach (var read in answer.List("lines"))
        {
            terminal.Line($"line {read.Text("line")}: " + read.Text("kind") switch
            {
                "job" => $"{read.Line("change")} {read.Line("name")}: {read.Text("words")}",
                "variable" => $"variable {read.Line("name")}",
                "disabled" => "is commented out, and not imported",
                _ => $"refused: {read.Text("reason")}",
            });
            ShowMembers(terminal, read);
            foreach (var note in read.Texts("notes"))
            {
                terminal.Line($"    {note}");
            }
        }

        foreach (var note in answer.Texts("notes"))
        {
            terminal.Line($"note: {note}");
        }

        ShowCounts(terminal, answer, "created", "changed", "unchanged", "refused");
    }

    private Command Apply()
    {
        var files = new Argument<string[]>("file")
        {
            Description = "Files with jobs as JSON or YAML; - is standard input", Arity = ArgumentArity.OneOrMore,
        };
        var dryRun = CommandLine.Flag("--dry-run", "Print the plan, and change nothing");
        var prune = CommandLine.Text("--prune", "label:KEY=VALUE: delete jobs with this label that are not in the files");
        var lenient = CommandLine.Flag("--lenient", "Keep unknown members");
        return line.Make("apply", "Makes the jobs match files: all changes, or none", async call =>
        {
            var path = ApiClient.Query(
                ApiClient.Path("apply"),
                ("prune", call.Of(prune)),
                ("lenient", Flag(call.Of(lenient))),
                ("dryRun", Flag(call.Of(dryRun))));
            using var body = ApiClient.Json(await ReadAsync(call, call.Of(files)));
            var answer = await call.Api.SendAsync(HttpMethod.Post, path, body, call.Cancel, AppliesWithin);
            return call.Print(answer, () => ShowPlan(call.Terminal, answer));
        }, files, dryRun, prune, lenient);
    }

    private static async Task<JsonArray> ReadAsync(CommandCall call, string[] files)
    {
        var set = new JsonArray();
        foreach (var file in files)
        {
            try
            {
                foreach (var wanted in Crontab.JobSet.Read(await call.Terminal.ReadFileAsync(file, call.Cancel), ""))
                {
                    set.Add(wanted.Members?.DeepClone()
                        ?? throw new CommandFailure(ExitCodes.Refused, $"{file}, {wanted.Place}: {wanted.Fault}"));
                }
            }
            catch (FormatException wrong)
            {
                throw new CommandFailure(ExitCodes.Refused, $"{file}: {wrong.Message}");
            }
        }

        return set;
    }

    private static void ShowPlan(Terminal terminal, JsonNode answer)
    {
        foreach (var job in answer.List("jobs").Where(job => job.Text("change") != "unchanged"))
        {
            terminal.Line($"{job.Line("change")} {job.Line("name")}");
            ShowMembers(terminal, job);
            foreach (var warning in job.Texts("warnings"))
            {
                terminal.Line($"    warning: {warning}");
            }
        }

        ShowCounts(terminal, answer, "created", "changed", "deleted", "unchanged");
    }

    private static void ShowMembers(Terminal terminal, JsonNode? job)
    {
        foreach (var change in job.List("members"))
        {
            terminal.Line($"    {change.Line("member")}: {Compact(change?["was"])} -> {Compact(change?["is"])}");
        }
    }

    private static string Compact(JsonNode? value) => Display.Line(value?.ToJsonString(Answers.Compact) ?? "-");

    private static void ShowCounts(Terminal terminal, JsonNode answer, params IEnumerable<string> counts) => terminal.Line(
        (answer.Text("dryRun") == "true" ? "dry run, nothing was changed: " : "")
            + string.Join(", ", counts.Select(count => $"{answer.Text(count)} {count}")));

    private Command Export()
    {
        var format = CommandLine.Text("--format", "json, yaml or crontab", "json");
        format.AcceptOnlyFromAmong("json", "yaml", "crontab");
        var label = CommandLine.Text("--label", "KEY=VALUE: only jobs with this label", "", "-l");
        return line.Make("export", "Prints all jobs as JSON, YAML or a crontab", async call =>
        {
            call.Terminal.Write(
                await call.Api.GetTextAsync(
                    ApiClient.Query(ApiClient.Path("export"), ("format", call.Of(format)), ("label", call.Of(label))), call.Cancel),
                isRaw: false);
            return ExitCodes.Done;
        }, format, label);
    }

    private static string? Flag(bool isSet) => isSet ? "true" : null;
}
