// Package protocoltest is a scripted server for tests of programs that use the client: it speaks the protocol over a
// real socket of this machine and says exactly what a test tells it to say.
package protocoltest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/SmooAI/smooth-operator/go/protocol"
	"github.com/coder/websocket"
)

// patience bounds every wait of a script, so that a test fails instead of hanging.
const patience = 10 * time.Second

// Script plays the server's part on one connection, and ends it by returning.
type Script func(*Conn) error

// Server accepts connections and plays a script on each.
type Server struct {
	// URL is what a client dials.
	URL string

	http   http.Server
	ctx    context.Context
	cancel context.CancelFunc
	plays  sync.WaitGroup

	mu   sync.Mutex
	errs []error
}

// Option changes a server.
type Option func(*settings)

type settings struct {
	authorize func(token string) bool
}

// WithTokens makes the server refuse a handshake with 401 unless authorize says yes to its bearer token, which may come
// in the Authorization header or as a subprotocol; a handshake without one has the token "".
func WithTokens(authorize func(token string) bool) Option {
	return func(s *settings) { s.authorize = authorize }
}

// NewServer starts a server on a free port. Close it when the test is over.
func NewServer(script Script, options ...Option) (*Server, error) {
	var chosen settings
	for _, option := range options {
		option(&chosen)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{URL: "ws://" + listener.Addr().String() + "/ws"}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if chosen.authorize != nil && !chosen.authorize(token(r)) {
			http.Error(w, "the token is not accepted", http.StatusUnauthorized)
			return
		}
		if s.begin() {
			defer s.plays.Done()
			s.note(s.play(w, r, script))
		}
	})
	s.plays.Go(func() { _ = s.http.Serve(listener) }) // it ends when Close closes the listener
	return s, nil
}

// begin counts one more play, unless Close waits for the last of them.
func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return false
	}
	s.plays.Add(1)
	return true
}

func token(r *http.Request) string {
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return bearer
	}
	for part := range strings.SplitSeq(r.Header.Get("Sec-WebSocket-Protocol"), ",") {
		if bearer, ok := strings.CutPrefix(strings.TrimSpace(part), "bearer."); ok {
			return bearer
		}
	}
	return ""
}

func (s *Server) play(w http.ResponseWriter, r *http.Request, script Script) error {
	socket, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"smooth-operator"}})
	if err != nil {
		return err
	}
	defer func() { _ = socket.CloseNow() }() // the script may have closed it already
	socket.SetReadLimit(1 << 20)
	return script(&Conn{ctx: s.ctx, socket: socket})
}

// note keeps what went wrong in a script; that the client or the test hung up is no fault.
func (s *Server) note(err error) {
	said := websocket.CloseStatus(err)
	hungUp := said == websocket.StatusNormalClosure || said == websocket.StatusGoingAway
	for _, broken := range []error{io.EOF, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE} {
		hungUp = hungUp || errors.Is(err, broken)
	}
	if err == nil || hungUp || s.ctx.Err() != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs = append(s.errs, err)
}

// Close ends every connection, and returns what went wrong in the scripts.
func (s *Server) Close() error {
	s.mu.Lock()
	s.cancel()
	s.mu.Unlock()
	err := s.http.Close()
	s.plays.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(append(s.errs, err)...)
}

// Conn is one connection, as a script sees it.
type Conn struct {
	ctx    context.Context
	socket *websocket.Conn
}

// Next waits for the client's next action.
func (c *Conn) Next() (protocol.Action, error) {
	ctx, cancel := context.WithTimeoutCause(c.ctx, patience, errors.New("the client said nothing"))
	defer cancel()
	_, frame, err := c.socket.Read(ctx)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, err
	}
	return protocol.UnmarshalAction(frame)
}

// Wait lets the client say what it likes, without an answer, until it hangs up.
func (c *Conn) Wait() error {
	for {
		if _, err := c.Next(); err != nil {
			return err
		}
	}
}

// Expect waits for the client's next action, which must be of one type.
func Expect[A protocol.Action](c *Conn) (A, error) {
	action, err := c.Next()
	wanted, ok := action.(A)
	if err == nil && !ok {
		err = fmt.Errorf("the client said %s instead of %T", action.ActionTag(), wanted)
	}
	return wanted, err
}

// Send says events, in order.
func (c *Conn) Send(events ...protocol.Event) error {
	for _, event := range events {
		frame, err := json.Marshal(event)
		if err != nil {
			return err
		}
		if err := c.SendText(string(frame)); err != nil {
			return err
		}
	}
	return nil
}

// SendText sends a text frame as it is, broken ones too.
func (c *Conn) SendText(frame string) error {
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	return c.socket.Write(ctx, websocket.MessageText, []byte(frame))
}

// Drop breaks the connection without a goodbye.
func (c *Conn) Drop() error { return c.socket.CloseNow() }

// Close ends the connection with a close code, such as 4401 for a token that is no longer accepted.
func (c *Conn) Close(code int, reason string) error {
	return c.socket.Close(websocket.StatusCode(code), reason)
}
