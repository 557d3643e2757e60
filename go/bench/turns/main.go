// Command turns measures what many turns over one socket cost, by package protocol or by a plain read loop, as
// `cargo xtask bench clients` asks. It prints one line of JSON.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	// shortAtOnce and longAtOnce are how many turns run at once.
	shortAtOnce = 64
	longAtOnce  = 8
	// ahead is how many turns may be begun and not yet have their first token.
	ahead = 512
)

// side is one way to speak to a server, over one connection with one session.
type side interface {
	// turns runs turns up to their ends, some at once, and checks that their tokens make up their answers.
	turns(message string, count, atOnce int) error
	// open begins turns that do not end, and returns when each has had its first token.
	open(count int) error
	close() error
}

type line struct {
	Language         string  `json:"language"`
	Mode             string  `json:"mode"`
	Turns            int     `json:"turns"`
	TurnsSeconds     float64 `json:"turnsSeconds"`
	TurnsCPUSeconds  float64 `json:"turnsCpuSeconds"`
	Tokens           int     `json:"tokens"`
	TokensCPUSeconds float64 `json:"tokensCpuSeconds"`
	OpenTurns        int     `json:"openTurns"`
	OpenTurnBytes    float64 `json:"openTurnBytes"`
	DecodeMicros     float64 `json:"decodeMicros"`
}

func main() {
	mode := flag.String("mode", "", "client or plain")
	url := flag.String("url", "", "a server that answers")
	hold := flag.String("hold", "", "a server that never ends a turn")
	turns := flag.Int("turns", 0, "turns of 20 tokens")
	long := flag.Int("long", 0, "turns of 500 tokens")
	open := flag.Int("open", 0, "turns that are held open")
	decodes := flag.Int("decodes", 0, "repetitions of the decoding")
	flag.Parse()
	connect, decode := connectClient, decodeClient
	if *mode == "plain" {
		connect, decode = connectPlain, decodePlain
	}
	got := line{Language: "go", Mode: *mode, Turns: *turns, Tokens: 500 * *long, OpenTurns: *open}
	err := got.measure(connect, *url, *hold, *long)
	if err == nil {
		got.DecodeMicros, err = decodeMicros(decode, *decodes)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "the bench:", err)
		os.Exit(1)
	}
	out, _ := json.Marshal(got) // numbers and text
	fmt.Println(string(out))
}

func (l *line) measure(connect func(context.Context, string) (side, error), url, hold string, long int) error {
	ctx := context.Background()
	busy, err := connect(ctx, url)
	if err != nil {
		return err
	}
	if err := busy.turns("tokens=20", max(shortAtOnce, l.Turns/4), shortAtOnce); err != nil {
		return err
	}
	start, cpu := time.Now(), cpuSeconds()
	if err := busy.turns("tokens=20", l.Turns, shortAtOnce); err != nil {
		return err
	}
	l.TurnsSeconds, l.TurnsCPUSeconds = time.Since(start).Seconds(), cpuSeconds()-cpu

	if err := busy.turns("tokens=500", longAtOnce, longAtOnce); err != nil {
		return err
	}
	cpu = cpuSeconds()
	if err := busy.turns("tokens=500", long, longAtOnce); err != nil {
		return err
	}
	l.TokensCPUSeconds = cpuSeconds() - cpu

	idle, err := connect(ctx, hold)
	if err != nil {
		return err
	}
	if err := idle.open(shortAtOnce); err != nil {
		return err
	}
	before := liveBytes()
	if err := idle.open(l.OpenTurns); err != nil {
		return err
	}
	l.OpenTurnBytes = (liveBytes() - before) / float64(max(1, l.OpenTurns))
	if err := idle.close(); err != nil {
		return err
	}
	return busy.close()
}

func decodeMicros(decode func([]byte) error, repetitions int) (float64, error) {
	var text strings.Builder
	var frames [][]byte
	for n := range 500 {
		fmt.Fprintf(&text, "w%d ", n)
		frames = append(frames, fmt.Appendf(nil, `{"type":"stream_token","requestId":"r","timestamp":0,"token":"w%d ","data":{"requestId":"r","token":"w%d "}}`, n, n))
	}
	frames = append(frames, fmt.Appendf(nil, `{"type":"eventual_response","requestId":"r","timestamp":0,"status":200,"data":{"requestId":"r","status":200,"data":{"messageId":"m","response":{"responseParts":[%q],"customerHappinessScore":0.5,"needsSatisfactionScore":0.5,"requestSummary":"","resolutionStatus":"in_progress","suggestedNextActions":[]},"needsEscalation":false}}}`, text.String()))
	const unmeasured = 10
	var micros []float64
	for range max(1, repetitions) + unmeasured {
		start := time.Now()
		for _, frame := range frames {
			if err := decode(frame); err != nil {
				return 0, err
			}
		}
		micros = append(micros, float64(time.Since(start).Nanoseconds())/1e3)
	}
	micros = micros[unmeasured:]
	slices.Sort(micros)
	return micros[len(micros)/2], nil
}

// cpuSeconds is what the process has used of the processors.
func cpuSeconds() float64 {
	var used syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &used) != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano()).Seconds()
}

// liveBytes is what is in use after a full collection.
func liveBytes() float64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return float64(stats.HeapAlloc + stats.StackInuse)
}
