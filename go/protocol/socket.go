package protocol

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
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

	firstBackoff = 500 * time.Millisecond
	mostBackoff  = 20 * time.Second
)

// socket keeps a connection: it dials, reads, pings, and dials again when the connection is lost.
type socket struct {
	url     string
	options Options
	log     *slog.Logger
	ctx     context.Context
	cancel  context.CancelFunc
	done    chan struct{}

	mu sync.Mutex
	// conn is the connection, nil between two of them; changed closes when it is replaced.
	conn    *websocket.Conn
	changed chan struct{}
	dead    error
}

func newSocket(url string, options Options) *socket {
	ctx, cancel := context.WithCancel(context.Background())
	return &socket{
		url:     url,
		options: options,
		log:     options.Logger,
		ctx:     ctx,
		cancel:  cancel,
		done:    make(chan struct{}),
		changed: make(chan struct{}),
	}
}

// dial makes one connection. A token that is refused is asked for once more.
func (s *socket) dial(ctx context.Context) (*websocket.Conn, error) {
	ctx, cancel := within(ctx, s.options.ConnectTimeout, ErrConnectTimeout)
	defer cancel()
	conn, status, err := s.dialOnce(ctx)
	if status == http.StatusUnauthorized && s.options.Token != nil {
		conn, status, err = s.dialOnce(ctx)
	}
	switch {
	case err == nil:
		conn.SetReadLimit(frameLimit)
		return conn, nil
	case status == http.StatusUnauthorized:
		return nil, failure("", "connecting", ErrUnauthenticated)
	case ctx.Err() != nil:
		return nil, failure("", "connecting", context.Cause(ctx))
	}
	return nil, failure("", "connecting", fmt.Errorf("%w: %w", ErrConnectionFailed, err))
}

func (s *socket) dialOnce(ctx context.Context) (*websocket.Conn, int, error) {
	options := websocket.DialOptions{HTTPClient: s.options.HTTPClient, HTTPHeader: http.Header{}}
	maps.Copy(options.HTTPHeader, s.options.Header)
	if s.options.Token != nil {
		token, err := s.options.Token(ctx)
		if err != nil {
			return nil, 0, fmt.Errorf("asking for a token: %w", err)
		}
		if s.options.TokenInSubprotocol {
			options.Subprotocols = []string{"smooth-operator", "bearer." + token}
		} else {
			options.HTTPHeader.Set("Authorization", "Bearer "+token)
		}
	}
	conn, response, err := websocket.Dial(ctx, s.url, &options)
	if err != nil && response != nil {
		return nil, response.StatusCode, fmt.Errorf("the server answered %s", response.Status)
	}
	return conn, 0, err
}

// run reads from one connection after the other until the client is closed or the server refuses it for good. It
// tells every loss to lost, the last one with last set.
func (s *socket) run(conn *websocket.Conn, deliver func([]byte), lost func(cause error, last bool)) {
	defer close(s.done)
	for attempt := 0; ; {
		frames, err := s.read(conn, deliver)
		if dead := s.change(nil, nil); dead != nil {
			lost(dead, true)
			return
		}
		s.log.Info("connection lost", "cause", err)
		lost(fmt.Errorf("%w: %w", ErrConnectionLost, err), false)
		if frames > 0 {
			attempt = 0
		}
		if conn, attempt, err = s.redial(attempt); err != nil {
			s.log.Info("not connecting again", "cause", err)
			lost(s.change(nil, err), true)
			return
		}
		_ = s.change(conn, nil) // if the client was closed meanwhile, the reader sees it
	}
}

