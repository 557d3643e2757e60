using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using SmooAI.SmoothOperator.Testing;

namespace SmooAI.SmoothOperator.Tests;

/// <summary>The client against a scripted server.</summary>
public sealed class ClientTests
{
    private const string SessionId = "0a8f3c1e-5b7d-4e2a-9c46-7d1f20b3a985";

    /// <summary>Bounds every wait of these tests.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private static JsonObject Session => new()
    {
        ["sessionId"] = SessionId,
        ["conversationId"] = SessionId,
        ["agentId"] = SessionId,
        ["agentName"] = "Support",
        ["userParticipantId"] = SessionId,
        ["agentParticipantId"] = SessionId,
    };

    private static SmoothAgentOptions Options(FakeServer server) =>
        new() { Url = server.Url, FirstPause = TimeSpan.Zero };

    private static async Task<SmoothAgentClient> ConnectAsync(FakeServer server, Func<SmoothAgentOptions, SmoothAgentOptions>? change = null)
    {
        var client = new SmoothAgentClient((change ?? (static options => options))(Options(server)));
        await client.ConnectAsync(TestContext.Current.CancellationToken);
        return client;
    }

    private static async Task<List<ServerEvent>> CollectAsync(Turn turn)
    {
        var events = new List<ServerEvent>();
        await foreach (var serverEvent in turn)
        {
            events.Add(serverEvent);
        }

        return events;
    }

    [Fact]
    public async Task ATurnIsIteratedAndAwaited()
    {
        await using var server = FakeServer.Start(static async connection =>
        {
            var create = await connection.ReceiveAsync<CreateConversationSessionParams>();
            await connection.ReplyAsync(create.RequestId, Session);
            var message = await connection.ReceiveAsync<SendMessageParams>();
            await connection.AcceptAsync(message.RequestId);
            await connection.TokenAsync(message.RequestId!, "17 ");
            await connection.SendTextAsync($$"""{"type":"brand_new","requestId":"{{message.RequestId}}","x":1}""");
            await connection.TokenAsync(message.RequestId!, "days");
            await connection.FinishAsync(message.RequestId!, "17 days");
            await connection.UntilClosedAsync();
        });
        await using var client = await ConnectAsync(server);
        var session = await client.CreateConversationSessionAsync(new() { UserName = "Alice" }, TestContext.Current.CancellationToken);
        Assert.Equal(("Support", SessionId), (session.AgentName, session.SessionId));
        var turn = client.SendMessage(session.SessionId, "How long is your return window?");
        var events = await CollectAsync(turn).WaitAsync(Patience, TestContext.Current.CancellationToken);
        Assert.Equal(["immediate_response", "stream_token", "brand_new", "stream_token", "eventual_response"], events.Select(static one => one.Tag));
        Assert.IsType<UnknownEvent>(events[2]);
        Assert.Equal("17 days", string.Concat(events.OfType<StreamTokenEvent>().Select(static one => one.Token)));
        var result = await turn;
        Assert.Equal("17 days", result.Response.ResponseParts[0]);
        Assert.Equal("17 days", await turn.GetTextAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task ManyTurnsAndCallsShareTheSocket()
    {
        await using var server = FakeServer.Start(static async connection =>
        {
            var waiting = new List<string>();
            while (await connection.ReceiveAsync() is { } action)
            {
                if (action is PingParams)
                {
                    await connection.SendTextAsync($$$"""{"type":"pong","timestamp":1,"requestId":"{{{action.GetRequestId()}}}","data":{"timestamp":1}}""");
                    continue;
                }

                waiting.Add(action.GetRequestId()!);
                if (waiting.Count == 50)
                {
                    waiting.Reverse();
                    foreach (var id in waiting)
                    {
                        await connection.AcceptAsync(id);
                        await connection.FinishAsync(id, id);
                    }
                }
            }
        });
        await using var client = await ConnectAsync(server);
        var turns = Enumerable.Range(0, 50).Select(number => client.SendMessage($"s{number}", "m")).ToList();
        var pongs = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => client.PingAsync(cancellationToken: TestContext.Current.CancellationToken)));
        Assert.All(pongs, static pong => Assert.Equal(1, pong.Data.Timestamp));
        foreach (var turn in turns)
        {
            Assert.Equal(turn.RequestId, await turn.GetTextAsync(TestContext.Current.CancellationToken).WaitAsync(Patience, TestContext.Current.CancellationToken));
        }
    }

