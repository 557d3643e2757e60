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
    internal static string Folder
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
        string.Join('\n', code.Split('\n').Select(static line => line.Trim()).Where(static line => line.Length > 0 && !IsImport(line)));

    private static bool IsImport(string line) => line.StartsWith("using ", StringComparison.Ordinal) && !line.Contains('=', StringComparison.Ordinal);

    [Theory]
    [InlineData("src/SmooAI.SmoothOperator/README.md", 3)]
    [InlineData("src/SmooAI.SmoothOperator.Extensions.AI/README.md", 2)]
    public void EveryExampleIsOneThatIsCompiledHere(string readme, int count)
    {
        var own = Flat(File.ReadAllText(Path.Combine(Folder, "test/SmooAI.SmoothOperator.Tests/ReadmeTests.cs")))
            .Replace("SmoothAgentClient(url)", "SmoothAgentClient(\"ws://127.0.0.1:8787/ws\")", StringComparison.Ordinal)
            .Replace("Url = new Uri(url)", "Url = new Uri(\"ws://127.0.0.1:8787/ws\")", StringComparison.Ordinal);
        var examples = Examples(readme).ToList();
        Assert.Equal(count, examples.Count);
        Assert.All(examples, example => Assert.Contains(example, own, StringComparison.Ordinal));
    }

    [Fact]
    public async Task TheFirstExampleRuns()
    {
        await using var server = Serve();
        var url = server.Url.ToString();
        await using var client = new SmoothAgentClient(url);
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
        Console.WriteLine($"\nescalate: {result.NeedsEscalation}");
        Assert.Equal("17 days", result.Response.ResponseParts[0]);
    }

    [Fact]
    public async Task TheOptionsAreThoseOfTheExample()
    {
        var options = new SmoothAgentOptions
        {
            Url = new Uri("wss://operator.example.com/ws"),
            TokenProvider = async cancellationToken => await File.ReadAllTextAsync("token.txt", cancellationToken),
            RequestTimeout = TimeSpan.FromSeconds(10),
        };
        await using var client = new SmoothAgentClient(options);
        Assert.Equal("operator.example.com", client.Url.Host);
        await Assert.ThrowsAsync<FileNotFoundException>(async () => await options.TokenProvider(TestContext.Current.CancellationToken));
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
        await client.ConnectAsync();
        Console.WriteLine(await client.SendMessage("s", "How long is your return window?").GetTextAsync());
    }

    [Fact]
    public async Task TheChatClientStreamsAndAsks()
    {
        await using var server = Serve();
        var url = server.Url.ToString();
        var services = new ServiceCollection();
        services.AddSmoothOperator(new SmoothAgentOptions { Url = new Uri(url) });
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
    internal static FakeServer Serve() => FakeServer.Start(static async connection =>
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
