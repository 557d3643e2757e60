package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/SmooAI/smooth-operator/go/protocol"
	"github.com/SmooAI/smooth-operator/go/protocol/protocoltest"
)

type fields = map[string]any

// process is the driver as the harness runs it.
type process struct {
	*testing.T
	in  io.WriteCloser
	out io.Reader
	cmd *exec.Cmd
}

func start(t *testing.T) *process {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "driver")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	p := &process{T: t, cmd: exec.CommandContext(t.Context(), binary)}
	p.cmd.Stderr = os.Stderr
	var err, wrong error
	p.in, err = p.cmd.StdinPipe()
	p.out, wrong = p.cmd.StdoutPipe()
	if err := errors.Join(err, wrong, p.cmd.Start()); err != nil {
		t.Fatal(err)
	}
	// A driver that says nothing is ended, and the reading with it.
	patience := time.AfterFunc(30*time.Second, func() { _ = p.cmd.Process.Kill() })
	t.Cleanup(func() { patience.Stop() })
	p.expect(fields{"saw": "ready"})
	return p
}

func (p *process) tell(command fields) {
	p.Helper()
	body, err := json.Marshal(command)
	if err != nil {
		p.Fatal(err)
	}
	if _, err := p.in.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)); err != nil {
		p.Fatal(err)
	}
}

func (p *process) report() fields {
	p.Helper()
	var length uint32
	if err := binary.Read(p.out, binary.BigEndian, &length); err != nil {
		p.Fatal(err)
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(p.out, body); err != nil {
		p.Fatal(err)
	}
	var report fields
	if err := json.Unmarshal(body, &report); err != nil {
		p.Fatal(err)
	}
	return report
}

// expect reads a report that must have these values, given by key or by a path of keys.
func (p *process) expect(wanted fields) fields {
	p.Helper()
	report := p.report()
	if !has(report, wanted) {
		p.Fatalf("wanted %v, got %v", wanted, report)
	}
	return report
}

func has(got, wanted fields) bool {
	for key, value := range wanted {
		if inner, nested := value.(fields); nested {
			if child, ok := got[key].(fields); !ok || !has(child, inner) {
				return false
			}
		} else if number, ok := value.(int); ok && got[key] != float64(number) || !ok && got[key] != value {
			return false
		}
	}
	return true
}

// ends checks that nothing more is said and that the process ends well.
func (p *process) ends() {
	p.Helper()
	rest, err := io.ReadAll(p.out)
	if err != nil || len(rest) > 0 {
		p.Errorf("still said %q, %v", rest, err)
	}
	if err := p.cmd.Wait(); err != nil {
		p.Error(err)
	}
}

func serve(t *testing.T, script protocoltest.Script) fields {
	t.Helper()
	server, err := protocoltest.NewServer(script, protocoltest.WithTokens(func(token string) bool { return token == "t" }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Errorf("the script: %v", err)
		}
	})
	return fields{"do": "open", "id": 1, "client": "alice", "url": server.URL, "tokens": []string{"t"}, "tokenBy": "subprotocol"}
}

func turn(name, read string) fields {
	params := fields{"sessionId": "s", "message": "Hello?", "requestId": name}
	return fields{"do": "start_turn", "id": 3, "client": "alice", "turn": name, "params": params, "read": read}
}

func TestATurnIsIteratedAndAwaitedAndExitEndsTheProcess(t *testing.T) {
	started := make(chan struct{})
	open := serve(t, func(c *protocoltest.Conn) error {
		message, err := protocoltest.Expect[*protocol.SendMessageParams](c)
		if err != nil {
			return err
		}
		<-started // what belongs to no turn may be told before that
		return errors.Join(
			c.Send(protocoltest.Token(message, "Hi.")),
			c.SendText(`{"type":"mood","requestId":"t1","timestamp":1,"how":"good"}`),
			c.Send(protocoltest.Answer(message, "Hi.")),
			c.SendText(`{"type":"mood","timestamp":1,"how":"bad"}`),
			c.Wait(),
		)
	})
	p := start(t)
	p.tell(open)
	p.expect(fields{"saw": "done", "id": 1})
	p.tell(turn("t1", "both"))
	p.expect(fields{"saw": "started", "id": 3, "requestId": "t1"})
	close(started)
	var ended, stray fields
	events := 0
	for ended == nil || stray == nil {
		switch report := p.report(); report["saw"] {
		case "turn_event":
			events++
			if known := report["event"].(fields)["type"] != "mood"; report["known"] != known {
				t.Errorf("got %v", report)
			}
		case "turn_ended":
			ended = report
		case "stray_event":
			stray = report
		}
	}
	if events != 3 || !has(ended, fields{"events": 3, "text": "Hi.", "result": fields{"needsEscalation": false}}) {
		t.Errorf("after %d events: %v", events, ended)
	}
	if !has(stray, fields{"client": "alice", "known": false, "event": fields{"how": "bad"}}) {
		t.Errorf("got %v", stray)
	}
	p.tell(fields{"do": "exit", "id": 9})
	p.expect(fields{"saw": "done", "id": 9})
	p.ends()
}

