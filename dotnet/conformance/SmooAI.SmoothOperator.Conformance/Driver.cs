using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace SmooAI.SmoothOperator.Conformance;

/// <summary>
/// Carries out the harness's commands by the public client and reports what a caller sees. It knows no scenario and
/// judges nothing.
/// </summary>
internal sealed class Driver(Stream input, Stream output)
{
    /// <summary>The longest frame in bytes, without its length.</summary>
    private const uint FrameLimit = 16 << 20;

    private readonly object _writing = new();
    private readonly ConcurrentDictionary<string, SmoothAgentClient> _clients = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, Follower> _turns = new(StringComparer.Ordinal);
    private readonly ConcurrentBag<Task> _tasks = [];

    /// <summary>Obeys commands until exit or the end of the input.</summary>
    public async Task RunAsync()
    {
        var version = typeof(SmoothAgentClient).Assembly.GetName().Version?.ToString(3);
        Report(new ReadyReport { Language = "csharp", Client = $"SmooAI.SmoothOperator {version}" });
        while (await ReadAsync().ConfigureAwait(false) is { } command)
        {
            if (command is ExitCommand)
            {
                await EndAsync().ConfigureAwait(false);
                Report(new DoneReport { Id = command.GetId() ?? 0 });
                return;
            }

            // It runs here up to its first wait, and then beside those that follow.
            _tasks.Add(CarryOutAsync(command));
        }

        await EndAsync().ConfigureAwait(false);
    }

    /// <summary>Writes a report whole.</summary>
    public void Report(Report report)
    {
        var body = Encoding.UTF8.GetBytes(report.ToJson());
        var frame = new byte[4 + body.Length];
        BinaryPrimitives.WriteUInt32BigEndian(frame, (uint)body.Length);
        body.CopyTo(frame, 4);
        lock (_writing)
        {
            output.Write(frame);
            output.Flush();
        }
    }

    /// <summary>Reports what a call returned, or why it failed.</summary>
    public async Task AnswerAsync(uint id, Func<Task<JsonElement>> call)
    {
        try
        {
            var reply = await call().ConfigureAwait(false);
            Report(new RepliedReport { Id = id, Reply = reply });
        }
        catch (Exception error) when (error is SmoothOperatorException or JsonException or OperationCanceledException)
        {
            Report(new FailedReport { Id = id, Error = Errors.Seen(error) });
        }
    }

    /// <summary>An event as the generated code encodes it.</summary>
    public static JsonObject Encoded(ServerEvent serverEvent) => JsonNode.Parse(serverEvent.ToJson())!.AsObject();

    private async Task<Command?> ReadAsync()
    {
        var length = new byte[4];
        var read = await input.ReadAtLeastAsync(length, 4, throwOnEndOfStream: false).ConfigureAwait(false);
        if (read == 0)
        {
            return null;
        }

        var size = BinaryPrimitives.ReadUInt32BigEndian(length);
        if (read < 4 || size > FrameLimit)
        {
            throw new InvalidDataException($"a frame of {size} bytes, of whose length {read} bytes came; the limit is {FrameLimit}");
        }

        var frame = new byte[size];
        await input.ReadExactlyAsync(frame).ConfigureAwait(false);
        return Command.FromJson(frame);
    }

    private async Task CarryOutAsync(Command command)
    {
        try
        {
            await (command switch
            {
                OpenCommand open => OpenAsync(open),
                CallCommand call => AnswerAsync(call.Id, () => Calls.CallAsync(Within(Client(call.Client), call.Timeouts), call.Action, call.Params)),
                DecodeCommand decode => AnswerAsync(decode.Id, () => Task.FromResult(Calls.Decode(decode.Text))),
                StartTurnCommand start => StartTurnAsync(start),
                AnswerParkCommand answer => AnswerAsync(answer.Id, () => Turn(answer.Turn).AnswerAsync(answer.Answer)),
                CancelTurnCommand cancel => DoneAsync(cancel.Id, () => Turn(cancel.Turn).CancelAsync()),
                AbandonTurnCommand abandon => DoneAsync(abandon.Id, () => Turn(abandon.Turn).AbandonAsync()),
                PauseReadingCommand pause => DoneAsync(pause.Id, () => Turn(pause.Turn).Pause()),
                GoOnCommand goOn => DoneAsync(goOn.Id, () => Turn(goOn.Turn).GoOn()),
                CloseCommand close => DoneAsync(close.Id, () => Client(close.Client).DisposeAsync().AsTask()),
                _ => throw new InvalidOperationException($"the command {command.Tag} is not known"),
            }).ConfigureAwait(false);
        }
        catch (InvalidOperationException error)
        {
            Report(new BrokenReport { Id = command.GetId(), Message = error.Message });
        }
    }

