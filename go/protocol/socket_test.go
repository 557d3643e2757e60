package protocol_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/SmooAI/smooth-operator/go/protocol"
	"github.com/SmooAI/smooth-operator/go/protocol/protocoltest"
)

func TestALostConnectionIsMadeAgain(t *testing.T) {
	var plays atomic.Int32
	server := serve(t, func(c *protocoltest.Conn) error {
		if plays.Add(1) > 1 {
			return protocoltest.Assistant("back")(c)
		}
		message, err := protocoltest.Expect[*protocol.SendMessageParams](c)
		if err != nil {
			return err
		}
		return errors.Join(c.Send(protocoltest.Accepted(message)), c.Drop())
	})
	client := dial(t, server.URL, nil)
	turn := send(t, client, "hello")
	_, err := turn.Wait(bounded(t))
	var failed *protocol.Error
	if !errors.Is(err, protocol.ErrConnectionLost) || !errors.As(err, &failed) || !failed.Retryable() {
		t.Fatalf("got %v", err)
	}
	var last error
	for _, err := range turn.Events(bounded(t)) {
		last = err
	}
	if !errors.Is(last, protocol.ErrConnectionLost) {
		t.Errorf("the events ended with %v", last)
	}
	if text, err := send(t, client, "again").Text(bounded(t)); err != nil || text != "back" {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestACallWaitsForTheConnectionOnlySoLong(t *testing.T) {
	server, err := protocoltest.NewServer(func(c *protocoltest.Conn) error {
		_, err := c.Next()
		return errors.Join(err, c.Drop())
	})
	if err != nil {
		t.Fatal(err)
	}
	client := dial(t, server.URL, &protocol.Options{Settings: protocol.Settings{RequestTimeout: 50 * time.Millisecond}})
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	for !errors.Is(err, protocol.ErrTimeout) { // first it may still see the old connection break
		_, err = client.Ping(t.Context(), protocol.PingParams{})
		if err != nil && !errors.Is(err, protocol.ErrTimeout) && !errors.Is(err, protocol.ErrConnectionLost) {
			t.Fatalf("got %v", err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := client.Ping(ctx, protocol.PingParams{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestACallThatIsNotAnsweredTimesOut(t *testing.T) {
	options := &protocol.Options{Settings: protocol.Settings{RequestTimeout: 20 * time.Millisecond}}
	client := dial(t, serve(t, (*protocoltest.Conn).Wait).URL, options)
	if _, err := client.Ping(t.Context(), protocol.PingParams{}); !errors.Is(err, protocol.ErrTimeout) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client.Ping(ctx, protocol.PingParams{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestTokens(t *testing.T) {
	for _, subprotocol := range []bool{false, true} {
		t.Run(fmt.Sprintf("subprotocol %v", subprotocol), func(t *testing.T) {
			var asked atomic.Int32
			current := "secret-1"
			var mu sync.Mutex
			server := serve(t, func(c *protocoltest.Conn) error {
				if asked.Load() > 2 {
					return protocoltest.Assistant("hello")(c)
				}
				mu.Lock()
				current = "secret-3"
				mu.Unlock()
				if err := c.Close(4401, "the token expired"); err != nil {
					return nil // the client hangs up without waiting
				}
				return nil
			}, protocoltest.WithTokens(func(token string) bool {
				mu.Lock()
				defer mu.Unlock()
				return token == current || token == "secret-2"
			}))
			var log bytes.Buffer
			var logging sync.Mutex
			options := &protocol.Options{
				TokenInSubprotocol: subprotocol,
				Logger:             slog.New(slog.NewTextHandler(locked{&logging, &log}, &slog.HandlerOptions{Level: slog.LevelDebug})),
				// The first token is refused, the second accepted and expired by 4401, the third good.
				Token: func(context.Context) (string, error) {
					return []string{"secret-0", "secret-2", "secret-3"}[min(asked.Add(1)-1, 2)], nil
				},
			}
			client := dial(t, server.URL, options)
			var text string
			var err error
			for text == "" && bounded(t).Err() == nil { // the first message may still meet the old connection
				var turn *protocol.Turn
				turn, err = client.SendMessage(bounded(t), protocol.SendMessageParams{SessionID: "s", Message: "m"})
				if err == nil {
					text, err = turn.Text(bounded(t))
				}
				if err != nil && !errors.Is(err, protocol.ErrConnectionLost) {
					t.Fatal(err)
				}
			}
			if text != "hello" {
				t.Errorf("got %q, %v", text, err)
			}
			logging.Lock()
			defer logging.Unlock()
			if strings.Contains(log.String(), "secret") || !strings.Contains(log.String(), "the connection ended") {
				t.Errorf("the log: %s", log.String())
			}
		})
	}
}

func TestItIsSilentWithoutALogger(t *testing.T) {
	var log bytes.Buffer
	var logging sync.Mutex
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(locked{&logging, &log}, &slog.HandlerOptions{Level: slog.LevelDebug})))
	defer slog.SetDefault(before)
	var plays atomic.Int32
	server := serve(t, func(c *protocoltest.Conn) error {
		if plays.Add(1) > 1 {
			return protocoltest.Assistant("back")(c)
		}
		return errors.Join(c.SendText("no frame"), c.Drop())
	})
	client := dial(t, server.URL, nil)
	for _, err := client.Ping(bounded(t), protocol.PingParams{}); err != nil; { // it may still meet the old connection
		_, err = client.Ping(bounded(t), protocol.PingParams{})
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	logging.Lock()
	defer logging.Unlock()
	if log.Len() > 0 {
		t.Errorf("the log: %s", log.String())
	}
}

type locked struct {
	mu *sync.Mutex
	to *bytes.Buffer
}

func (l locked) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to.Write(text)
}

func TestATokenThatIsRefusedTwiceEndsIt(t *testing.T) {
	server := serve(t, (*protocoltest.Conn).Wait, protocoltest.WithTokens(func(string) bool { return false }))
	_, err := protocol.Dial(bounded(t), server.URL, &protocol.Options{Token: protocol.StaticToken("secret")})
	if !errors.Is(err, protocol.ErrUnauthenticated) || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
	broken := errors.New("the vault is closed")
	_, err = protocol.Dial(bounded(t), server.URL, &protocol.Options{Token: func(context.Context) (string, error) { return "", broken }})
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func TestWhyThereIsNoConnection(t *testing.T) {
	status, asked := 0, 0
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
	}))
	address := "ws" + strings.TrimPrefix(page.URL, "http") + "/ws?token=secret"
	fails := func(url string, why error, retryable bool, says string) {
		t.Helper()
		_, err := protocol.Dial(bounded(t), url, nil)
		var failed *protocol.Error
		if !errors.As(err, &failed) || failed.Retryable() != retryable || why != nil && !errors.Is(err, why) {
			t.Errorf("got %v", err)
		}
		if !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("it says: %v", err)
		}
	}
	for _, status = range []int{200, 302, 404} {
		says := fmt.Sprintf("are the address of the WebSocket endpoint and the token right? HTTP %d ", status)
		fails(address, protocol.ErrRefused, false, says)
	}
	status = 202 // why it is none is told too
	fails(address, protocol.ErrRefused, false, "HTTP 202 Accepted: failed to WebSocket dial: expected")
	for _, status = range []int{408, 429, 503} {
		fails(address, protocol.ErrConnectionFailed, true, fmt.Sprintf("got %d", status))
	}
	page.Close()
	if asked != 7 {
		t.Errorf("7 handshakes made %d requests", asked)
	}
	fails(address, protocol.ErrConnectionFailed, true, "dial tcp")
	for _, url := range []string{"127.0.0.1:8787/ws?token=secret", "ftp://127.0.0.1/?token=secret", "ws://[?token=secret", ""} {
		fails(url, nil, false, "must begin with ws://")
	}
}

func TestConnectingTimesOut(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	url := "ws://" + listener.Addr().String()
	options := &protocol.Options{Settings: protocol.Settings{ConnectTimeout: 20 * time.Millisecond}}
	if _, err := protocol.Dial(t.Context(), url, options); !errors.Is(err, protocol.ErrConnectTimeout) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := protocol.Dial(ctx, url, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestAServerThatStopsAnsweringPingsIsLost(t *testing.T) {
	release := make(chan struct{})
	server := serve(t, func(c *protocoltest.Conn) error {
		<-release // it does not read, so it answers no ping
		return nil
	})
	client := dial(t, server.URL, &protocol.Options{Settings: protocol.Settings{Heartbeat: 20 * time.Millisecond}})
	turn, err := client.SendMessage(bounded(t), protocol.SendMessageParams{SessionID: "s", Message: "m"})
	if err == nil { // else the connection was given up even before the message
		_, err = turn.Wait(bounded(t))
	}
	close(release)
	if !errors.Is(err, protocol.ErrConnectionLost) {
		t.Errorf("got %v", err)
	}
}

func TestClosingEndsEverything(t *testing.T) {
	client := dial(t, serve(t, (*protocoltest.Conn).Wait).URL, nil)
	turn := send(t, client, "hello")
	called := make(chan error)
	go func() {
		_, err := client.Ping(bounded(t), protocol.PingParams{})
		called <- err
	}()
	iterated := make(chan error)
	go func() {
		var last error
		for _, err := range turn.Events(bounded(t)) {
			last = err
		}
		iterated <- last
	}()
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	if _, err := turn.Wait(bounded(t)); !errors.Is(err, protocol.ErrClosed) {
		t.Errorf("the turn: %v", err)
	}
	if err := <-called; !errors.Is(err, protocol.ErrClosed) {
		t.Errorf("the call: %v", err)
	}
	if err := <-iterated; !errors.Is(err, protocol.ErrClosed) {
		t.Errorf("the events: %v", err)
	}
	if _, err := client.SendMessage(bounded(t), protocol.SendMessageParams{}); !errors.Is(err, protocol.ErrClosed) {
		t.Errorf("after it: %v", err)
	}
	if err := client.Cancel(bounded(t), protocol.CancelParams{}); !errors.Is(err, protocol.ErrClosed) {
		t.Errorf("after it: %v", err)
	}
}

func TestAFrameBeyondTheLimitIsNotSent(t *testing.T) {
	client := dial(t, serve(t, protocoltest.Assistant("still here")).URL, nil)
	huge := protocol.SendMessageParams{SessionID: "s", Message: strings.Repeat("x", 1<<20)}
	if _, err := client.SendMessage(bounded(t), huge); err == nil || !strings.Contains(err.Error(), "1048576 bytes") {
		t.Errorf("got %v", err)
	}
	if text, err := send(t, client, "hello").Text(bounded(t)); err != nil || text != "still here" {
		t.Errorf("got %q, %v", text, err)
	}
}
