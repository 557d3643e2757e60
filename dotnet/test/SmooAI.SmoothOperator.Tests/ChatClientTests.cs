using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using SmooAI.SmoothOperator.Extensions.AI;
using SmooAI.SmoothOperator.Testing;

namespace SmooAI.SmoothOperator.Tests;

/// <summary>The chat client of Microsoft.Extensions.AI against a scripted server.</summary>
public sealed class ChatClientTests
{
    private const string Id = "0a8f3c1e-5b7d-4e2a-9c46-7d1f20b3a985";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private static async Task OpenAsync(FakeConnection connection, string? expectedConversation = null)
    {
        var create = await connection.ReceiveAsync<CreateConversationSessionParams>();
        Assert.Equal(expectedConversation, create.ConversationId);
        await connection.ReplyAsync(create.RequestId, new()
        {
            ["sessionId"] = Id,
            ["conversationId"] = "c1",
            ["agentId"] = Id,
            ["agentName"] = "Support",
            ["userParticipantId"] = Id,
            ["agentParticipantId"] = Id,
        });
    }

    private static ServiceProvider Provide(FakeServer server) =>
        new ServiceCollection().AddSmoothOperator(new SmoothAgentOptions { Url = server.Url }).BuildServiceProvider();

    [Fact]
    public async Task AnAnswerIsStreamedWithItsCitationsAndUsage()
    {
        await using var server = FakeServer.Start(static async connection =>
        {
            await OpenAsync(connection);
            var message = await connection.ReceiveAsync<SendMessageParams>();
            Assert.Equal((Id, "How long?", "big"), (message.SessionId, message.Message, message.Model));
            Assert.Equal("data:image/png;base64,AAEC", Assert.Single(message.Images!).Url);
            Assert.Equal(("terms.pdf", "application/pdf"), (Assert.Single(message.Files!).Name, message.Files![0].MimeType));
            await connection.AcceptAsync(message.RequestId);
            await connection.TokenAsync(message.RequestId!, "17 ");
            await connection.TokenAsync(message.RequestId!, "days");
            await connection.SendTextAsync($$$$"""
                {"type":"eventual_response","timestamp":2,"requestId":"{{{{message.RequestId}}}}","status":200,"data":{"requestId":"{{{{message.RequestId}}}}","status":200,"data":
                {"messageId":"{{{{Id}}}}","needsEscalation":false,"response":{"responseParts":["17 days"],"customerHappinessScore":0.5,"needsSatisfactionScore":0.5,"requestSummary":"","resolutionStatus":"resolved","suggestedNextActions":[]},
                "citations":[{"id":"returns","title":"Return policy","url":"https://docs.example.com/returns","snippet":"17 days","score":0.8}],"usage":{"costUsd":0.5,"promptTokens":3,"completionTokens":4}} }}
                """);
            var next = await connection.ReceiveAsync<SendMessageParams>();
            Assert.Equal("And then?", next.Message);
            await connection.FinishAsync(next.RequestId!, "Nothing.");
            await connection.UntilClosedAsync();
        });
        await using var services = Provide(server);
        var chat = services.GetRequiredService<IChatClient>();
        var question = new ChatMessage(ChatRole.User, [
            new TextContent("How long?"),
            new DataContent(new byte[] { 0, 1, 2 }, "image/png"),
            new UriContent("https://docs.example.com/terms.pdf", "application/pdf"),
        ]);
        var response = await chat.GetResponseAsync([new(ChatRole.User, "old"), new(ChatRole.Assistant, "older"), question], new() { ModelId = "big" }, Cancellation);
        Assert.Equal(("17 days", "c1", ChatFinishReason.Stop), (response.Text, response.ConversationId, response.FinishReason));
        Assert.Equal((3, 4, 7), (response.Usage?.InputTokenCount, response.Usage?.OutputTokenCount, response.Usage?.TotalTokenCount));
        var citation = Assert.IsType<CitationAnnotation>(Assert.Single(Assert.Single(response.Messages).Contents.SelectMany(static content => content.Annotations ?? [])));
        Assert.Equal(("Return policy", "17 days", "https://docs.example.com/returns"), (citation.Title, citation.Snippet, citation.Url?.ToString()));
        var second = await chat.GetResponseAsync("And then?", new() { ConversationId = response.ConversationId }, Cancellation);
        Assert.Equal("Nothing.", second.Text);
    }

    [Fact]
    public async Task AnApprovalEndsTheResponseAndItsAnswerGoesOn()
    {
        await using var server = FakeServer.Start(static async connection =>
        {
            await OpenAsync(connection, "c1");
            var id = (await connection.ReceiveAsync<SendMessageParams>()).RequestId!;
            await connection.AcceptAsync(id);
            await connection.SendAsync(Question(id));
            var verdict = await connection.ReceiveAsync<ConfirmToolActionParams>();
            await connection.ReplyAsync(verdict.RequestId, new() { ["sessionId"] = verdict.SessionId, ["approved"] = verdict.Approved });
            await connection.TokenAsync(id, verdict.Approved ? "Refunded." : "Left.");
            await connection.FinishAsync(id, verdict.Approved ? "Refunded." : "Left.");
            await connection.UntilClosedAsync();
        });
        await using var services = Provide(server);
        var chat = services.GetRequiredService<IChatClient>();
        var options = new ChatOptions { ConversationId = "c1" };
        var response = await chat.GetResponseAsync("Refund order 7.", options, Cancellation);
        var request = Assert.Single(response.Messages.SelectMany(static message => message.Contents).OfType<ToolApprovalRequestContent>());
        Assert.Equal("refund", Assert.IsType<FunctionCallContent>(request.ToolCall).Name);
        var answer = new ChatMessage(ChatRole.User, [request.CreateResponse(approved: true)]);
        Assert.Equal("Refunded.", (await chat.GetResponseAsync(answer, options, Cancellation)).Text);
        await Assert.ThrowsAsync<InvalidOperationException>(() => chat.GetResponseAsync(answer, options, Cancellation));
    }

