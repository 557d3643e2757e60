package protocol

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/coder/websocket"
)

const (
	// frameLimit is the protocol's, in both directions.
	frameLimit = 1 << 20
	// writeLimit bounds a write to a socket that no longer takes anything.
	writeLimit = 10 * time.Second
	// statusTokenExpired is the close code by which a server asks for a new token.
	statusTokenExpired websocket.StatusCode = 4401
)

// socket keeps a connection: it dials, reads, pings, and dials again when the connection is lost.
type socket struct {
	url     string
	options Options
	// ctx ends when nothing may begin any more; its cause says why.
	ctx    context.Context
	cancel context.CancelCauseFunc
	// conns gives the connection to whoever wants to write, while there is one.
	conns chan *websocket.Conn
	// attempts counts those to connect since the server was last heard.
	attempts int
	// done closes when nothing runs any more.
	done chan struct{}
}

func newSocket(url string, options Options) *socket {
	s := &socket{url: url, options: options, conns: make(chan *websocket.Conn), done: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	return s
}

// dial makes one connection. A token that is refused is asked for once more.
func (s *socket) dial(ctx context.Context) (*websocket.Conn, error) {
	ctx, cancel := within(ctx, s.options.ConnectTimeout, ErrConnectTimeout)
	defer cancel()
	conn, err := s.dialOnce(ctx)
	if errors.Is(err, ErrUnauthenticated) && s.options.Token != nil {
		conn, err = s.dialOnce(ctx)
	}
	if err != nil {
		return nil, failure("", "connecting", cmp.Or(context.Cause(ctx), err))
	}
	return conn, nil
}

func (s *socket) dialOnce(ctx context.Context) (*websocket.Conn, error) {
	by := *cmp.Or(s.options.HTTPClient, http.DefaultClient)
	// A redirect would take the token elsewhere.
	by.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	options := websocket.DialOptions{HTTPClient: &by, HTTPHeader: http.Header{}}
	maps.Copy(options.HTTPHeader, s.options.Header)
	if s.options.Token != nil {
		token, err := s.options.Token(ctx)
		if err != nil {
			return nil, fmt.Errorf("%w: asking for a token: %w", ErrConnectionFailed, err)
		}
		if s.options.TokenInSubprotocol {
			options.Subprotocols = []string{"smooth-operator", "bearer." + token}
		} else {
			options.HTTPHeader.Set("Authorization", "Bearer "+token)
		}
	}
	conn, response, err := websocket.Dial(ctx, s.url, &options)
	if err != nil {
		return nil, unopened(response, err)
	}
	conn.SetReadLimit(frameLimit)
	return conn, nil
}

// unopened says why a handshake failed, without the address, as that may hold a token.
func unopened(response *http.Response, err error) error {
	var where *url.Error
	if errors.As(err, &where) {
		err = where.Err
	}
	switch {
	case response == nil && (where == nil || where.Op == "parse"):
		return fmt.Errorf("the address must begin with ws:// or wss://: %w", err)
	case response == nil || response.StatusCode >= 500 || slices.Contains([]int{408, 425, 429}, response.StatusCode):
		return fmt.Errorf("%w: %w", ErrConnectionFailed, err)
	case response.StatusCode == http.StatusUnauthorized:
		return ErrUnauthenticated
	}
	return fmt.Errorf("%w HTTP %s: %w", ErrRefused, response.Status, err)
}

// run reads from one connection after the other until the client is closed or the server refuses it for good. It
// tells why each of them ended.
func (s *socket) run(conn *websocket.Conn, deliver func([]byte), lost func(cause error)) {
	defer close(s.done)
	for ; conn != nil; conn = s.redial() {
		err := s.read(conn, deliver)
		s.options.Logger.Info("the connection ended", "cause", err)
		lost(cmp.Or(context.Cause(s.ctx), fmt.Errorf("%w: %w", ErrConnectionLost, err)))
	}
}

// redial dials until it succeeds, with full jitter between the attempts; nil when nobody wants a connection any more.
func (s *socket) redial() *websocket.Conn {
	for pause(s.ctx, s.options.backoff(s.attempts, rand.Float64())) {
		s.attempts++
		conn, err := s.dial(s.ctx)
		if err == nil {
			s.options.Logger.Info("connected again", "attempts", s.attempts)
			return conn
		}
		s.options.Logger.Warn("connecting failed", "attempt", s.attempts, "cause", err)
		if errors.Is(err, ErrUnauthenticated) {
			s.cancel(ErrUnauthenticated)
		}
	}
	return nil
}

// backoff is a random part of a time that doubles with every attempt.
func (s *Settings) backoff(attempt int, random float64) time.Duration {
	return time.Duration(random * min(float64(s.LongestPause), math.Ldexp(float64(s.FirstPause), attempt)))
}

// pause waits, and tells whether ctx did not end meanwhile.
func pause(ctx context.Context, wait time.Duration) bool {
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	<-waiting.Done()
	return ctx.Err() == nil
}

// read delivers frames until the connection breaks.
func (s *socket) read(conn *websocket.Conn, deliver func([]byte)) error {
	alive, over := context.WithCancel(s.ctx)
	var beside sync.WaitGroup
	beside.Go(func() { s.offer(alive, conn) })
	beside.Go(func() { s.heartbeat(alive, conn) })
	defer func() {
		over()
		_ = conn.CloseNow() // what it would say is known already
		beside.Wait()
	}()
	for {
		kind, frame, err := conn.Read(context.Background()) // ends when the connection does
		if err != nil {
			if websocket.CloseStatus(err) == statusTokenExpired {
				err = fmt.Errorf("%w: %w", ErrUnauthenticated, err)
			}
			return err
		}
		s.attempts = 0
		if kind == websocket.MessageText {
			deliver(frame)
		}
	}
}

// offer gives the connection to whoever writes, and says goodbye when the client is closed.
func (s *socket) offer(alive context.Context, conn *websocket.Conn) {
	for {
		select {
		case s.conns <- conn:
		case <-alive.Done():
			if err := conn.Close(websocket.StatusNormalClosure, ""); err != nil {
				s.options.Logger.Debug("the goodbye was not answered", "cause", err)
			}
			return
		}
	}
}

// heartbeat ends a connection whose other side no longer answers.
func (s *socket) heartbeat(alive context.Context, conn *websocket.Conn) {
	for pause(alive, s.options.Heartbeat) {
		ctx, cancel := context.WithTimeout(alive, s.options.Heartbeat)
		err := conn.Ping(ctx)
		cancel()
		if err != nil {
			_ = conn.CloseNow() // the reader sees it and tells why
			return
		}
	}
}

// send waits for a connection and writes a frame; register comes before that, so that no answer is too fast. The write
// itself does not heed the caller's context: that would break the connection for everyone else.
func (s *socket) send(ctx context.Context, frame []byte, register func() error) error {
	if len(frame) > frameLimit {
		return fmt.Errorf("a frame may have %d bytes, this one has %d", frameLimit, len(frame))
	}
	var conn *websocket.Conn
	select {
	case conn = <-s.conns:
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := register(); err != nil {
		return err
	}
	writing, cancel := context.WithTimeout(context.Background(), writeLimit)
	defer cancel()
	if err := conn.Write(writing, websocket.MessageText, frame); err != nil {
		return cmp.Or(context.Cause(s.ctx), fmt.Errorf("%w: %w", ErrConnectionLost, err))
	}
	return nil
}

// close says goodbye and waits until nothing runs any more.
func (s *socket) close() {
	s.cancel(ErrClosed)
	<-s.done
}

// within bounds a context by a time-out, unless the context has a deadline of its own.
func within(ctx context.Context, limit time.Duration, late error) (context.Context, context.CancelFunc) {
	if _, has := ctx.Deadline(); has {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, limit, late)
}
