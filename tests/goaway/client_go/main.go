// A grpc-go client, as kubelet and the sidecars are: socket, calls, connections.
// Makes `calls` Probe calls on each of `connections` connections, one connection after the other.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

const atOnce = 16

// raw passes bytes through, so that no generated code is needed.
type raw struct{}

func (raw) Marshal(v any) ([]byte, error)      { return *v.(*[]byte), nil }
func (raw) Unmarshal(data []byte, v any) error { *v.(*[]byte) = data; return nil }
func (raw) Name() string                       { return "proto" }

func run(path string, calls int) error {
	connection, err := grpc.NewClient("unix://"+path, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	context, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	left := make(chan struct{}, calls)
	for i := 0; i < calls; i++ {
		left <- struct{}{}
	}
	close(left)
	failures := make(chan error, atOnce)
	var workers sync.WaitGroup
	for i := 0; i < atOnce; i++ {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for range left {
				var request, response []byte
				if err := connection.Invoke(context, "/csi.v1.Identity/Probe", &request, &response, grpc.ForceCodec(raw{})); err != nil {
					failures <- err
					return
				}
			}
		}()
	}
	workers.Wait()
	close(failures)
	return <-failures
}

func main() {
	calls, _ := strconv.Atoi(os.Args[2])
	connections, _ := strconv.Atoi(os.Args[3])
	for i := 0; i < connections; i++ {
		if err := run(os.Args[1], calls); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