    [Fact]
    public async Task AVerdictUnderTheTurnsOwnIdIsAnsweredApartFromTheTurn()
    {
        await using var server = FakeServer.Start(static async connection =>
        {
            var message = await connection.ReceiveAsync<SendMessageParams>();
            var id = message.RequestId!;
            await connection.AcceptAsync(id);
            await connection.SendAsync(new WriteConfirmationRequiredEvent
            {
                RequestId = id,
                Timestamp = 1,
                Data = new() { RequestId = id, Data = new() { ToolId = "refund", ActionDescription = "Refund 5." } },
            });
            var verdict = await connection.ReceiveAsync<ConfirmToolActionParams>();
            await connection.ReplyAsync(verdict.RequestId, new() { ["sessionId"] = verdict.SessionId, ["approved"] = verdict.Approved });
            await connection.FinishAsync(id, "done");
            await connection.UntilClosedAsync();
        });
        await using var client = await ConnectAsync(server);
        var turn = client.SendMessage(SessionId, "Refund me");
        var tags = new List<string>();
        await foreach (var serverEvent in turn.WithCancellation(TestContext.Current.CancellationToken))
        {
            tags.Add(serverEvent.Tag);
            if (serverEvent is WriteConfirmationRequiredEvent)
            {
                await turn.ConfirmAsync(true, TestContext.Current.CancellationToken);
            }
        }

        Assert.Equal(["immediate_response", "write_confirmation_required", "eventual_response"], tags);
    }

    [Fact]
    public async Task AnErrorThatEndsTheTurnIsNoAnswerToAVerdictUnderItsId()
    {
        await using var server = FakeServer.Start(static async connection =>
        {
            var id = (await connection.ReceiveAsync<SendMessageParams>()).RequestId!;
            await connection.AcceptAsync(id);
            var verdict = await connection.ReceiveAsync<ConfirmToolActionParams>();
            await connection.ErrorAsync(id, ErrorCode.AgentError, "the model is gone");
            await connection.ReplyAsync(verdict.RequestId, new() { ["sessionId"] = verdict.SessionId, ["approved"] = verdict.Approved });
            await connection.UntilClosedAsync();
        });
        await using var client = await ConnectAsync(server);
        var turn = client.SendMessage(SessionId, "Refund me");

        var reply = await turn.ConfirmAsync(true, TestContext.Current.CancellationToken);

        Assert.True(reply.Approved);
        var failure = await Assert.ThrowsAsync<ServerErrorException>(async () => await turn);
        Assert.Equal(ErrorCode.AgentError, failure.Code);
    }

