namespace SmooAI.SmoothOperator.Tests;

/// <summary>The clock of a turn, with a time that the test sets.</summary>
public sealed class TurnClockTests
{
    private static SmoothAgentOptions Limits(TimeProvider time) => new()
    {
        Url = new Uri("ws://127.0.0.1:1/ws"),
        TimeProvider = time,
        TurnTimeout = Timeout.InfiniteTimeSpan,
        IdleTimeout = Timeout.InfiniteTimeSpan,
    };

    [Fact]
    public void ItStandsStillWhileTheTurnIsParked()
    {
        var (time, fired) = (new SetTime(), 0);
        TurnClock? clock = null;
        clock = new TurnClock(Limits(time) with { TurnTimeout = TimeSpan.FromSeconds(10) }, () => fired += clock!.RanOut() is not null ? 1 : 0);
        clock.Start();
        time.Move(TimeSpan.FromSeconds(6));
        clock.Stop();
        Assert.Equal(0, time.Running);
        time.Move(TimeSpan.FromHours(1));
        clock.Start();
        time.Move(TimeSpan.FromSeconds(3.9));
        Assert.Equal(0, fired);
        time.Move(TimeSpan.FromSeconds(0.2));
        Assert.Equal(1, fired);
    }

    [Fact]
    public void EveryEventBeginsTheSilenceAnew()
    {
        var (time, fired) = (new SetTime(), 0);
        TurnClock? clock = null;
        clock = new TurnClock(Limits(time) with { IdleTimeout = TimeSpan.FromSeconds(10) }, () => fired += clock!.RanOut() is not null ? 1 : 0);
        clock.Start();
        for (var heard = 0; heard < 5; heard++)
        {
            time.Move(TimeSpan.FromSeconds(9));
            clock.Heard();
        }

        Assert.Equal(0, fired);
        time.Move(TimeSpan.FromSeconds(10.1));
        Assert.Equal(1, fired);
    }
}
