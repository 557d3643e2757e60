using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using SmooAI.SmoothOperator.Testing;

namespace SmooAI.SmoothOperator.Tests;

/// <summary>Calls: each action by its method, and how long a call and a connection are waited for.</summary>
public sealed class CallTests
{
    private const string Id = "0a8f3c1e-5b7d-4e2a-9c46-7d1f20b3a985";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private static readonly TimeSpan Brief = TimeSpan.FromMilliseconds(50);

    /// <summary>Answers a call with what its reply must have.</summary>
    private static Task AnswerAsync(FakeConnection connection, ClientAction action)
    {
        var id = action.GetRequestId()!;
        var session = new JsonObject { ["status"] = "active" };
        foreach (var key in new[] { "sessionId", "conversationId", "agentId", "agentName", "userParticipantId", "agentParticipantId", "threadId" })
        {
            session[key] = Id;
        }

        return action switch
        {
            PingParams => connection.SendTextAsync($$$"""{"type":"pong","requestId":"{{{id}}}","timestamp":1,"data":{"timestamp":1}}"""),
            CreateConversationSessionParams or GetSessionParams => connection.ReplyAsync(id, session),
            GetConversationMessagesParams => connection.ReplyAsync(id, new() { ["messages"] = new JsonArray(), ["nextCursor"] = null, ["hasMore"] = false }),
            ListConversationsParams => connection.ReplyAsync(id, new() { ["conversations"] = new JsonArray() }),
            RenameConversationParams => connection.ReplyAsync(id, new() { ["conversationId"] = Id, ["title"] = "t" }),
            ConfirmToolActionParams => connection.ReplyAsync(id, new() { ["sessionId"] = Id, ["approved"] = true }),
            SubmitInteractionParams => connection.ReplyAsync(id, new() { ["sessionId"] = Id, ["interactionId"] = Id }),
            VerifyOtpParams => connection.SendTextAsync($$$$"""{"type":"otp_invalid","requestId":"{{{{id}}}}","timestamp":1,"data":{"requestId":"{{{{id}}}}","data":{"attemptsRemaining":2,"message":"no"}}}"""),
            _ => Task.CompletedTask,
        };
    }

    [Fact]
    public async Task EveryActionIsATypedCall()
    {
        var seen = new List<string>();
        var cancelled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = FakeServer.Start(async connection =>
        {
            while (await connection.ReceiveAsync() is { } action)
            {
                seen.Add(action.Tag);
                await AnswerAsync(connection, action);
                if (action is CancelParams)
                {
                    cancelled.SetResult();
                }
            }
        });
        await using var client = new SmoothAgentClient(new SmoothAgentOptions { Url = server.Url });
        var token = TestContext.Current.CancellationToken;
        await client.ConnectAsync(token);
        Assert.Equal(1, (await client.PingAsync(cancellationToken: token)).Data.Timestamp);
        Assert.Equal(Id, (await client.CreateConversationSessionAsync(cancellationToken: token)).SessionId);
        Assert.Equal(SessionStatus.Active, (await client.GetSessionAsync(new() { SessionId = Id }, token)).Status);
        Assert.Empty((await client.GetConversationMessagesAsync(new() { SessionId = Id }, token)).Messages);
        Assert.Empty((await client.ListConversationsAsync(cancellationToken: token)).Conversations);
        Assert.Equal("t", (await client.RenameConversationAsync(new() { ConversationId = Id, Title = "t" }, token)).Title);
        Assert.True((await client.ConfirmToolActionAsync(new() { SessionId = Id, Approved = true }, token)).Approved);
        Assert.Equal(Id, (await client.SubmitInteractionAsync(new() { RequestId = "s", SessionId = Id, InteractionId = Id }, token)).InteractionId);
        var refused = Assert.IsType<OtpInvalidEvent>(await client.VerifyOtpAsync(new() { RequestId = "v", SessionId = Id, Code = "1" }, token));
        Assert.Equal(2u, refused.Data.Data.AttemptsRemaining);
        await client.CancelAsync(new() { SessionId = Id }, token);
        await cancelled.Task.WaitAsync(Patience, token);
        string[] wanted = ["ping", "create_conversation_session", "get_session", "get_conversation_messages", "list_conversations", "rename_conversation", "confirm_tool_action", "submit_interaction", "verify_otp", "cancel"];
        Assert.Equal(wanted, seen);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task ConnectingHasALimitOfItsOwnForOneCallToo(bool ofTheCall)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var url = new Uri($"ws://{listener.LocalEndpoint}/ws");
        await using var client = new SmoothAgentClient(new SmoothAgentOptions { Url = url, ConnectTimeout = ofTheCall ? Patience : Brief });
        var impatient = ofTheCall ? client.WithTimeouts(connect: Brief) : client;
        var late = await Assert.ThrowsAsync<TimeLimitException>(() => impatient.ConnectAsync(TestContext.Current.CancellationToken).WaitAsync(Patience, TestContext.Current.CancellationToken));
        Assert.Equal(TimeLimit.Connect, late.Limit);
    }

    [Fact]
    public async Task ACallWaitsForTheConnectionOnlySoLongAndIsThenNotSent()
    {
        var (again, asked) = (new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously), 0);
        await using var server = FakeServer.Start(async connection =>
        {
            if (connection.Number == 1)
            {
                await connection.ReceiveAsync<PingParams>();
                return;
            }

            await AnswerAsync(connection, await connection.ReceiveAsync<PingParams>());
            await connection.UntilClosedAsync();
        });
        await using var client = new SmoothAgentClient(new SmoothAgentOptions
        {
            Url = server.Url,
            FirstPause = TimeSpan.Zero,
            TokenProvider = async cancellationToken =>
            {
                await (asked++ == 0 ? Task.CompletedTask : again.Task).WaitAsync(cancellationToken);
                return "t";
            },
        });
        var token = TestContext.Current.CancellationToken;
        await client.ConnectAsync(token);
        await Assert.ThrowsAsync<ConnectionLostException>(() => client.PingAsync(cancellationToken: token));
        var late = await Assert.ThrowsAsync<TimeLimitException>(() => client.WithTimeouts(request: TimeSpan.FromMilliseconds(1)).PingAsync(cancellationToken: token));
        Assert.Equal(TimeLimit.Request, late.Limit);
        again.SetResult();
        Assert.Equal(1, (await client.PingAsync(cancellationToken: token).WaitAsync(Patience, token)).Data.Timestamp);
    }
}