    [Fact]
    public async Task WrongValuesOfAnInteractionAreAFailureOfTheCallAndAnEventOfTheTurn()
    {
        var refused = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = FakeServer.Start(async connection =>
        {
            var id = (await connection.ReceiveAsync<SendMessageParams>()).RequestId!;
            await connection.AcceptAsync(id);
            await refused.Task.WaitAsync(connection.Stopped);
            var form = new InteractionRequest { InteractionId = "i", Kind = "identity_intake", Spec = [], Reason = "Who are you?" };
            await connection.SendAsync(new InteractionRequiredEvent { RequestId = id, Timestamp = 1, Data = new() { RequestId = id, Data = form } });
            var values = await connection.ReceiveAsync<SubmitInteractionParams>();
            await connection.SendAsync(new InteractionInvalidEvent
            {
                RequestId = values.RequestId,
                Timestamp = 1,
                Data = new()
                {
                    RequestId = id,
                    Data = new() { InteractionId = "i", Kind = "identity_intake", Message = "Some fields need attention.", Errors = [new() { Field = "email", Message = "must be a valid email address" }] },
                },
            });
            var declined = await connection.ReceiveAsync<SubmitInteractionParams>();
            await connection.ReplyAsync(declined.RequestId, new() { ["sessionId"] = declined.SessionId, ["interactionId"] = "i", ["declined"] = declined.Declined });
            await connection.FinishAsync(id, "done");
            await connection.UntilClosedAsync();
        });
        await using var client = await ConnectAsync(server);
        var turn = client.SendMessage(SessionId, "m");
        await Assert.ThrowsAsync<NotParkedException>(() => turn.DeclineAsync(TestContext.Current.CancellationToken));
        refused.SetResult();
        await foreach (var serverEvent in turn.WithCancellation(TestContext.Current.CancellationToken))
        {
            if (serverEvent is InteractionRequiredEvent)
            {
                break;
            }
        }

        var error = await Assert.ThrowsAsync<InteractionInvalidException>(() => turn.SubmitAsync(new() { ["email"] = "x" }, TestContext.Current.CancellationToken));
        Assert.Equal("Some fields need attention. email: must be a valid email address.", error.Message);
        await turn.DeclineAsync(TestContext.Current.CancellationToken);
        var events = await CollectAsync(turn).WaitAsync(Patience, TestContext.Current.CancellationToken);
        Assert.Null(turn.Parked);
        Assert.Equal(["interaction_invalid", "eventual_response"], events.Select(static one => one.Tag));
    }

    [Fact]
    public async Task AOneTimeCodeIsEnteredFromTheTurn()
    {
        await using var server = FakeServer.Start(static async connection =>
        {
            var id = (await connection.ReceiveAsync<SendMessageParams>()).RequestId!;
            var asked = new OtpVerification { ToolId = "refund", ActionDescription = "Refund 5.", AvailableChannels = [], AuthLevel = "otp" };
            await connection.SendAsync(new OtpVerificationRequiredEvent { RequestId = id, Timestamp = 1, Data = new() { RequestId = id, Data = asked } });
            var code = await connection.ReceiveAsync<VerifyOtpParams>();
            var wrong = new OtpFailure { AttemptsRemaining = 2, Message = "no" };
            await connection.SendAsync(new OtpInvalidEvent { RequestId = code.RequestId, Timestamp = 1, Data = new() { RequestId = id, Data = wrong } });
            code = await connection.ReceiveAsync<VerifyOtpParams>();
            await connection.SendAsync(new OtpVerifiedEvent { RequestId = code.RequestId, Timestamp = 1, Data = new() { RequestId = id, Data = new() { Message = code.Code } } });
            await connection.FinishAsync(id, "done");
            await connection.UntilClosedAsync();
        });
        await using var client = await ConnectAsync(server);
        var turn = client.SendMessage(SessionId, "m");
        var tags = new List<string>();
        await foreach (var serverEvent in turn.WithCancellation(TestContext.Current.CancellationToken))
        {
            tags.Add(serverEvent.Tag);
            if (serverEvent is OtpVerificationRequiredEvent)
            {
                Assert.IsType<OtpInvalidEvent>(await turn.VerifyOtpAsync("1", TestContext.Current.CancellationToken));
                Assert.IsType<OtpVerificationRequiredEvent>(turn.Parked);
                Assert.Equal("2", Assert.IsType<OtpVerifiedEvent>(await turn.VerifyOtpAsync("2", TestContext.Current.CancellationToken)).Data.Data.Message);
            }
        }

        Assert.Equal(["otp_verification_required", "otp_invalid", "otp_verified", "eventual_response"], tags);
    }

