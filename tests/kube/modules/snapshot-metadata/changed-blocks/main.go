// changed-blocks asks for the blocks of a snapshot as a backup tool does, by upstream's library for such tools: it finds the service
// by the SnapshotMetadataService of the snapshot's driver, and gets a token for it. Prints JSON, a list of what came.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/kubernetes-csi/external-snapshot-metadata/pkg/iterator"
	"k8s.io/client-go/rest"
)

func main() {
	args := iterator.Args{Emitter: &iterator.JSONEmitter{Writer: os.Stdout}}
	flag.StringVar(&args.Namespace, "namespace", "", "of the snapshots")
	flag.StringVar(&args.SnapshotName, "snapshot", "", "whose blocks are listed")
	flag.StringVar(&args.PrevSnapshotName, "base", "", "an earlier snapshot: list what differs from it")
	flag.Int64Var(&args.StartingOffset, "offset", 0, "bytes from where on")
	most := flag.Int("most", 0, "blocks in one answer")
	account := flag.String("account", "", "whose token is shown, as NAMESPACE/NAME; of the pod's account without it")
	flag.Parse()
	args.MaxResults = int32(*most)
	args.SANamespace, args.SAName, _ = strings.Cut(*account, "/")
	if err := ask(args); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// ask reads everything there is, by the account of the pod that it runs in.
func ask(args iterator.Args) error {
	config, err := rest.InClusterConfig()
	if err != nil {
		return err
	}
	if args.Clients, err = iterator.BuildClients(config); err != nil {
		return err
	}
	return iterator.GetSnapshotMetadata(context.Background(), args)
}
