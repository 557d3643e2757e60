namespace SmooAI.SmoothOperator.Tests;

/// <summary>The clock of a turn, with a time that the test sets.</summary>
public sealed class TurnClockTests
{
    /// <summary>A time that stands still until it is moved; timers fire when they are due, on the thread that moves it.</summary>
    private sealed class SetTime : TimeProvider
    {
        private readonly List<SetTimer> _timers = [];
        private TimeSpan _now;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _now.Ticks;

        public int Running => _timers.Count(static timer => timer.Due is not null);

        public void Move(TimeSpan by)
        {
            _now += by;
            foreach (var timer in _timers.Where(timer => timer.Due <= _now).ToList())
            {
                timer.Fire();
            }
        }

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            var timer = new SetTimer(this, () => callback(state));
            timer.Change(dueTime, period);
            _timers.Add(timer);
            return timer;
        }

        private sealed class SetTimer(SetTime time, Action fire) : ITimer
        {
            public TimeSpan? Due { get; private set; }

            public void Fire()
            {
                Due = null;
                fire();
            }

            public bool Change(TimeSpan dueTime, TimeSpan period)
            {
                Due = time._now + dueTime;
                return true;
            }

            public void Dispose() => Due = null;

            public ValueTask DisposeAsync()
            {
                Dispose();
                return ValueTask.CompletedTask;
            }
        }
    }

    [Fact]
    public void ItStandsStillWhileTheTurnIsParked()
    {
        var (time, fired) = (new SetTime(), 0);
        TurnClock? clock = null;
        clock = new TurnClock(time, TimeSpan.FromSeconds(10), Timeout.InfiniteTimeSpan, () => fired += clock!.RanOut() is not null ? 1 : 0);
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
        clock = new TurnClock(time, Timeout.InfiniteTimeSpan, TimeSpan.FromSeconds(10), () => fired += clock!.RanOut() is not null ? 1 : 0);
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
