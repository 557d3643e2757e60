using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using SmooAI.SmoothOperator.Extensions.AI;
using SmooAI.SmoothOperator.Testing;

namespace SmooAI.SmoothOperator.Tests;

/// <summary>
/// The examples of the READMEs, compiled and run. Each stands between two marks below, and a test compares it with the
/// README letter by letter.
/// </summary>
[SuppressMessage("Usage", "xUnit1051", Justification = "the examples are the README's")]
public sealed class ReadmeTests
{
    private static string Folder
    {
        get
        {
            var here = new DirectoryInfo(AppContext.BaseDirectory);
            while (here is not null && !File.Exists(Path.Combine(here.FullName, "SmooAI.SmoothOperator.slnx")))
            {
                here = here.Parent;
            }

            return here?.FullName ?? throw new DirectoryNotFoundException("there is no solution above the test program");
        }
    }

    private static IEnumerable<string> Examples(string readme) =>
        File.ReadAllText(Path.Combine(Folder, readme)).Split("```csharp\n").Skip(1).Select(static part => Flat(part.Split("```")[0]));

    private static string Flat(string code) =>
        string.Join('\n', code.Split('\n').Select(static line => line.Trim()).Where(static line => line.Length > 0 && !line.StartsWith("using SmooAI", StringComparison.Ordinal)));

    [Theory]
    [InlineData("src/SmooAI.SmoothOperator/README.md", 3)]
    [InlineData("src/SmooAI.SmoothOperator.Extensions.AI/README.md", 3)]
    public void EveryExampleIsOneThatIsCompiledHere(string readme, int count)
    {
        var own = Flat(File.ReadAllText(Path.Combine(Folder, "test/SmooAI.SmoothOperator.Tests/ReadmeTests.cs")).Replace("server.Url.ToString()", "\"ws://127.0.0.1:8787/ws\"", StringComparison.Ordinal).Replace("server.Url", "new Uri(\"ws://127.0.0.1:8787/ws\")", StringComparison.Ordinal));
        var examples = Examples(readme).ToList();
        Assert.Equal(count, examples.Count);
        Assert.All(examples, example => Assert.Contains(example, own, StringComparison.Ordinal));
    }

    [Fact]
    public async Task TheFirstExampleRuns()
    {
        await using var server = Serve();
        await using var client = new SmoothAgentClient(server.Url.ToString());
        await client.ConnectAsync();
        var session = await client.CreateConversationSessionAsync(new() { UserName = "Alice" });

        var turn = client.SendMessage(session.SessionId, "How long is your return window?");
        await foreach (var serverEvent in turn)
        {
            switch (serverEvent)
            {
                case StreamChunkEvent chunk:
                    Console.Error.WriteLine(chunk.Node);
                    break;
                case StreamTokenEvent token:
                    Console.Write(token.Token);
                    break;
                case WriteConfirmationRequiredEvent:
                    await turn.ConfirmAsync(approved: true);
                    break;
            }
        }

        var result = await turn;
        Console.WriteLine(result.Response.ResponseParts[0]);
        Assert.Equal("17 days", result.Response.ResponseParts[0]);
    }

    [Fact]
    public async Task TheOptionsAreThoseOfTheExample()
    {
        var tokens = new Tokens();
        var options = new SmoothAgentOptions
        {
            Url = new Uri("wss://operator.example.com/ws"),
            TokenProvider = cancellationToken => tokens.GetAsync(cancellationToken),
            RequestTimeout = TimeSpan.FromSeconds(10),
        };
        Assert.Equal("t", await options.TokenProvider(TestContext.Current.CancellationToken));
    }

    private sealed class Tokens
    {
        private readonly string _token = "t";

        public ValueTask<string> GetAsync(CancellationToken cancellationToken) =>
            cancellationToken.IsCancellationRequested ? ValueTask.FromCanceled<string>(cancellationToken) : ValueTask.FromResult(_token);
    }

    [Fact]
    public async Task TheScriptedServerAnswers()
    {
        await using var server = FakeServer.Start(async connection =>
        {
            var message = await connection.ReceiveAsync<SendMessageParams>();
            await connection.AcceptAsync(message.RequestId);
            await connection.TokenAsync(message.RequestId!, "17 days");
            await connection.FinishAsync(message.RequestId!, "17 days");
            await connection.UntilClosedAsync();
        });
        await using var client = new SmoothAgentClient(server.Url.ToString());
        await client.ConnectAsync(TestContext.Current.CancellationToken);
        Assert.Equal("17 days", await client.SendMessage("s", "m").GetTextAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task TheChatClientStreamsAndAsks()
    {
        await using var server = Serve();
        var services = new ServiceCollection();
        services.AddSmoothOperator(new SmoothAgentOptions { Url = server.Url });
        await using var provider = services.BuildServiceProvider();
        var chat = provider.GetRequiredService<IChatClient>();

        var options = new ChatOptions();
        await foreach (var update in chat.GetStreamingResponseAsync("How long is your return window?", options))
        {
            Console.Write(update.Text);
            options.ConversationId = update.ConversationId;
        }

        var response = await chat.GetResponseAsync("Refund order 7.", options);
        foreach (var request in response.Messages.SelectMany(message => message.Contents).OfType<ToolApprovalRequestContent>())
        {
            response = await chat.GetResponseAsync(new ChatMessage(ChatRole.User, [request.CreateResponse(approved: true)]), options);
        }

        Assert.Equal("Refunded.", response.Text);
        Assert.NotNull(options.ConversationId);
    }

    /// <summary>A server that knows two questions.</summary>
    private static FakeServer Serve() => FakeServer.Start(static async connection =>
    {
        while (await connection.ReceiveAsync() is { } action)
        {
            var id = action.GetRequestId()!;
            switch (action)
            {
                case CreateConversationSessionParams:
                    await connection.ReplyAsync(id, new()
                    {
                        ["sessionId"] = "s",
                        ["conversationId"] = "c",
                        ["agentId"] = "a",
                        ["agentName"] = "Support",
                        ["userParticipantId"] = "u",
                        ["agentParticipantId"] = "p",
                    });
                    break;
                case SendMessageParams { Message: "Refund order 7." }:
                    await connection.SendAsync(new WriteConfirmationRequiredEvent
                    {
                        RequestId = id,
                        Timestamp = 1,
                        Data = new() { RequestId = id, Data = new() { ToolId = "refund", ActionDescription = "Refund 5." } },
                    });
                    break;
                case ConfirmToolActionParams verdict:
                    await connection.ReplyAsync(id, new() { ["sessionId"] = "s", ["approved"] = verdict.Approved });
                    await connection.FinishAsync(id, "Refunded.");
                    break;
                default:
                    await connection.AcceptAsync(id);
                    await connection.TokenAsync(id, "17 days");
                    await connection.FinishAsync(id, "17 days");
                    break;
            }
        }
    });
}