    [Fact]
    public async Task AnErrorOfTheServerIsTyped()
    {
        await using var server = FakeServer.Start(static async connection =>
        {
            var call = await connection.ReceiveAsync<GetSessionParams>();
            await connection.SendTextAsync($$$$"""{"type":"error","timestamp":1,"requestId":"{{{{call.RequestId}}}}","error":{"code":"RATE_LIMITED","message":"slow"},"data":{"error":{"code":"RATE_LIMITED","message":"slow"},"details":{"status":429,"retryable":true,"retryAfterMs":1500}}}""");
            var message = await connection.ReceiveAsync<SendMessageParams>();
            await connection.ErrorAsync(message.RequestId, ErrorCode.SessionNotFound, "no such session");
            await connection.UntilClosedAsync();
        });
        await using var client = await ConnectAsync(server);
        var limited = await Assert.ThrowsAsync<ServerErrorException>(() => client.GetSessionAsync(new() { SessionId = SessionId }, TestContext.Current.CancellationToken));
        Assert.Equal((ErrorCode.RateLimited, true, TimeSpan.FromSeconds(1.5)), (limited.Code, limited.IsRetryable, limited.RetryAfter));
        var turn = client.SendMessage(SessionId, "m");
        var refused = await Assert.ThrowsAsync<ServerErrorException>(async () => await turn);
        Assert.Equal((ErrorCode.SessionNotFound, false, turn.RequestId), (refused.Code, refused.IsRetryable, refused.RequestId));
        Assert.IsType<ErrorEvent>(Assert.Single(await CollectAsync(turn)));
    }

