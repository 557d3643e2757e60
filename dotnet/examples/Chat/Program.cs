// A chat in the terminal: dotnet run --project dotnet/examples/Chat -- ws://127.0.0.1:8787/ws
using SmooAI.SmoothOperator;

await using var client = new SmoothAgentClient(args.FirstOrDefault() ?? "ws://127.0.0.1:8787/ws");
await client.ConnectAsync();
var session = await client.CreateConversationSessionAsync();
Console.WriteLine($"You speak to {session.AgentName}. An empty line ends the chat.");

while (Console.ReadLine() is { Length: > 0 } message)
{
    var turn = client.SendMessage(session.SessionId, message);
    try
    {
        await foreach (var serverEvent in turn)
        {
            await ShowAsync(turn, serverEvent);
        }

        Console.WriteLine();
        foreach (var citation in (await turn).Citations ?? [])
        {
            Console.WriteLine($"  {citation.Title} {citation.Url}");
        }
    }
    catch (SmoothOperatorException error)
    {
        Console.Error.WriteLine(error.Message);
    }
}

static async Task ShowAsync(Turn turn, ServerEvent serverEvent)
{
    switch (serverEvent)
    {
        case StreamTokenEvent token:
            Console.Write(token.Token);
            break;
        case StreamChunkEvent chunk:
            Console.Error.WriteLine($"[{chunk.Node}]");
            break;
        case WriteConfirmationRequiredEvent asked:
            Console.Write($"{asked.Data.Data.ActionDescription} Approve? (y/n) ");
            await turn.ConfirmAsync(Console.ReadLine() == "y");
            break;
    }
}
