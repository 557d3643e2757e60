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

    private readonly SmoothAgentClient _client = new("ws://127.0.0.1:1/ws");
    private readonly SetTime _time = new();
    private readonly List<ServerEvent> _stray = [];
    private readonly Mux _mux;

    public TurnTests() => _mux = new Mux(_stray.Add);

    public ValueTask DisposeAsync() => _client.DisposeAsync();

    private Turn Begin(TimeSpan turnTimeout, TimeSpan idleTimeout)
    {
        var limits = new SmoothAgentOptions { Url = _client.Url, TimeProvider = _time, TurnTimeout = turnTimeout, IdleTimeout = idleTimeout };
        var turn = new Turn(_client, _mux, new() { RequestId = "r", SessionId = "s", Message = "m" }, limits);
        _mux.Begin(turn);
        turn.Heard();
        return turn;
    }

    private Turn Begin() => Begin(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);

    private void Deliver(string frame) => _mux.Deliver(Encoding.UTF8.GetBytes(frame));

    private void Token() => Deliver("""{"type":"stream_token","requestId":"r","timestamp":1,"token":"x","data":{"requestId":"r","token":"x"}}""");

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
