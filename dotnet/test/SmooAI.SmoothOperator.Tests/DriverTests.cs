using System.Buffers.Binary;
using System.Diagnostics;
using System.Text.Json.Nodes;
using SmooAI.SmoothOperator.Testing;

namespace SmooAI.SmoothOperator.Tests;

/// <summary>The conformance driver over its pipes, against a server that the test plays.</summary>
public sealed class DriverTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task ATurnIsIteratedAndAwaitedAndExitEndsTheProcess()
    {
        await using var server = FakeServer.Start(
            static async connection =>
            {
                var id = (await connection.ReceiveAsync<SendMessageParams>()).RequestId!;
                await connection.TokenAsync(id, "Hi.");
                await connection.SendTextAsync("""{"type":"mood","requestId":"t1","timestamp":1,"how":"good"}""");
                await connection.FinishAsync(id, "Hi.");
                await connection.SendTextAsync("""{"type":"mood","timestamp":1,"how":"bad"}""");
                await connection.UntilClosedAsync();
            },
            static token => token == "t");
        using var driver = await Driver.StartAsync(server);
        driver.Tell($$"""{"do":"start_turn","id":3,"client":"alice","turn":"t1","params":{"sessionId":"s","message":"Hello?","requestId":"t1"},"read":"both"}""");
        var reports = await driver.ReportsAsync(6);
        // What belongs to no turn may be told before it.
        var started = reports.First(static report => Text(report, "saw") != "stray_event");
        Assert.Equal("started", Text(started, "saw"));
        Assert.Equal("t1", Text(started, "requestId"));
        var events = reports.Where(static report => Text(report, "saw") == "turn_event").ToList();
        Assert.Equal(["stream_token", "mood", "eventual_response"], events.Select(static report => Text(report["event"]!, "type")));
        Assert.Equal([true, false, true], events.Select(static report => (bool)report["known"]!));
        var ended = reports.Single(static report => Text(report, "saw") == "turn_ended");
        Assert.Equal("Hi.", Text(ended, "text"));
        Assert.Equal(3, (int)ended["events"]!);
        Assert.Equal("Hi.", Text(ended["result"]!["response"]!["responseParts"]!, 0));
        Assert.Equal("bad", Text(reports.Single(static report => Text(report, "saw") == "stray_event")["event"]!, "how"));
        driver.Tell("""{"do":"exit","id":9}""");
        Assert.Equal("""{"saw":"done","id":9}""", (await driver.ReportsAsync(1))[0].ToJsonString());
        await driver.EndsAsync();
    }

    [Fact]
    public async Task ErrorsAreToldAndTheEndOfTheInputEndsTheProcess()
    {
        await using var server = FakeServer.Start(static async connection =>
        {
            var session = await connection.ReceiveAsync<GetSessionParams>();
            await connection.ErrorAsync(session.RequestId, ErrorCode.SessionNotFound, "none");
            await connection.ReceiveAsync<SendMessageParams>();
            await connection.UntilClosedAsync();
        });
        using var driver = await Driver.StartAsync(server);
        driver.Tell("""{"do":"call","id":2,"client":"alice","action":"get_session","params":{}}""");
        Assert.Equal("/sessionId", Text((await driver.ReportsAsync(1))[0]["error"]!, "field"));
        driver.Tell("""{"do":"decode","id":3,"text":"{\"type\":\"pong\",\"timestamp\":1,\"data\":{\"timestamp\":\"1\"}}"}""");
        Assert.Equal("/data/timestamp", Text((await driver.ReportsAsync(1))[0]["error"]!, "field"));
        driver.Tell("""{"do":"cancel_turn","id":4,"turn":"t9"}""");
        Assert.Equal("""{"saw":"broken","id":4,"message":"no turn named t9"}""", (await driver.ReportsAsync(1))[0].ToJsonString());
        driver.Tell("""{"do":"call","id":5,"client":"alice","action":"get_session","params":{"sessionId":"none"}}""");
        var failed = (await driver.ReportsAsync(1))[0];
        Assert.Equal("server SESSION_NOT_FOUND", $"{failed["error"]!["kind"]} {failed["error"]!["code"]}");

        driver.Tell("""{"do":"start_turn","id":6,"client":"alice","turn":"t1","params":{"sessionId":"s","message":"m"},"read":"neither"}""");
        Assert.Equal("started", Text((await driver.ReportsAsync(1))[0], "saw"));
        driver.Tell("""{"do":"abandon_turn","id":7,"turn":"t1"}""");
        var left = await driver.ReportsAsync(2);
        Assert.Equal(["turn_ended", "done"], left.Select(static report => Text(report, "saw")));
        Assert.Equal("abandoned", Text(left[0]["error"]!, "kind"));
        driver.Close();
        await driver.EndsAsync();
    }

    private static string Text(JsonNode report, string key) => report[key]!.GetValue<string>();

    private static string Text(JsonNode list, int index) => list[index]!.GetValue<string>();

    private sealed class Driver : IDisposable
    {
        private readonly Process _process;
        private readonly CancellationTokenSource _late = new(Patience);

        private Driver(Process process) => _process = process;

        public static async Task<Driver> StartAsync(FakeServer server)
        {
            var start = new ProcessStartInfo("dotnet") { RedirectStandardInput = true, RedirectStandardOutput = true };
            start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "SmooAI.SmoothOperator.Conformance.dll"));
            var driver = new Driver(Process.Start(start)!);
            Assert.Equal("ready", Text((await driver.ReportsAsync(1))[0], "saw"));
            driver.Tell($$"""{"do":"open","id":1,"client":"alice","url":"{{server.Url}}","tokens":["t"],"tokenBy":"subprotocol"}""");
            Assert.Equal("""{"saw":"done","id":1}""", (await driver.ReportsAsync(1))[0].ToJsonString());
            return driver;
        }

        public void Tell(string command)
        {
            var body = System.Text.Encoding.UTF8.GetBytes(command);
            var frame = new byte[4 + body.Length];
            BinaryPrimitives.WriteInt32BigEndian(frame, body.Length);
            body.CopyTo(frame, 4);
            _process.StandardInput.BaseStream.Write(frame);
            _process.StandardInput.BaseStream.Flush();
        }

        public async Task<List<JsonNode>> ReportsAsync(int count)
        {
            var reports = new List<JsonNode>();
            while (reports.Count < count)
            {
                var length = new byte[4];
                await _process.StandardOutput.BaseStream.ReadExactlyAsync(length, _late.Token);
                var body = new byte[BinaryPrimitives.ReadInt32BigEndian(length)];
                await _process.StandardOutput.BaseStream.ReadExactlyAsync(body, _late.Token);
                reports.Add(JsonNode.Parse(body)!);
            }

            return reports;
        }

        public void Close() => _process.StandardInput.Close();

        /// <summary>Checks that nothing more is said and that the process ends well.</summary>
        public async Task EndsAsync()
        {
            Assert.Equal(0, await _process.StandardOutput.BaseStream.ReadAsync(new byte[1], _late.Token));
            await _process.WaitForExitAsync(_late.Token);
            Assert.Equal(0, _process.ExitCode);
        }

        public void Dispose()
        {
            if (!_process.HasExited)
            {
                _process.Kill();
            }

            _process.Dispose();
            _late.Dispose();
        }
    }
}
