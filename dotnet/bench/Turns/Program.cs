using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Turns;

// What many turns over one socket cost, by the client or by a plain read loop, as `cargo xtask bench clients` asks.
// Prints one line of JSON.
const int ShortAtOnce = 64;
const int LongAtOnce = 8;
const int Unmeasured = 10;

// The runtime compiles what is called often anew, up to twice and in the background. A program that has run for a while
// is measured: before, it is chance how much of a figure is the compiling, and how much is code that is still slow.
var settled = TimeSpan.FromSeconds(6);

var mode = Flag("--mode");
var (turns, longTurns, open, decodes) = (Count("--turns"), Count("--long"), Count("--open"), Count("--decodes"));
Func<Uri, Task<ISide>> connect = mode == "plain" ? PlainSide.ConnectAsync : ClientSide.ConnectAsync;
Action<byte[]> decode = mode == "plain" ? PlainSide.Decode : ClientSide.Decode;

await using var busy = await connect(new Uri(Flag("--url")));
await SettleAsync(busy);
var (start, cpu) = (Stopwatch.GetTimestamp(), Cpu());
await busy.TurnsAsync("tokens=20", turns, ShortAtOnce);
var (turnsSeconds, turnsCpuSeconds) = (Stopwatch.GetElapsedTime(start).TotalSeconds, Cpu() - cpu);

cpu = Cpu();
await busy.TurnsAsync("tokens=500", longTurns, LongAtOnce);
var tokensCpuSeconds = Cpu() - cpu;

await using var idle = await connect(new Uri(Flag("--hold")));
await idle.OpenAsync(ShortAtOnce);
var before = GC.GetTotalMemory(true);
await idle.OpenAsync(open);
var openTurnBytes = (GC.GetTotalMemory(true) - before) / (double)Math.Max(1, open);

var line = new JsonObject
{
    ["language"] = "csharp",
    ["mode"] = mode,
    ["turns"] = turns,
    ["turnsSeconds"] = turnsSeconds,
    ["turnsCpuSeconds"] = turnsCpuSeconds,
    ["tokens"] = 500 * longTurns,
    ["tokensCpuSeconds"] = tokensCpuSeconds,
    ["openTurns"] = open,
    ["openTurnBytes"] = openTurnBytes,
    ["decodeMicros"] = DecodeMicros(),
};
Console.WriteLine(line.ToJsonString());

async Task SettleAsync(ISide side)
{
    for (var began = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(began) < settled;)
    {
        await side.TurnsAsync("tokens=20", 8 * ShortAtOnce, ShortAtOnce);
        await side.TurnsAsync("tokens=500", 2 * LongAtOnce, LongAtOnce);

        // The compiling begins when nothing new has been called for 100 ms, and needs a processor.
        await Task.Delay(250);
    }
}

double DecodeMicros()
{
    var text = string.Concat(Enumerable.Range(0, 500).Select(static n => $"w{n} "));
    var frames = Enumerable.Range(0, 500)
        .Select(static n => $$$"""{"type":"stream_token","requestId":"r","timestamp":0,"token":"w{{{n}}} ","data":{"requestId":"r","token":"w{{{n}}} "}}""")
        .Append($$$$"""{"type":"eventual_response","requestId":"r","timestamp":0,"status":200,"data":{"requestId":"r","status":200,"data":{"messageId":"m","response":{"responseParts":["{{{{text}}}}"],"customerHappinessScore":0.5,"needsSatisfactionScore":0.5,"requestSummary":"","resolutionStatus":"in_progress","suggestedNextActions":[]},"needsEscalation":false}}}""")
        .Select(Encoding.UTF8.GetBytes)
        .ToArray();
    var micros = new List<double>();
    for (var n = 0; n < Unmeasured + Math.Max(1, decodes); n++)
    {
        var began = Stopwatch.GetTimestamp();
        foreach (var frame in frames)
        {
            decode(frame);
        }

        micros.Add(Stopwatch.GetElapsedTime(began).TotalMicroseconds);
    }

    return micros.Skip(Unmeasured).Order().ElementAt((micros.Count - Unmeasured) / 2);
}

static double Cpu() => Environment.CpuUsage.TotalTime.TotalSeconds;

string Flag(string name)
{
    var at = Array.IndexOf(args, name);
    return at >= 0 && at + 1 < args.Length ? args[at + 1] : throw new ArgumentException($"{name} is missing");
}

int Count(string name) => int.Parse(Flag(name), CultureInfo.InvariantCulture);
