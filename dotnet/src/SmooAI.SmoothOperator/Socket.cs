namespace SmooAI.SmoothOperator;

/// <summary>Keeps a connection: opens it, and opens it again when it is lost.</summary>
/// <param name="options">How to connect.</param>
/// <param name="mux">Takes every frame, and is told of every loss.</param>
internal sealed class Socket(SmoothAgentOptions options, Mux mux)
{
    private readonly object _gate = new();
    private readonly SemaphoreSlim _opening = new(1, 1);
    private readonly CancellationTokenSource _stop = new();

    /// <summary>The connection, or the wait for one; null in the end.</summary>
    private volatile TaskCompletionSource<Link?> _link = NewLink();

    /// <summary>Why there will be no connection any more.</summary>
    private volatile Func<string?, Exception>? _dead;

    private Task _run = Task.CompletedTask;

    /// <summary>Opens the first connection, once; only then are lost ones opened again.</summary>
    public async Task OpenAsync(SmoothAgentOptions own, CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token, cancellationToken);
        await _opening.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_run.IsCompleted)
            {
                var link = await DialAsync(own, 1, either.Token).ConfigureAwait(false);
                _run = Task.Run(() => RunAsync(link), CancellationToken.None);
            }
        }
        catch (OperationCanceledException) when (_dead is { } dead && !cancellationToken.IsCancellationRequested)
        {
            throw dead(null);
        }
        finally
        {
            _opening.Release();
        }
    }

    /// <summary>Sends a frame when there is a connection.</summary>
    public async Task SendAsync(byte[] frame, string requestId, CancellationToken cancellationToken)
    {
        if (frame.Length > Link.FrameLimit)
        {
            throw new ProtocolException($"a frame may have {Link.FrameLimit} bytes, this one has {frame.Length}", requestId);
        }

        var link = await _link.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await (link?.SendAsync(frame, cancellationToken) ?? throw new ChannelClosedException()).ConfigureAwait(false);
        }
        catch (ChannelClosedException error)
        {
            throw _dead?.Invoke(requestId) ?? new ConnectionLostException("the connection was lost while sending", requestId, error);
        }
    }

    /// <summary>Says goodbye and waits until nothing runs any more, however often it is called.</summary>
    public async Task CloseAsync()
    {
        Die(static requestId => new ClientClosedException(requestId));
        await _run.ConfigureAwait(false);
        await _stop.CancelAsync().ConfigureAwait(false);
    }

    private static TaskCompletionSource<Link?> NewLink() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Makes every later use fail, the first cause stays, and ends what runs after a goodbye.</summary>
    private void Die(Func<string?, Exception> cause)
    {
        lock (_gate)
        {
            _dead ??= cause;
            _link.TrySetResult(null);
            _link.Task.Result?.Finish();
            _stop.CancelAfter(_link.Task.Result is null ? TimeSpan.Zero : Link.GoodbyeLimit);
        }
    }

    /// <summary>Makes a connection and gives it to those who wait for one.</summary>
    private async Task<Link> DialAsync(SmoothAgentOptions own, int attempt, CancellationToken cancellationToken)
    {
        var link = await own.WithinAsync(TimeLimit.Connect, null, limited => Link.OpenAsync(own, limited), cancellationToken).ConfigureAwait(false);
        ClientLog.Instance.Connected(attempt);
        _link.TrySetResult(link);
        return link;
    }

    /// <summary>
    /// Uses one connection after the other until the client is closed or refused for good, with full jitter between the
    /// attempts to make one.
    /// </summary>
    private async Task RunAsync(Link? link)
    {
        var attempts = 0;
        while (link is not null || _dead is null)
        {
            try
            {
                if (link is null)
                {
                    await Task.Delay(options.Backoff(attempts), options.TimeProvider, _stop.Token).ConfigureAwait(false);
                    link = await DialAsync(options, ++attempts, _stop.Token).ConfigureAwait(false);
                }

                await UseAsync(link).ConfigureAwait(false);
                attempts = link.HasHeard ? 0 : attempts;
                link = null;
            }
            catch (UnauthenticatedException error)
            {
                ClientLog.Instance.GaveUp(error.Message);
                Die(static requestId => new UnauthenticatedException(requestId));
            }
            catch (SmoothOperatorException error)
            {
                ClientLog.Instance.AttemptFailed(attempts, error.Message);
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                return;
            }
        }
    }

    /// <summary>Reads and writes until a connection has ended, and tells those who wait for an answer.</summary>
    private async Task UseAsync(Link link)
    {
        var cause = await link.RunAsync(mux, _stop.Token).ConfigureAwait(false);
        lock (_gate)
        {
            _link = _dead is null ? NewLink() : _link;
        }

        // A goodbye that was answered is no loss.
        if (_dead is null || _stop.IsCancellationRequested)
        {
            ClientLog.Instance.Lost(cause.Message);
        }

        mux.Fail(_dead ?? (requestId => new ConnectionLostException("the connection was lost", requestId, cause)));
    }
}
