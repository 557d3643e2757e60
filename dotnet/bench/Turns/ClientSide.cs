using System.Text;
using SmooAI.SmoothOperator;

namespace Turns;

/// <summary>The turns by the client, with a loop for each of those that run at once.</summary>
internal sealed class ClientSide(SmoothAgentClient client, string session) : ISide
{
    private readonly List<Turn> _held = [];

    public static async Task<ISide> ConnectAsync(Uri url)
    {
        var client = new SmoothAgentClient(new SmoothAgentOptions { Url = url });
        await client.ConnectAsync();
        return new ClientSide(client, (await client.CreateConversationSessionAsync()).SessionId);
    }

    public static void Decode(byte[] frame) => ServerEvent.FromJson(frame);

    public async Task TurnsAsync(string message, int count, int atOnce)
    {
        var left = count;
        await Task.WhenAll(Enumerable.Range(0, atOnce).Select(async _ =>
        {
            while (Interlocked.Decrement(ref left) >= 0)
            {
                await TurnAsync(message);
            }
        }));
    }

    /// <summary>The turns are held, and nobody waits in them.</summary>
    public async Task OpenAsync(int count)
    {
        for (var begun = 0; begun < count; begun += ISide.Ahead)
        {
            var turns = Enumerable.Range(0, Math.Min(ISide.Ahead, count - begun)).Select(_ => client.SendMessage(session, "hold")).ToList();
            await Task.WhenAll(turns.Select(BeginAsync));
            _held.AddRange(turns);
        }
    }

    public ValueTask DisposeAsync() => client.DisposeAsync();

    private static async Task BeginAsync(Turn turn)
    {
        await foreach (var it in turn)
        {
            if (it is StreamTokenEvent)
            {
                return;
            }
        }

        throw new InvalidOperationException("a turn ended");
    }

    private async Task TurnAsync(string message)
    {
        var turn = client.SendMessage(session, message);
        var text = new StringBuilder();
        await foreach (var it in turn)
        {
            if (it is StreamTokenEvent token)
            {
                text.Append(token.Token);
            }
        }

        var answer = await turn.GetTextAsync();
        if (!text.Equals(answer))
        {
            throw new InvalidOperationException($"'{text}' is not '{answer}'");
        }
    }
}
