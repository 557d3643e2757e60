using System.Text;

namespace SmooAI.SmoothOperator.Tests;

/// <summary>Turns and calls without a socket: frames are put in by hand, and the time is set.</summary>
public sealed class TurnTests : IAsyncDisposable
{
    private static readonly WriteConfirmationRequiredEvent Question = new()
    {
        RequestId = "r",
        Timestamp = 1,
        Data = new() { RequestId = "r", Data = new() { ToolId = "refund", ActionDescription = "Refund 5." } },
    };

    private const string TokenFrame = """{"type":"stream_token","requestId":"r","timestamp":1,"token":"x","data":{"requestId":"r","token":"x"}}""";

    private readonly SmoothAgentClient _client = new("ws://127.0.0.1:1/ws");
    private readonly SetTime _time = new();
    private readonly List<ServerEvent> _stray = [];
    private readonly Mux _mux;

    public TurnTests() => _mux = new Mux(_stray.Add);

    public ValueTask DisposeAsync() => _client.DisposeAsync();

    private Turn Begin(TimeSpan turnTimeout, TimeSpan idleTimeout, TimeProvider? time = null)
    {
        var limits = new SmoothAgentOptions { Url = _client.Url, TimeProvider = time ?? _time, TurnTimeout = turnTimeout, IdleTimeout = idleTimeout };
        var turn = new Turn(_client, _mux, new() { RequestId = "r", SessionId = "s", Message = "m" }, limits);
        _mux.Begin(turn);
        turn.Heard();
        return turn;
    }

    private Turn Begin() => Begin(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);

    /// <summary>A frame with others right behind it.</summary>
    private void Receive(string frame) => _mux.Deliver(Encoding.UTF8.GetBytes(frame));

    /// <summary>A frame by itself.</summary>
    private void Deliver(string frame)
    {
        Receive(frame);
        _mux.Flush();
    }

    private void Token() => Deliver(TokenFrame);

