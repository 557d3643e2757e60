// Command conformance is the driver of the Go client: it carries out the harness's commands by the public client and
// reports what a caller sees. It knows no scenario and judges nothing.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/SmooAI/smooth-operator/go/conformance/wire"
	"github.com/SmooAI/smooth-operator/go/protocol"
)

// frameLimit is the longest frame in bytes, without its length.
const frameLimit = 16 << 20

// driver keeps what the harness has named. Commands are carried out at once, each on a goroutine of its own.
type driver struct {
	out   io.Writer
	tasks sync.WaitGroup

	writing sync.Mutex
	mu      sync.Mutex
	clients map[string]client
	turns   map[string]*follower
}

// client is a client and the options it was made with.
type client struct {
	*protocol.Client
	options protocol.Options
}

func main() {
	if err := drive(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "the driver:", err)
		os.Exit(1)
	}
}

// drive obeys commands until exit or the end of the input.
func drive(in io.Reader, out io.Writer) error {
	d := &driver{out: out, clients: map[string]client{}, turns: map[string]*follower{}}
	d.report(&wire.ReadyReport{Language: "go", Client: "github.com/SmooAI/smooth-operator/go/protocol"})
	input := bufio.NewReader(in)
	for {
		command, err := read(input)
		if errors.Is(err, io.EOF) {
			d.end()
			return nil
		}
		if err != nil {
			return err
		}
		if exit, ok := command.(*wire.ExitCommand); ok {
			d.end()
			d.report(&wire.DoneReport{ID: exit.ID})
			return nil
		}
		d.tasks.Go(func() {
			if err := d.carryOut(command); err != nil {
				d.report(&wire.BrokenReport{ID: wire.Ptr(command.GetID()), Message: err.Error()})
			}
		})
	}
}

func read(in io.Reader) (wire.Command, error) {
	var length uint32
	if err := binary.Read(in, binary.BigEndian, &length); err != nil {
		return nil, err
	}
	if length > frameLimit {
		return nil, fmt.Errorf("a frame of %d bytes; the limit is %d", length, frameLimit)
	}
	frame := make([]byte, length)
	if _, err := io.ReadFull(in, frame); err != nil {
		return nil, fmt.Errorf("within a frame: %v", err)
	}
	return wire.UnmarshalCommand(frame)
}

// report writes a report whole. When nobody reads any more the input ends too, and with it the driver.
func (d *driver) report(report wire.Report) {
	body, err := json.Marshal(report)
	if err != nil {
		body, _ = json.Marshal(&wire.BrokenReport{Message: fmt.Sprintf("a report of %s: %v", report.ReportTag(), err)})
	}
	frame := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(body)), uint32(len(body)))
	d.writing.Lock()
	defer d.writing.Unlock()
	if _, err := d.out.Write(append(frame, body...)); err != nil {
		fmt.Fprintln(os.Stderr, "a report cannot be written:", err)
	}
}

func (d *driver) carryOut(command wire.Command) error {
	switch command := command.(type) {
	case *wire.OpenCommand:
		d.open(command)
	case *wire.CallCommand:
		client, err := d.client(command.Client)
		if err != nil {
			return err
		}
		ctx, cancel := limited(command.Timeouts)
		defer cancel()
		reply, err := call(ctx, client.Client, command.Action, command.Params)
		d.answer(command.ID, reply, err)
	case *wire.DecodeCommand:
		reply, err := decode(command.Text)
		d.answer(command.ID, reply, err)
	case *wire.StartTurnCommand:
		client, err := d.client(command.Client)
		if err != nil {
			return err
		}
		d.startTurn(client.Client, command)
	case *wire.CloseCommand:
		client, err := d.client(command.Client)
		if err != nil {
			return err
		}
		if err := client.Close(); err != nil {
			return err
		}
		d.report(&wire.DoneReport{ID: command.ID})
	default:
		return d.order(command)
	}
	return nil
}

func (d *driver) open(open *wire.OpenCommand) {
	options := protocol.Options{OnEvent: func(event protocol.Event) {
		d.report(&wire.StrayEventReport{Client: open.Client, Event: object(event), Known: isKnown(event)})
	}}
	if len(open.Tokens) == 1 {
		options.Token = protocol.StaticToken(open.Tokens[0])
	} else if len(open.Tokens) > 1 {
		options.Token = oneByOne(open.Tokens)
	}
	options.TokenInSubprotocol = open.TokenBy != nil && *open.TokenBy == wire.TokenBySubprotocol
	options.Heartbeat = milliseconds(open.HeartbeatMs)
	if limits := open.Timeouts; limits != nil {
		options.ConnectTimeout, options.RequestTimeout = milliseconds(limits.ConnectMs), milliseconds(limits.RequestMs)
		options.IdleTimeout, options.TurnTimeout = milliseconds(limits.IdleMs), milliseconds(limits.TurnMs)
	}
	dialled, err := protocol.Dial(context.Background(), open.URL, &options)
	if err != nil {
		d.report(&wire.FailedReport{ID: open.ID, Error: seen(err)})
		return
	}
	d.mu.Lock()
	d.clients[open.Client] = client{dialled, options}
	d.mu.Unlock()
	d.report(&wire.DoneReport{ID: open.ID})
}

// oneByOne gives one token for each connection, and the last for all that follow.
func oneByOne(tokens []string) func(context.Context) (string, error) {
	var mu sync.Mutex
	return func(context.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		token := tokens[0]
		tokens = tokens[min(1, len(tokens)-1):]
		return token, nil
	}
}

// answer reports what a call returned: a value that the generated code encodes, or nothing.
func (d *driver) answer(id uint32, reply any, err error) {
	if err != nil {
		d.report(&wire.FailedReport{ID: id, Error: seen(err)})
		return
	}
	body, err := json.Marshal(reply)
	if err != nil {
		d.report(&wire.BrokenReport{ID: &id, Message: err.Error()})
		return
	}
	d.report(&wire.RepliedReport{ID: id, Reply: body})
}

func (d *driver) client(name string) (client, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	client, ok := d.clients[name]
	if !ok {
		return client, fmt.Errorf("no client named %s", name)
	}
	return client, nil
}

// end closes every client and waits until everything that they end has been told.
func (d *driver) end() {
	d.mu.Lock()
	clients, turns := d.clients, d.turns
	d.clients, d.turns = nil, nil
	d.mu.Unlock()
	for _, client := range clients {
		_ = client.Close() // returns nil, always
	}
	for _, turn := range turns {
		turn.gate.open()
	}
	d.tasks.Wait()
}

// limited is the context of a call with limits of its own: in Go a deadline.
func limited(limits *wire.Timeouts) (context.Context, context.CancelFunc) {
	if limits == nil || limits.RequestMs == nil {
		return context.WithCancel(context.Background())
	}
	return context.WithTimeout(context.Background(), milliseconds(limits.RequestMs))
}

func milliseconds(said *uint32) time.Duration {
	if said == nil {
		return 0
	}
	return time.Duration(*said) * time.Millisecond
}

// object is an event as the generated code encodes it.
func object(event protocol.Event) map[string]any {
	var fields map[string]any
	if body, err := json.Marshal(event); err == nil {
		decoder := json.NewDecoder(bytes.NewReader(body))
		decoder.UseNumber()
		_ = decoder.Decode(&fields) // what was just written is an object
	}
	return fields
}

func isKnown(event protocol.Event) bool {
	_, unknown := event.(*protocol.UnknownEvent)
	return !unknown
}
