// changed-blocks asks for the blocks of a snapshot as a backup tool does, by upstream's library for such tools: it finds the service
// by the SnapshotMetadataService of the snapshot's driver, and gets a token for it. Prints JSON, a list of what came.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/kubernetes-csi/external-snapshot-metadata/client/apis/snapshotmetadataservice/v1beta1"
	"github.com/kubernetes-csi/external-snapshot-metadata/client/clientset/versioned"
	cbt "github.com/kubernetes-csi/external-snapshot-metadata/client/clientset/versioned/typed/snapshotmetadataservice/v1beta1"
	"github.com/kubernetes-csi/external-snapshot-metadata/pkg/iterator"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// forAudience reads SnapshotMetadataServices as if they named another audience, so that a token for that one is shown.
type forAudience struct {
	versioned.Interface
	audience string
}

func (c forAudience) CbtV1beta1() cbt.CbtV1beta1Interface {
	return groupForAudience{c.Interface.CbtV1beta1(), c.audience}
}

type groupForAudience struct {
	cbt.CbtV1beta1Interface
	audience string
}

func (c groupForAudience) SnapshotMetadataServices() cbt.SnapshotMetadataServiceInterface {
	return servicesForAudience{c.CbtV1beta1Interface.SnapshotMetadataServices(), c.audience}
}

type servicesForAudience struct {
	cbt.SnapshotMetadataServiceInterface
	audience string
}

func (c servicesForAudience) Get(ctx context.Context, name string, options metav1.GetOptions) (*v1beta1.SnapshotMetadataService, error) {
	service, err := c.SnapshotMetadataServiceInterface.Get(ctx, name, options)
	if err == nil {
		service.Spec.Audience = c.audience
	}
	return service, err
}

func main() {
	args := iterator.Args{Emitter: &iterator.JSONEmitter{Writer: os.Stdout}}
	flag.StringVar(&args.Namespace, "namespace", "", "of the snapshots")
	flag.StringVar(&args.SnapshotName, "snapshot", "", "whose blocks are listed")
	flag.StringVar(&args.PrevSnapshotName, "base", "", "an earlier snapshot: list what differs from it")
	flag.Int64Var(&args.StartingOffset, "offset", 0, "bytes from where on")
	most := flag.Int("most", 0, "blocks in one answer")
	account := flag.String("account", "", "whose token is shown, as NAMESPACE/NAME; of the pod's account without it")
	audience := flag.String("audience", "", "for whom the token is made, if not for whom the service says")
	flag.Parse()
	args.MaxResults = int32(*most)
	args.SANamespace, args.SAName, _ = strings.Cut(*account, "/")
	if err := ask(args, *audience); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// ask reads everything there is, by the account of the pod that it runs in.
func ask(args iterator.Args, audience string) error {
	config, err := rest.InClusterConfig()
	if err != nil {
		return err
	}
	if args.Clients, err = iterator.BuildClients(config); err != nil {
		return err
	}
	if audience != "" {
		args.SmsCRClient = forAudience{args.SmsCRClient, audience}
	}
	return iterator.GetSnapshotMetadata(context.Background(), args)
}