    [Fact]
    public async Task CancellingAWaitIsNotCancellingTheWork()
    {
        await using var server = FakeServer.Start(static async connection =>
        {
            var message = await connection.ReceiveAsync<SendMessageParams>();
            var cancel = await connection.ReceiveAsync<CancelParams>();
            await connection.SendTextAsync($$$"""{"type":"cancelled","timestamp":1,"requestId":"{{{message.RequestId}}}","status":499,"data":{"status":499,"requestId":"{{{cancel.RequestId}}}"}}""");
            await connection.UntilClosedAsync();
        });
        await using var client = await ConnectAsync(server);
        var turn = client.SendMessage(SessionId, "m");
        using var impatient = new CancellationTokenSource();
        var wait = turn.WaitAsync(impatient.Token);
        await impatient.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => wait);
        Assert.False(turn.Result.IsCompleted);
        await turn.CancelAsync(TestContext.Current.CancellationToken);
        await Assert.ThrowsAsync<TurnCancelledException>(() => turn.Result.WaitAsync(Patience, TestContext.Current.CancellationToken));
        Assert.IsType<CancelledEvent>(Assert.Single(await CollectAsync(turn)));
    }

    [Fact]
    public async Task ALostSocketEndsWhatIsUnderWayAndIsOpenedAgain()
    {
        await using var server = FakeServer.Start(static async connection =>
        {
            if (connection.Number == 1)
            {
                var message = await connection.ReceiveAsync<SendMessageParams>();
                await connection.AcceptAsync(message.RequestId);
                return;
            }

            var call = await connection.ReceiveAsync<GetSessionParams>();
            var reply = Session;
            (reply["threadId"], reply["status"]) = (SessionId, "active");
            await connection.ReplyAsync(call.RequestId, reply);
            await connection.UntilClosedAsync();
        });
        await using var client = await ConnectAsync(server);
        var turn = client.SendMessage(SessionId, "m");
        var lost = await Assert.ThrowsAsync<ConnectionLostException>(() => turn.Result.WaitAsync(Patience, TestContext.Current.CancellationToken));
        Assert.True(lost.IsRetryable);
        await Assert.ThrowsAsync<ConnectionLostException>(() => CollectAsync(turn));
        var session = await client.GetSessionAsync(new() { SessionId = SessionId }, TestContext.Current.CancellationToken);
        Assert.Equal(SessionStatus.Active, session.Status);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task ATokenIsSentAndAskedForAgainWhenItIsRefused(bool inSubprotocol)
    {
        var seen = new ConcurrentQueue<string?>();
        var third = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = FakeServer.Start(
            async connection =>
            {
                if (connection.Number == 1)
                {
                    await connection.CloseAsync(4401, "expired");
                }
                else
                {
                    third.TrySetResult();
                }

                await connection.UntilClosedAsync();
            },
            token =>
            {
                seen.Enqueue(token);
                return token is not "t1";
            });
        var asked = 0;
        await using var client = await ConnectAsync(server, options => options with
        {
            TokenInSubprotocol = inSubprotocol,
            TokenProvider = _ => ValueTask.FromResult($"t{++asked}"),
        });
        await third.Task.WaitAsync(Patience, TestContext.Current.CancellationToken);
        Assert.Equal(["t1", "t2", "t3"], seen);
    }

    [Fact]
    public async Task ATokenThatIsRefusedTwiceIsAFailure()
    {
        await using var server = FakeServer.Start(static connection => connection.UntilClosedAsync(), static _ => false);
        await Assert.ThrowsAsync<UnauthenticatedException>(() => ConnectAsync(server, static options => options with { TokenProvider = SmoothAgentOptions.StaticToken("no") }));
    }

    [Fact]
    public async Task AServerThatIsNotThereIsAFailure()
    {
        // A port that is taken, on which nobody listens.
        using var nobody = new System.Net.Sockets.Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        nobody.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        await using var client = new SmoothAgentClient($"ws://{nobody.LocalEndPoint}/ws");
        var error = await Assert.ThrowsAsync<ConnectionFailedException>(() => client.ConnectAsync(TestContext.Current.CancellationToken));
        Assert.True(error.IsRetryable);
        Assert.Contains("refused", error.Message);
    }

    [Theory]
    [InlineData(200, false)]
    [InlineData(302, false)]
    [InlineData(404, false)]
    [InlineData(408, true)]
    [InlineData(429, true)]
    [InlineData(503, true)]
    public async Task ARefusalTellsWhetherAnotherTryMayHelp(int status, bool isRetryable)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var answering = AnswerAsync();
        await using var client = new SmoothAgentClient($"ws://{listener.LocalEndpoint}/ws?token=secret");
        var error = await Assert.ThrowsAsync<ConnectionFailedException>(() => client.ConnectAsync(TestContext.Current.CancellationToken));
        await answering;
        Assert.Equal(isRetryable, error.IsRetryable);
        Assert.Contains($"'{status}'", error.Message);
        Assert.Equal(!isRetryable, error.Message.EndsWith("; are the address of the WebSocket endpoint and the token right?", StringComparison.Ordinal));
        Assert.DoesNotContain("secret", error.ToString());

        async Task AnswerAsync()
        {
            using var peer = await listener.AcceptTcpClientAsync(TestContext.Current.CancellationToken);
            await using var stream = peer.GetStream();
            using var reader = new StreamReader(stream);
            while (await reader.ReadLineAsync(TestContext.Current.CancellationToken) is { Length: > 0 })
            {
            }

            var answer = $"HTTP/1.1 {status} Status\r\nLocation: ws://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            await stream.WriteAsync(Encoding.ASCII.GetBytes(answer), TestContext.Current.CancellationToken);
        }
    }

    [Theory]
    [InlineData("localhost:8787/ws?token=secret", "")]
    [InlineData("ftp://127.0.0.1/?token=secret", "")]
    [InlineData("ws://127.0.0.1:1/ws", "secret/with=signs")]
    public async Task WhatCannotBeSentIsRefusedAndNotRepeated(string url, string token)
    {
        await using var client = new SmoothAgentClient(new SmoothAgentOptions
        {
            Url = new Uri(url),
            TokenProvider = token.Length > 0 ? SmoothAgentOptions.StaticToken(token) : null,
            TokenInSubprotocol = true,
        });
        var error = await Assert.ThrowsAsync<ConnectionFailedException>(() => client.ConnectAsync(TestContext.Current.CancellationToken));
        Assert.False(error.IsRetryable);
        Assert.DoesNotContain("secret", error.ToString());
    }

    [Fact]
    public void APauseIsNotNegative()
    {
        var options = new SmoothAgentOptions { Url = new Uri("ws://127.0.0.1:1/ws") };
        Assert.Throws<ArgumentOutOfRangeException>(() => new SmoothAgentClient(options with { FirstPause = Timeout.InfiniteTimeSpan }));
        Assert.Throws<ArgumentOutOfRangeException>(() => new SmoothAgentClient(options with { LongestPause = TimeSpan.FromTicks(-1) }));
    }

    [Fact]
    public async Task ACallEndsWhenItsTimeRunsOut()
    {
        await using var server = FakeServer.Start(static connection => connection.UntilClosedAsync());
        await using var client = await ConnectAsync(server);
        var hasty = client.WithTimeouts(request: TimeSpan.FromMilliseconds(50));
        var error = await Assert.ThrowsAsync<TimeLimitException>(() => hasty.PingAsync(cancellationToken: TestContext.Current.CancellationToken));
        Assert.True(error.IsRetryable);
        Assert.Equal(TimeLimit.Request, error.Limit);
        var turn = client.SendMessage(new() { SessionId = SessionId, Message = "m" }, new TurnOptions { TurnTimeout = TimeSpan.FromMilliseconds(50) });
        error = await Assert.ThrowsAsync<TimeLimitException>(() => turn.Result.WaitAsync(Patience, TestContext.Current.CancellationToken));
        Assert.Equal(TimeLimit.Turn, error.Limit);
        var silent = client.SendMessage(new() { SessionId = SessionId, Message = "m" }, new TurnOptions { IdleTimeout = TimeSpan.FromMilliseconds(50) });
        error = await Assert.ThrowsAsync<TimeLimitException>(() => CollectAsync(silent).WaitAsync(Patience, TestContext.Current.CancellationToken));
        Assert.Equal(TimeLimit.Idle, error.Limit);
    }

    [Theory]
    [InlineData(TimeLimit.Request)]
    [InlineData(TimeLimit.Idle)]
    [InlineData(TimeLimit.Turn)]
    public async Task TheLimitsOfTheClientHoldForWhatHasNoneOfItsOwn(TimeLimit limit)
    {
        var brief = TimeSpan.FromMilliseconds(50);
        await using var server = FakeServer.Start(static connection => connection.UntilClosedAsync());
        await using var client = await ConnectAsync(server, options => options with
        {
            RequestTimeout = limit == TimeLimit.Request ? brief : Patience,
            IdleTimeout = limit == TimeLimit.Idle ? brief : Patience,
            TurnTimeout = limit == TimeLimit.Turn ? brief : Patience,
        });
        Task late = limit == TimeLimit.Request ? client.PingAsync(cancellationToken: TestContext.Current.CancellationToken) : client.SendMessage(SessionId, "m").Result;
        var error = await Assert.ThrowsAsync<TimeLimitException>(() => late.WaitAsync(Patience, TestContext.Current.CancellationToken));
        Assert.Equal(limit, error.Limit);
    }

    [Fact]
    public async Task ClosingEndsWhatIsUnderWay()
    {
        await using var server = FakeServer.Start(static connection => connection.UntilClosedAsync());
        var client = await ConnectAsync(server);
        var turn = client.SendMessage(SessionId, "m");
        var call = client.PingAsync(cancellationToken: TestContext.Current.CancellationToken);
        await client.DisposeAsync();
        await Assert.ThrowsAsync<ClientClosedException>(() => turn.Result.WaitAsync(Patience, TestContext.Current.CancellationToken));
        await Assert.ThrowsAsync<ClientClosedException>(() => call.WaitAsync(Patience, TestContext.Current.CancellationToken));
        await Assert.ThrowsAsync<ClientClosedException>(() => client.PingAsync(cancellationToken: TestContext.Current.CancellationToken));
        await client.DisposeAsync();
    }

    [Fact]
    public async Task ABrokenEventFailsTheTurnThatItNames()
    {
        await using var server = FakeServer.Start(static async connection =>
        {
            var message = await connection.ReceiveAsync<SendMessageParams>();
            await connection.SendTextAsync("not JSON");
            await connection.SendTextAsync($$"""{"type":"stream_token","requestId":"{{message.RequestId}}","timestamp":1,"token":7}""");
            await connection.UntilClosedAsync();
        });
        await using var client = await ConnectAsync(server);
        var turn = client.SendMessage(SessionId, "m");
        var error = await Assert.ThrowsAsync<ProtocolException>(() => turn.Result.WaitAsync(Patience, TestContext.Current.CancellationToken));
        Assert.Equal("/token", Assert.IsType<DecodeException>(error.InnerException).Pointer);
    }

    [Fact]
    public async Task ASilentServerIsPingedAndThenLost()
    {
        var pinged = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = FakeServer.Start(async connection =>
        {
            if (connection.Number == 1)
            {
                await connection.ReceiveAsync<PingParams>();
                pinged.SetResult();
            }

            await connection.UntilClosedAsync();
        });
        var (time, heartbeat) = (new SetTime(), TimeSpan.FromSeconds(17));
        await using var client = await ConnectAsync(server, options => options with { TimeProvider = time, Heartbeat = heartbeat });
        await time.UntilTimerAsync(heartbeat).WaitAsync(Patience, TestContext.Current.CancellationToken);
        time.Move(heartbeat);
        await pinged.Task.WaitAsync(Patience, TestContext.Current.CancellationToken);
        var turn = client.SendMessage(SessionId, "m");
        time.Move(heartbeat);
        await Assert.ThrowsAsync<ConnectionLostException>(() => turn.Result.WaitAsync(Patience, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task EventsOfNobodyReachTheListener()
    {
        var stray = new TaskCompletionSource<ServerEvent>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = FakeServer.Start(static async connection =>
        {
            await connection.SendTextAsync("""{"type":"keepalive","timestamp":1,"requestId":"other","data":{"requestId":"other"}}""");
            await connection.UntilClosedAsync();
        });
        await using var client = await ConnectAsync(server, options => options with { OnEvent = stray.SetResult });
        Assert.IsType<KeepaliveEvent>(await stray.Task.WaitAsync(Patience, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task AListenerThatThrowsStopsNothing()
    {
        await using var server = FakeServer.Start(static async connection =>
        {
            await connection.SendTextAsync("""{"type":"keepalive","timestamp":1,"requestId":"other","data":{"requestId":"other"}}""");
            var message = await connection.ReceiveAsync<SendMessageParams>();
            await connection.FinishAsync(message.RequestId!, "done");
            await connection.UntilClosedAsync();
        });
        await using var client = await ConnectAsync(server, static options => options with { OnEvent = static _ => throw new InvalidOperationException("no") });
        Assert.Equal("done", await client.SendMessage(SessionId, "m").GetTextAsync(TestContext.Current.CancellationToken).WaitAsync(Patience, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task ATurnThatNobodyReadsKeepsItsEndAndLittleElse()
    {
        await using var server = FakeServer.Start(static async connection =>
        {
            var id = (await connection.ReceiveAsync<SendMessageParams>()).RequestId!;
            await connection.AcceptAsync(id);
            for (var count = 0; count < 6000; count++)
            {
                await connection.TokenAsync(id, "x");
            }

            await connection.FinishAsync(id, "done");
            await connection.UntilClosedAsync();
        });
        await using var client = await ConnectAsync(server);
        var turn = client.SendMessage(SessionId, "m");
        await turn.Result.WaitAsync(Patience, TestContext.Current.CancellationToken);
        var events = await CollectAsync(turn);
        Assert.Equal((4096 + 1, 6002 - 4097), (events.Count, turn.Missed));
        Assert.IsType<ImmediateResponseEvent>(events[0]);
        Assert.IsType<EventualResponseEvent>(events[^1]);
    }

    /// <summary>
    /// The listener, which runs between two frames, waits until all has been sent: then it is there in one burst.
    /// </summary>
    [Theory]
    [InlineData("an end")]
    [InlineData("a goodbye")]
    [InlineData("a loss")]
    [InlineData("an unreadable event")]
    public async Task OfABurstNothingIsLostAndNothingComesAfterItsEnd(string end)
    {
        var sent = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var stray = Channel.CreateUnbounded<string>();
        var texts = Enumerable.Range(0, 150).Select(static number => $"{number} ").ToList();
        await using var server = FakeServer.Start(async connection =>
        {
            var id = (await connection.ReceiveAsync<SendMessageParams>()).RequestId!;
            await connection.SendTextAsync("""{"type":"keepalive","timestamp":1,"requestId":"other","data":{"requestId":"other"}}""");
            foreach (var text in texts)
            {
                await connection.TokenAsync(id, text);
            }

            await (end switch
            {
                "an end" => connection.FinishAsync(id, string.Concat(texts)),
                "a goodbye" => connection.CloseAsync(1001, "going away"),
                "a loss" => Task.CompletedTask,
                _ => connection.SendTextAsync($$"""{"type":"stream_token","requestId":"{{id}}","timestamp":1,"token":7}"""),
            });
            if (end is "an end" or "an unreadable event")
            {
                await connection.TokenAsync(id, "late");
            }

            sent.SetResult();
            if (end != "a loss")
            {
                await connection.UntilClosedAsync();
            }
        });
        await using var client = await ConnectAsync(server, options => options with
        {
            OnEvent = serverEvent =>
            {
                stray.Writer.TryWrite(serverEvent.Tag);
                Assert.True(sent.Task.Wait(Patience));
            },
        });
        var turn = client.SendMessage(SessionId, "m");
        var taken = new List<ServerEvent>();
        var failure = await Record.ExceptionAsync(async () =>
        {
            await foreach (var serverEvent in turn.WithCancellation(TestContext.Current.CancellationToken))
            {
                taken.Add(serverEvent);
            }
        });

        Assert.Equal(texts, taken.OfType<StreamTokenEvent>().Select(static one => one.Token));
        Assert.Equal(end == "an end" ? texts.Count + 1 : texts.Count, taken.Count);
        Type? expected = end switch { "an end" => null, "an unreadable event" => typeof(ProtocolException), _ => typeof(ConnectionLostException) };
        Assert.Equal(expected, failure?.GetType());
        foreach (var tag in end is "an end" or "an unreadable event" ? ["keepalive", "stream_token"] : new[] { "keepalive" })
        {
            Assert.Equal(tag, await stray.Reader.ReadAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(Patience, TestContext.Current.CancellationToken));
        }

        await client.DisposeAsync();
        Assert.False(stray.Reader.TryRead(out _));
    }

    [Fact]
    public async Task ATokenIsSeenWhileNothingComesBehindIt()
    {
        await using var server = FakeServer.Start(static async connection =>
        {
            var id = (await connection.ReceiveAsync<SendMessageParams>()).RequestId!;
            for (var number = 0; number < 5; number++)
            {
                await connection.TokenAsync(id, "x");
                var ping = await connection.ReceiveAsync<PingParams>();
                await connection.SendTextAsync($$$"""{"type":"pong","requestId":"{{{ping.RequestId}}}","timestamp":1,"data":{"timestamp":1}}""");
            }

            await connection.FinishAsync(id, "done");
            await connection.UntilClosedAsync();
        });
        await using var client = await ConnectAsync(server);
        var seen = 0;
        await foreach (var serverEvent in client.SendMessage(SessionId, "m").WithCancellation(TestContext.Current.CancellationToken))
        {
            if (serverEvent is StreamTokenEvent)
            {
                seen++;
                await client.PingAsync(cancellationToken: TestContext.Current.CancellationToken);
            }
        }

        Assert.Equal(5, seen);
    }

    [Fact]
    public async Task AClientThatWasNeverConnectedCloses()
    {
        var client = new SmoothAgentClient("ws://127.0.0.1:1/ws");
        await client.DisposeAsync();
        await Assert.ThrowsAsync<ClientClosedException>(() => client.PingAsync(cancellationToken: TestContext.Current.CancellationToken));
        await Assert.ThrowsAsync<ClientClosedException>(async () => await client.SendMessage(SessionId, "m"));
    }
}