    /// <summary>What a reader of the turn need not wait for.</summary>
    private static List<string> Take(Turn turn)
    {
        using var stop = new CancellationTokenSource();
        var events = turn.GetAsyncEnumerator(stop.Token);
        var taken = new List<string>();
        while (events.MoveNextAsync() is { IsCompletedSuccessfully: true, Result: true })
        {
            taken.Add(events.Current.Tag);
        }

        stop.Cancel();
        return taken;
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task NeitherClockRunsWhileTheTurnIsParked(bool ofTheTurn)
    {
        var (limit, none) = (TimeSpan.FromSeconds(10), Timeout.InfiniteTimeSpan);
        var turn = ofTheTurn ? Begin(limit, none) : Begin(none, limit);
        Deliver(Question.ToJson());
        Assert.Equal(Question.Tag, turn.Parked?.Tag);
        Deliver("""{"type":"keepalive","requestId":"r","timestamp":1,"data":{"requestId":"r"}}""");
        Assert.Equal(0, _time.Running);
        _time.Move(TimeSpan.FromHours(1));
        Assert.False(turn.Result.IsCompleted);
        Token();
        Assert.Null(turn.Parked);
        _time.Move(limit + TimeSpan.FromSeconds(1));
        var late = await Assert.ThrowsAsync<TimeLimitException>(async () => await turn);
        Assert.Equal((ofTheTurn ? TimeLimit.Turn : TimeLimit.Idle, "r"), (late.Limit, late.RequestId));
        Assert.Equal(0, _time.Running);
    }

    /// <summary>What the schema says of events to a turn that is parked: nothing but the work that goes on ends the wait.</summary>
    [Theory]
    [InlineData("""{"type":"stream_chunk","requestId":"r","timestamp":1,"node":"refund","data":{"requestId":"r","node":"refund","state":{"rawResponse":{"toolCall":{"name":"refund","arguments":"{}"}}}}}""", true)]
    [InlineData("""{"type":"stream_chunk","requestId":"r","timestamp":1,"node":"refund","data":{"requestId":"r","node":"refund","state":{"rawResponse":{"toolResult":{"name":"refund","isError":false,"result":""}}}}}""", true)]
    [InlineData("""{"type":"otp_sent","requestId":"r","timestamp":1,"data":{"requestId":"r","data":{"channel":"sms","maskedDestination":"*7"}}}""", true)]
    [InlineData("""{"type":"otp_invalid","requestId":"r","timestamp":1,"data":{"requestId":"r","data":{"attemptsRemaining":1,"message":"no"}}}""", true)]
    [InlineData("""{"type":"brand_new","requestId":"r"}""", true)]
    [InlineData("""{"type":"otp_invalid","requestId":"r","timestamp":1,"data":{"requestId":"r","data":{"attemptsRemaining":0,"message":"no"}}}""", false)]
    [InlineData("""{"type":"stream_token","requestId":"r","timestamp":1,"token":"x","data":{"requestId":"r","token":"x"}}""", false)]
    [InlineData("""{"type":"stream_reasoning","requestId":"r","timestamp":1,"token":"x","data":{"requestId":"r","token":"x"}}""", false)]
    [InlineData("""{"type":"otp_verified","requestId":"r","timestamp":1,"data":{"requestId":"r","data":{"message":"ok"}}}""", false)]
    [InlineData("""{"type":"immediate_response","requestId":"r","timestamp":1,"status":200,"message":"ok","data":{}}""", false)]
    [InlineData("""{"type":"cancelled","requestId":"r","timestamp":1,"status":499,"data":{"status":499}}""", false)]
    public void WhatAParkedTurnStaysParkedAfter(string frame, bool staysParked)
    {
        var turn = Begin();
        Deliver(Question.ToJson());
        Deliver(frame);
        Assert.Equal(staysParked, turn.Parked is not null);
        Assert.Empty(_stray);
    }

    [Fact]
    public void AQuestionThatComesBeforeTheSendingIsDoneIsNotForgotten()
    {
        var turn = Begin(TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(10));
        Deliver(Question.ToJson());
        turn.Heard();
        Assert.Equal((Question.Tag, 0), (turn.Parked?.Tag, _time.Running));
    }

    [Fact]
    public async Task AVerdictThatIsTakenLetsTheTurnGoOnAndOneThatIsRefusedDoesNot()
    {
        var turn = Begin();
        Deliver(Question.ToJson());
        var refused = new Call("r", ["immediate_response"]);
        _mux.Begin(refused);
        Deliver("""{"type":"error","requestId":"r","timestamp":1,"error":{"code":"RATE_LIMITED","message":"slow"},"data":{"error":{"code":"RATE_LIMITED","message":"slow"}}}""");
        Assert.IsType<ErrorEvent>((await refused.Task).Event);
        Assert.NotNull(turn.Parked);
        _mux.End(refused);
        var taken = new Call("r", ["immediate_response"]);
        _mux.Begin(taken);
        Deliver("""{"type":"immediate_response","requestId":"r","timestamp":1,"status":200,"message":"ok","data":{}}""");
        Assert.IsType<ImmediateResponseEvent>((await taken.Task).Event);
        Assert.Null(turn.Parked);
        Assert.False(turn.Result.IsCompleted);
        Assert.Empty(_stray);
    }

    /// <summary>Looks at something whenever a clock begins to run.</summary>
    private sealed class WatchedTime(Action look) : TimeProvider
    {
        public override long GetTimestamp()
        {
            look();
            return base.GetTimestamp();
        }
    }

    [Theory]
    [InlineData("""{"type":"immediate_response","requestId":"r","timestamp":1,"status":200,"message":"ok","data":{}}""")]
    [InlineData("""{"type":"otp_verified","requestId":"r","timestamp":1,"data":{"requestId":"r","data":{"message":"ok"}}}""")]
    public void WhoeverAwaitsAnAnswerFindsTheTurnAsItIsAfterIt(string frame)
    {
        var call = new Call("r", ["immediate_response", "otp_verified"]);
        var answered = new List<bool>();
        var turn = Begin(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan, new WatchedTime(() => answered.Add(call.Task.IsCompleted)));
        Deliver(Question.ToJson());
        _mux.Begin(call);
        Deliver(frame);
        Assert.Equal((null, true), (turn.Parked, call.Task.IsCompleted));
        Assert.Equal([false, false], answered);
    }

    [Fact]
    public async Task AFrameThatCannotBeReadFailsAllThatItNames()
    {
        var turn = Begin();
        var call = new Call("r", ["immediate_response"]);
        _mux.Begin(call);
        Deliver("not JSON");
        Deliver("""["r"]""");
        Deliver("""{"type":"stream_token","requestId":"r","timestamp":1,"token":7}""");
        await Assert.ThrowsAsync<ProtocolException>(() => call.Task);
        var broken = await Assert.ThrowsAsync<ProtocolException>(async () => await turn);
        Assert.Equal("/token", Assert.IsType<DecodeException>(broken.InnerException).Pointer);
    }

    [Fact]
    public void WhatStreamsIsHeldWhileMoreIsThereAndNoLonger()
    {
        var turn = Begin();
        Receive(TokenFrame);
        Receive(TokenFrame);
        Assert.Empty(Take(turn));
        _mux.Flush();
        Assert.Equal(2, Take(turn).Count);
        _mux.Flush();
        Assert.Empty(Take(turn));
    }

    [Fact]
    public void OfALongBurstTheFirstEventsAreSoonSeen()
    {
        var turn = Begin();
        var held = 0;
        for (var count = 0; count < 1000; count++)
        {
            Receive(TokenFrame);
            held += 1 - Take(turn).Count;
            Assert.InRange(held, 0, 100);
        }
    }

    /// <summary>Whatever does not stream, for the turn or not, comes after what streamed before it.</summary>
    [Theory]
    [InlineData("""{"type":"otp_sent","requestId":"r","timestamp":1,"data":{"requestId":"r","data":{"channel":"sms","maskedDestination":"*7"}}}""", 4)]
    [InlineData("""{"type":"brand_new","requestId":"r"}""", 4)]
    [InlineData("""{"type":"cancelled","requestId":"r","timestamp":1,"status":499,"data":{"status":499}}""", 4)]
    [InlineData("""{"type":"keepalive","timestamp":1,"requestId":"other","data":{"requestId":"other"}}""", 3)]
    [InlineData("""{"type":"stream_token","requestId":"other","timestamp":1,"token":"x","data":{"requestId":"other","token":"x"}}""", 3)]
    [InlineData("""{"type":"stream_token","requestId":"r","timestamp":1,"token":7}""", 3)]
    [InlineData("not JSON", 3)]
    public void NothingOvertakesWhatIsHeld(string frame, int seen)
    {
        var turn = Begin();
        Deliver(Question.ToJson());
        Receive(TokenFrame);
        Receive(TokenFrame);
        Receive(frame);
        Assert.Equal((seen, null), (Take(turn).Count, turn.Parked));
    }

    [Fact]
    public async Task AQuestionParksTheTurnAfterWhatStreamedBeforeItAndAVerdictIsAnsweredAfterIt()
    {
        var turn = Begin();
        Receive(TokenFrame);
        Receive(Question.ToJson());
        Assert.NotNull(turn.Parked);
        Receive(TokenFrame);
        Assert.NotNull(turn.Parked);
        var verdict = new Call("r", ["immediate_response"]);
        _mux.Begin(verdict);
        Receive("""{"type":"immediate_response","requestId":"r","timestamp":1,"status":200,"message":"ok","data":{}}""");
        Assert.IsType<ImmediateResponseEvent>((await verdict.Task).Event);
        Assert.Equal(["stream_token", Question.Tag, "stream_token"], Take(turn));
        Assert.Null(turn.Parked);
    }

    [Fact]
    public async Task AfterItsEndATurnIsGivenNothing()
    {
        var turn = Begin();
        Receive(TokenFrame);
        Receive("""{"type":"cancelled","requestId":"r","timestamp":1,"status":499,"data":{"status":499}}""");
        Receive(TokenFrame);
        _mux.Flush();
        Assert.Equal("stream_token", Assert.Single(_stray).Tag);
        await Assert.ThrowsAsync<TurnCancelledException>(async () => await turn);
        Assert.Equal(["stream_token", "cancelled"], Take(turn));
    }

    [Fact]
    public async Task WhatIsHeldForATurnThatFailsMeanwhileIsNotGivenToTheNextOfItsId()
    {
        var turn = Begin(TimeSpan.FromSeconds(1), Timeout.InfiniteTimeSpan);
        Receive(TokenFrame);
        _time.Move(TimeSpan.FromSeconds(2));
        await Assert.ThrowsAsync<TimeLimitException>(async () => await turn);
        var next = Begin();
        Receive(TokenFrame);
        _mux.Flush();
        Assert.Equal(["stream_token"], Take(next));
    }

    [Fact]
    public async Task WhatWaitsIsFailedAtOnceAndAnIdIsFreeAgain()
    {
        var turn = Begin();
        Assert.Throws<ProtocolException>(() => Begin());
        var call = new Call("c", ["pong"]);
        _mux.Begin(call);
        Assert.Throws<ProtocolException>(() => _mux.Begin(new Call("c", ["pong"])));
        _mux.Fail(static requestId => new ConnectionLostException("lost", requestId));
        Assert.Equal("c", (await Assert.ThrowsAsync<ConnectionLostException>(() => call.Task)).RequestId);
        Assert.Equal("r", (await Assert.ThrowsAsync<ConnectionLostException>(async () => await turn)).RequestId);
        var next = Begin();
        Token();
        Assert.False(next.Result.IsCompleted);
    }
}
