namespace Turns;

/// <summary>One way to speak to a server, over one connection with one session.</summary>
internal interface ISide : IAsyncDisposable
{
    /// <summary>Turns that may be begun and not yet have their first token.</summary>
    const int Ahead = 512;

    /// <summary>Runs turns up to their ends, some at once, and checks that their tokens make up their answers.</summary>
    Task TurnsAsync(string message, int count, int atOnce);

    /// <summary>Begins turns that do not end, and returns when each has had its first token.</summary>
    Task OpenAsync(int count);
}
