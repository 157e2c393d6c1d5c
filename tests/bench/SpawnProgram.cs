using System.Diagnostics;
using System.Globalization;
using Dts.Tests.Support;

namespace Dts.Bench;

/// <summary>A C program that starts shells with posix_spawn as fast as this machine can. It is compiled when it is needed.</summary>
internal sealed class SpawnProgram
{
    private const string Source = """
        #include <spawn.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <sys/time.h>
        #include <sys/wait.h>
        extern char **environ;
        static double now(void) { struct timeval t; gettimeofday(&t, 0); return t.tv_sec + t.tv_usec / 1e6; }
        static void start(char *command)
        {
            char *arguments[] = { "/bin/bash", "-c", command, 0 };
            pid_t pid;
            if (posix_spawn(&pid, arguments[0], 0, 0, arguments, environ) != 0) { perror("posix_spawn"); exit(1); }
        }
        /* burst COUNT COMMAND: starts all, one after the other.
           rate SECONDS PARALLEL COMMAND: keeps so many running; prints how many a second ended. */
        int main(int count, char **arguments)
        {
            double begin = now();
            char text[40];
            snprintf(text, sizeof text, "%.6f", begin);
            setenv("DTS_PLAN_TIME", text, 1);
            if (count == 4)
            {
                for (int n = atoi(arguments[2]); n > 0; n--) start(arguments[3]);
                while (wait(0) > 0);
                return 0;
            }
            double end = begin + atof(arguments[2]);
            long ended = 0;
            for (int n = atoi(arguments[3]); n > 0; n--) start(arguments[4]);
            while (wait(0) > 0)
            {
                ended++;
                if (now() < end) start(arguments[4]);
            }
            printf("%f\n", ended / (now() - begin));
            return 0;
        }
        """;

    private readonly string _program;

    private SpawnProgram(string program) => _program = program;

    public static async Task<SpawnProgram> CompileAsync(string folder)
    {
        var (source, program) = (Path.Combine(folder, "spawn.c"), Path.Combine(folder, "spawn"));
        await File.WriteAllTextAsync(source, Source);
        await Tool.RunAsync("cc", "-O2", "-o", program, source);
        return new SpawnProgram(program);
    }

    /// <summary>Starts so many commands, one after the other, and waits for their ends.</summary>
    public Task BurstAsync(int count, string command) => RunAsync("burst", $"{count}", command);

    /// <summary>The commands that start and end in a second when so many run at a time.</summary>
    public async Task<double> RateAsync(int seconds, int parallel, string command) =>
        double.Parse(await RunAsync("rate", $"{seconds}", $"{parallel}", command), CultureInfo.InvariantCulture);

    private async Task<string> RunAsync(params string[] arguments)
    {
        var start = new ProcessStartInfo(_program, arguments) { RedirectStandardOutput = true };
        start.Environment.Clear(); // The commands of DTS have a small one as well.
        start.Environment["PATH"] = "/usr/bin:/bin";
        using var process = Process.Start(start)!;
        var output = await process.StandardOutput.ReadToEndAsync().WaitAsync(Patience.Limit);
        await process.WaitForExitAsync().WaitAsync(Patience.Limit);
        return process.ExitCode == 0 ? output : throw new InvalidOperationException($"{_program} ended with {process.ExitCode}");
    }
}