    [Fact]
    public async Task AnApprovalThatWasRefusedMayBeSentAgainAndOneOfATurnThatHasEndedIsNone()
    {
        await using var server = FakeServer.Start(static async connection =>
        {
            await OpenAsync(connection);
            var id = (await connection.ReceiveAsync<SendMessageParams>()).RequestId!;
            await connection.SendAsync(Question(id));
            var verdict = await connection.ReceiveAsync<ConfirmToolActionParams>();
            await connection.ErrorAsync(verdict.RequestId, ErrorCode.RateLimited, "slow");
            verdict = await connection.ReceiveAsync<ConfirmToolActionParams>();
            await connection.ReplyAsync(verdict.RequestId, new() { ["sessionId"] = verdict.SessionId, ["approved"] = verdict.Approved });
            await connection.SendAsync(Question(id));
            var ping = await connection.ReceiveAsync<PingParams>();
            await connection.ErrorAsync(id, ErrorCode.InternalError, "gave up");
            await connection.SendTextAsync($$$"""{"type":"pong","requestId":"{{{ping.RequestId}}}","timestamp":1,"data":{"timestamp":1}}""");
            await connection.UntilClosedAsync();
        });
        await using var services = Provide(server);
        var chat = services.GetRequiredService<IChatClient>();
        var response = await chat.GetResponseAsync("Refund order 7.", cancellationToken: Cancellation);
        var refused = await Assert.ThrowsAsync<ServerErrorException>(() => chat.GetResponseAsync(Approval(response), cancellationToken: Cancellation));
        Assert.Equal(ErrorCode.RateLimited, refused.Code);
        response = await chat.GetResponseAsync(Approval(response), cancellationToken: Cancellation);
        var late = Approval(response);
        var client = services.GetRequiredService<SmoothAgentClient>();
        await client.PingAsync(cancellationToken: Cancellation);
        await Assert.ThrowsAsync<InvalidOperationException>(() => chat.GetResponseAsync(late, cancellationToken: Cancellation));
    }

    private static WriteConfirmationRequiredEvent Question(string requestId) => new()
    {
        RequestId = requestId,
        Timestamp = 1,
        Data = new() { RequestId = requestId, Data = new() { ToolId = "refund", ActionDescription = "Refund 5." } },
    };

    private static ChatMessage Approval(ChatResponse response) =>
        new(ChatRole.User, [response.Messages.SelectMany(static message => message.Contents).OfType<ToolApprovalRequestContent>().Single().CreateResponse(approved: true)]);

    [Fact]
    public async Task WhoeverStopsReadingStopsTheWork()
    {
        var stopped = new TaskCompletionSource<string?>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = FakeServer.Start(async connection =>
        {
            await OpenAsync(connection);
            var id = (await connection.ReceiveAsync<SendMessageParams>()).RequestId!;
            await connection.TokenAsync(id, "17 ");
            var cancel = await connection.ReceiveAsync<CancelParams>();
            stopped.SetResult(cancel.RequestId == id ? "the turn" : cancel.RequestId);
            await connection.UntilClosedAsync();
        });
        await using var services = Provide(server);
        await foreach (var update in services.GetRequiredService<IChatClient>().GetStreamingResponseAsync("How long?", cancellationToken: Cancellation))
        {
            Assert.Equal("17 ", update.Text);
            break;
        }

        Assert.Equal("the turn", await stopped.Task.WaitAsync(TimeSpan.FromSeconds(20), Cancellation));
    }

    [Fact]
    public async Task AFailureOfTheTurnIsThrownAndServicesAreFound()
    {
        await using var server = FakeServer.Start(static async connection =>
        {
            await OpenAsync(connection);
            var message = await connection.ReceiveAsync<SendMessageParams>();
            await connection.ErrorAsync(message.RequestId, ErrorCode.SessionNotFound, "gone");
            await OpenAsync(connection, "c1");
            message = await connection.ReceiveAsync<SendMessageParams>();
            await connection.FinishAsync(message.RequestId!, "again");
            await connection.UntilClosedAsync();
        });
        await using var services = Provide(server);
        var chat = services.GetRequiredService<IChatClient>();
        var error = await Assert.ThrowsAsync<ServerErrorException>(() => chat.GetResponseAsync("Hello", cancellationToken: Cancellation));
        Assert.Equal(ErrorCode.SessionNotFound, error.Code);
        Assert.Equal("again", (await chat.GetResponseAsync("Hello", new() { ConversationId = "c1" }, Cancellation)).Text);
        await Assert.ThrowsAsync<ArgumentException>(() => chat.GetResponseAsync([], cancellationToken: Cancellation));
        Assert.Same(services.GetRequiredService<SmoothAgentClient>(), chat.GetService<SmoothAgentClient>());
        Assert.Equal(server.Url, chat.GetService<ChatClientMetadata>()?.ProviderUri);
    }
}