func TestAnErrorIsToldAndACallThatWaitsHoldsNothingUp(t *testing.T) {
	asked := make(chan struct{})
	open := serve(t, func(c *protocoltest.Conn) error {
		session, err := protocoltest.Expect[*protocol.GetSessionParams](c)
		close(asked)
		if err != nil {
			return err
		}
		created, err := protocoltest.Expect[*protocol.CreateConversationSessionParams](c)
		if err != nil {
			return err
		}
		reply, err := protocoltest.Reply(created, &protocol.CreateConversationSessionReply{SessionID: "s"})
		if err != nil {
			return err
		}
		return errors.Join(c.Send(reply, protocoltest.Failure(session, protocol.ErrorCodeSessionNotFound, "none")), c.Wait())
	})
	p := start(t)
	p.tell(open)
	p.expect(fields{"saw": "done", "id": 1})
	call := func(id int, action string, params fields) {
		p.tell(fields{"do": "call", "id": id, "client": "alice", "action": action, "params": params})
	}
	call(4, "get_session", fields{})
	p.expect(fields{"saw": "failed", "id": 4, "error": fields{"kind": "invalid", "field": "/sessionId"}})
	p.tell(fields{"do": "decode", "id": 5, "text": `{"type":"pong","timestamp":1,"data":{"timestamp":"1"}}`})
	p.expect(fields{"saw": "failed", "id": 5, "error": fields{"kind": "invalid", "field": "/data/timestamp"}})
	p.tell(fields{"do": "cancel_turn", "id": 6, "turn": "t9"})
	p.expect(fields{"saw": "broken", "id": 6, "message": "no turn named t9"})
	call(2, "get_session", fields{"sessionId": "none"})
	<-asked // calls hold each other up in no way, so the second could be the first to be sent
	call(3, "create_conversation_session", fields{"userName": "Alice"})
	first, second := p.report(), p.report() // the server's answers follow on each other: either may be told first
	if first["saw"] == "failed" {
		first, second = second, first
	}
	if !has(first, fields{"saw": "replied", "id": 3, "reply": fields{"sessionId": "s"}}) {
		t.Errorf("got %v", first)
	}
	if !has(second, fields{"saw": "failed", "id": 2, "error": fields{"kind": "server", "code": "SESSION_NOT_FOUND"}}) {
		t.Errorf("got %v", second)
	}
	if err := p.in.Close(); err != nil {
		t.Error(err)
	}
	p.ends()
}

func TestATurnIsLeftAloneUntilItMayBeReadAnsweredAndAbandoned(t *testing.T) {
	open := serve(t, func(c *protocoltest.Conn) error {
		message, err := protocoltest.Expect[*protocol.SendMessageParams](c)
		if err != nil {
			return err
		}
		data := protocol.WriteConfirmationRequiredData{RequestID: *message.RequestID, Data: protocol.WriteConfirmation{ToolID: "refund"}}
		if err := c.Send(&protocol.WriteConfirmationRequiredEvent{RequestID: message.RequestID, Data: data}); err != nil {
			return err
		}
		verdict, err := protocoltest.Expect[*protocol.ConfirmToolActionParams](c)
		if err != nil {
			return err
		}
		return errors.Join(c.Send(protocoltest.Failure(verdict, protocol.ErrorCodeNoPendingConfirmation, "none")), c.Wait())
	})
	p := start(t)
	p.tell(open)
	p.expect(fields{"saw": "done", "id": 1})
	p.tell(turn("t1", "neither"))
	p.expect(fields{"saw": "started"})
	p.tell(fields{"do": "pause_reading", "id": 4, "turn": "t1"})
	p.expect(fields{"saw": "done", "id": 4})
	p.tell(fields{"do": "go_on", "id": 5, "turn": "t1"})
	for range 2 { // whether the event or the answer comes first is open
		if report := p.report(); report["saw"] != "done" && report["saw"] != "turn_event" {
			t.Errorf("got %v", report)
		}
	}
	p.tell(fields{"do": "answer_park", "id": 6, "turn": "t1", "answer": fields{"kind": "confirm", "approved": true}})
	p.expect(fields{"saw": "failed", "id": 6, "error": fields{"code": "NO_PENDING_CONFIRMATION"}})
	p.tell(fields{"do": "abandon_turn", "id": 7, "turn": "t1"})
	p.expect(fields{"saw": "turn_ended", "events": 1, "error": fields{"kind": "abandoned"}})
	p.expect(fields{"saw": "done", "id": 7})
	p.tell(fields{"do": "close", "id": 8, "client": "alice"})
	p.expect(fields{"saw": "done", "id": 8})
	p.tell(fields{"do": "exit", "id": 9})
	p.expect(fields{"saw": "done", "id": 9})
	p.ends()
}
