package protocol

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"time"
)

var errInUse = errors.New("another call or turn has this requestId")

// Options tune a client; nil and the zero value are good for most. A context with a deadline replaces the connect and
// the request time-out for that call.
type Options struct {
	// Token is asked for a bearer token at every connect, and once more when the server refuses one. Nil: none is sent.
	Token func(ctx context.Context) (string, error)
	// TokenInSubprotocol sends the token in Sec-WebSocket-Protocol instead of the Authorization header.
	TokenInSubprotocol bool
	// Header is sent with the handshake.
	Header http.Header
	// HTTPClient makes the handshake, without following redirects. Nil: http.DefaultClient.
	HTTPClient *http.Client
	// Logger is told of connects, losses and strange frames, never of tokens or contents. Nil: silence.
	Logger *slog.Logger
	// OnEvent takes the events that belong to no call or turn under way. It runs on the goroutine that reads, so it
	// must not block; to call the client it starts a goroutine of its own.
	OnEvent func(Event)
	Settings
}

// Client speaks to a server over one WebSocket, which it opens again when it is lost. Its methods may be called at
// once from any number of goroutines.
type Client struct {
	options Options
	socket  *socket
	mux     mux
}

// StaticToken is a Token that is always the same.
func StaticToken(token string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return token, nil }
}

// Dial connects to a server, such as "ws://127.0.0.1:8787/ws". Close the client when it is no longer needed.
func Dial(ctx context.Context, url string, options *Options) (*Client, error) {
	c := &Client{options: *cmp.Or(options, &Options{})}
	c.options.fill()
	c.options.Logger = cmp.Or(c.options.Logger, slog.New(slog.DiscardHandler))
	c.socket = newSocket(url, c.options)
	c.mux.stray = c.stray
	conn, err := c.socket.dial(ctx)
	if err != nil {
		return nil, err
	}
	go c.socket.run(conn, c.mux.deliver, c.mux.failAll)
	return c, nil
}

// limit is a time-out as it was chosen, or the usual one; a negative one never comes.
func limit(chosen, usual time.Duration) time.Duration {
	if chosen < 0 {
		return math.MaxInt64
	}
	return cmp.Or(chosen, usual)
}

// Close ends the connection. What is under way fails with ErrClosed; when Close returns, nothing of the client runs.
// It returns nil; the result makes a Client an io.Closer.
func (c *Client) Close() error {
	c.socket.close()
	return nil
}

// SendMessage: Sends a message of the user and starts a turn. It returns when the message is on its way; whether the
// server accepts it is the turn's first event. Ending ctx after that ends nothing: see [Turn.Cancel].
func (c *Client) SendMessage(ctx context.Context, params SendMessageParams, options ...TurnOption) (*Turn, error) {
	params.RequestID = withID(params.RequestID)
	turn := newTurn(c, *params.RequestID, params.SessionID, options)
	err := c.send(ctx, &params, func() error {
		turn.resume() // now: once it is sent it may be parked at any moment
		return claim(&c.mux.turns, turn.RequestID, turn)
	})
	if err != nil {
		turn.fail(err)
		return nil, err
	}
	return turn, nil
}

// send writes an action, registered before so that no answer can be too fast.
func (c *Client) send(ctx context.Context, action Action, register func() error) error {
	ctx, cancel := within(ctx, c.options.RequestTimeout, ErrRequestTimeout)
	defer cancel()
	frame, err := marshal(action, writeAction)
	if err == nil {
		err = c.socket.send(ctx, frame, register)
	}
	if err != nil {
		return failure(action.GetRequestID(), "sending", err)
	}
	return nil
}

// withID makes a requestId where the caller chose none.
func withID(id *string) *string { return cmp.Or(id, Ptr(rand.Text())) }

// exchange sends an action and waits for its answer.
func (c *Client) exchange(ctx context.Context, action Action, events ...string) (answer, error) {
	ctx, cancel := within(ctx, c.options.RequestTimeout, ErrRequestTimeout)
	defer cancel()
	id := action.GetRequestID()
	wait := &pending{events: events, answer: make(chan answer, 1)}
	defer c.mux.calls.CompareAndDelete(id, wait)
	err := c.send(ctx, action, func() error { return claim(&c.mux.calls, id, wait) })
	if err != nil {
		return answer{}, err
	}
	select {
	case got := <-wait.answer:
		return got, got.err
	case <-ctx.Done():
		return answer{}, failure(id, "waiting for an answer", context.Cause(ctx))
	}
}

// call, await and tell are what the generated methods are made of.
func call[T any](ctx context.Context, c *Client, action Action, read func(*reader) (T, error)) (*T, error) {
	got, err := c.exchange(ctx, action, "immediate_response", "interaction_invalid")
	if err != nil {
		return nil, err
	}
	reply, err := unmarshal(peek(got.frame, "data", (*reader).raw), read)
	if err != nil {
		return nil, failure(got.event.GetRequestID(), "reading the data of a reply", under(err, "data"))
	}
	return &reply, nil
}

func await[T Event](ctx context.Context, c *Client, action Action, events ...string) (T, error) {
	got, err := c.exchange(ctx, action, events...)
	event, _ := got.event.(T)
	return event, err
}

func tell(ctx context.Context, c *Client, action Action) error {
	return c.send(ctx, action, func() error { return nil })
}

// stray takes what nobody waits for.
func (c *Client) stray(event Event, err error) {
	switch {
	case err != nil:
		c.options.Logger.Warn("a frame cannot be read", "cause", err)
	case c.options.OnEvent != nil:
		c.options.OnEvent(event)
	default:
		c.options.Logger.Debug("an event that nobody waits for", "type", event.EventTag())
	}
}
