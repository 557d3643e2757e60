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
        var (time, fired) = (new SetTime(), new List<TimeLimit>());
        using var clock = new TurnClock(Limits(time) with { TurnTimeout = TimeSpan.FromSeconds(10) }, fired.Add);
        clock.Run();
        time.Move(TimeSpan.FromSeconds(6));
        clock.Stop();
        clock.Stop();
        Assert.Equal(0, time.Running);
        time.Move(TimeSpan.FromHours(1));
        clock.Run();
        time.Move(TimeSpan.FromSeconds(3.9));
        clock.Run();
        Assert.Empty(fired);
        time.Move(TimeSpan.FromSeconds(0.2));
        Assert.Equal([TimeLimit.Turn], fired);
    }

    [Fact]
    public void EveryEventBeginsTheSilenceAnew()
    {
        var (time, fired) = (new SetTime(), new List<TimeLimit>());
        using var clock = new TurnClock(Limits(time) with { IdleTimeout = TimeSpan.FromSeconds(10) }, fired.Add);
        for (var heard = 0; heard < 5; heard++)
        {
            clock.Run();
            time.Move(TimeSpan.FromSeconds(9));
        }

        Assert.Empty(fired);
        time.Move(TimeSpan.FromSeconds(1.1));
        Assert.Equal([TimeLimit.Idle], fired);
    }

    [Fact]
    public void ALimitMayBeMoreThanATimerTakesOrLessThanNothing()
    {
        var fired = new List<TimeLimit>();
        using var patient = new TurnClock(Limits(TimeProvider.System) with { TurnTimeout = TimeSpan.MaxValue, IdleTimeout = TimeSpan.MaxValue }, fired.Add);
        patient.Run();
        Assert.Empty(fired);
        var time = new SetTime();
        using var hasty = new TurnClock(Limits(time) with { TurnTimeout = TimeSpan.FromSeconds(-1) }, fired.Add);
        hasty.Run();
        time.Move(TimeSpan.Zero);
        Assert.Equal([TimeLimit.Turn], fired);
    }

    [Fact]
    public void ATimeThatRanOutWhenItWasStoppedRunsOutAtOnceWhenItGoesOn()
    {
        var (time, fired) = (new SetTime(), new List<TimeLimit>());
        using var clock = new TurnClock(Limits(time) with { TurnTimeout = TimeSpan.FromSeconds(10) }, fired.Add);
        clock.Run();
        time.Move(TimeSpan.FromSeconds(11));
        clock.Stop();
        clock.Run();
        time.Move(TimeSpan.Zero);
        Assert.Equal([TimeLimit.Turn, TimeLimit.Turn], fired);
    }
}