// redial dials until it succeeds, with full jitter between the attempts.
func (s *socket) redial(attempt int) (*websocket.Conn, int, error) {
	for {
		wait := time.NewTimer(backoff(attempt, rand.Float64()))
		attempt++
		select {
		case <-wait.C:
		case <-s.ctx.Done():
			wait.Stop()
			return nil, attempt, ErrClosed
		}
		conn, err := s.dial(s.ctx)
		switch {
		case err == nil:
			s.log.Info("connected again", "attempts", attempt)
			return conn, attempt, nil
		case s.ctx.Err() != nil:
			return nil, attempt, ErrClosed
		case errors.Is(err, ErrUnauthenticated):
			return nil, attempt, ErrUnauthenticated
		}
		s.log.Warn("connecting failed", "attempt", attempt, "cause", err)
	}
}

// backoff is a random part of a time that doubles with every attempt.
func backoff(attempt int, random float64) time.Duration {
	most := mostBackoff
	if attempt < 6 {
		most = min(most, firstBackoff<<attempt)
	}
	return time.Duration(random * float64(most))
}

// read delivers frames until the connection breaks, and counts them.
func (s *socket) read(conn *websocket.Conn, deliver func([]byte)) (frames int, err error) {
	stop := make(chan struct{})
	var beats sync.WaitGroup
	beats.Go(func() { s.heartbeat(conn, stop) })
	defer func() {
		close(stop)
		_ = conn.CloseNow() // what it would say is known already
		beats.Wait()
	}()
	for {
		kind, frame, err := conn.Read(s.ctx)
		if err != nil {
			if websocket.CloseStatus(err) == statusTokenExpired {
				err = fmt.Errorf("%w: %w", ErrUnauthenticated, err)
			}
			return frames, err
		}
		frames++
		if kind == websocket.MessageText {
			deliver(frame)
		}
	}
}

// heartbeat ends a connection whose other side no longer answers.
func (s *socket) heartbeat(conn *websocket.Conn, stop <-chan struct{}) {
	if s.options.Heartbeat <= 0 {
		return
	}
	ticker := time.NewTicker(s.options.Heartbeat)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
		ctx, cancel := context.WithTimeout(s.ctx, s.options.Heartbeat)
		err := conn.Ping(ctx)
		cancel()
		if err != nil {
			_ = conn.CloseNow() // the reader sees it and tells why
			return
		}
	}
}

// change replaces the connection, or makes every later use fail with a cause of death; the first one stays. It returns
// that cause.
func (s *socket) change(conn *websocket.Conn, dead error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conn, s.dead = conn, cmp.Or(s.dead, dead)
	close(s.changed)
	s.changed = make(chan struct{})
	return s.dead
}

// acquire waits for a connection.
func (s *socket) acquire(ctx context.Context) (*websocket.Conn, error) {
	for {
		s.mu.Lock()
		conn, changed, dead := s.conn, s.changed, s.dead
		s.mu.Unlock()
		switch {
		case dead != nil:
			return nil, dead
		case conn != nil:
			return conn, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// write sends a frame. It does not heed the caller's context: that would break the connection for everyone else.
func (s *socket) write(conn *websocket.Conn, frame []byte) error {
	if len(frame) > frameLimit {
		return fmt.Errorf("a frame may have %d bytes, this one has %d", frameLimit, len(frame))
	}
	ctx, cancel := context.WithTimeout(s.ctx, writeLimit)
	defer cancel()
	if err := conn.Write(ctx, websocket.MessageText, frame); err != nil {
		return fmt.Errorf("%w: %w", ErrConnectionLost, err)
	}
	return nil
}

// close says goodbye and waits until nothing runs any more.
func (s *socket) close() {
	s.mu.Lock()
	conn := s.conn
	s.mu.Unlock()
	_ = s.change(nil, ErrClosed) // nobody begins anything any more
	if conn != nil {
		if err := conn.Close(websocket.StatusNormalClosure, ""); err != nil {
			s.log.Debug("the goodbye was not answered", "cause", err)
		}
	}
	s.cancel()
	<-s.done
}

// within bounds a context by a time-out, unless the context has a deadline of its own.
func within(ctx context.Context, limit time.Duration, late error) (context.Context, context.CancelFunc) {
	if _, has := ctx.Deadline(); has || limit < 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, limit, late)
}