    private async Task DoneAsync(uint id, Func<Task> work)
    {
        try
        {
            await work().ConfigureAwait(false);
            Report(new DoneReport { Id = id });
        }
        catch (SmoothOperatorException error)
        {
            Report(new FailedReport { Id = id, Error = Errors.Seen(error) });
        }
    }

    private async Task OpenAsync(OpenCommand open)
    {
        var usual = new SmoothAgentOptions { Url = new Uri(open.Url) };
        var client = new SmoothAgentClient(usual with
        {
            TokenProvider = Tokens(open.Tokens),
            TokenInSubprotocol = open.TokenBy == TokenBy.Subprotocol,
            Heartbeat = Milliseconds(open.HeartbeatMs) ?? usual.Heartbeat,
            ConnectTimeout = Milliseconds(open.Timeouts?.ConnectMs) ?? usual.ConnectTimeout,
            RequestTimeout = Milliseconds(open.Timeouts?.RequestMs) ?? usual.RequestTimeout,
            IdleTimeout = Milliseconds(open.Timeouts?.IdleMs) ?? usual.IdleTimeout,
            TurnTimeout = Milliseconds(open.Timeouts?.TurnMs) ?? usual.TurnTimeout,
            OnEvent = it => Report(new StrayEventReport { Client = open.Client, Event = Encoded(it), Known = it is not UnknownEvent }),
        });
        await DoneAsync(open.Id, async () =>
        {
            await client.ConnectAsync().ConfigureAwait(false);
            _clients[open.Client] = client;
        }).ConfigureAwait(false);
    }

    /// <summary>One token as it is; several one after the other, one for each connection, and the last for all that follow.</summary>
    private static Func<CancellationToken, ValueTask<string>>? Tokens(IReadOnlyList<string>? tokens)
    {
        if (tokens is null or [_])
        {
            return tokens is null ? null : SmoothAgentOptions.StaticToken(tokens[0]);
        }

        var next = -1;
        return _ => ValueTask.FromResult(tokens[Math.Min(Interlocked.Increment(ref next), tokens.Count - 1)]);
    }

    private async Task StartTurnAsync(StartTurnCommand start)
    {
        Turn turn;
        try
        {
            var parameters = (SendMessageParams)Calls.Typed("send_message", start.Params);
            var limits = new TurnOptions { IdleTimeout = Milliseconds(start.Timeouts?.IdleMs), TurnTimeout = Milliseconds(start.Timeouts?.TurnMs) };
            turn = Within(Client(start.Client), start.Timeouts).SendMessage(parameters, limits);
        }
        catch (JsonException error)
        {
            Report(new FailedReport { Id = start.Id, Error = Errors.Seen(error) });
            return;
        }

        var follower = new Follower(this, turn, start);
        _turns[start.Turn] = follower;
        Report(new StartedReport { Id = start.Id, RequestId = turn.RequestId });
        await follower.FollowAsync().ConfigureAwait(false);
    }

    private SmoothAgentClient Client(string name) =>
        _clients.GetValueOrDefault(name) ?? throw new InvalidOperationException($"no client named {name}");

    private Follower Turn(string name) =>
        _turns.GetValueOrDefault(name) ?? throw new InvalidOperationException($"no turn named {name}");

    private static SmoothAgentClient Within(SmoothAgentClient client, Timeouts? timeouts) =>
        client.WithTimeouts(Milliseconds(timeouts?.ConnectMs), Milliseconds(timeouts?.RequestMs));

    private static TimeSpan? Milliseconds(uint? said) => said is { } milliseconds ? TimeSpan.FromMilliseconds(milliseconds) : null;

    /// <summary>Closes every client and waits until everything that they end has been told.</summary>
    private async Task EndAsync()
    {
        foreach (var client in _clients.Values)
        {
            await client.DisposeAsync().ConfigureAwait(false);
        }

        foreach (var turn in _turns.Values)
        {
            await turn.GoOn().ConfigureAwait(false);
        }

        await Task.WhenAll(_tasks).ConfigureAwait(false);
    }
}
