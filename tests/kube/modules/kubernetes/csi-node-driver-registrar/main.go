// csi-node-driver-registrar stands in for upstream's program of this name, whose module the proxy does not serve: it makes a CSI
// driver known to the kubelet of its node, has the same flags, and behaves the same towards kubelet and in a pod.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	csi "github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"k8s.io/klog/v2"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

var (
	csiAddress       = flag.String("csi-address", "/run/csi/socket", "Path of the driver's socket, as this program sees it.")
	kubeletPath      = flag.String("kubelet-registration-path", "", "Path of the driver's socket, as kubelet sees it.")
	registrationPath = flag.String("plugin-registration-path", "/registration", "Folder of the registration socket.")
	httpEndpoint     = flag.String("http-endpoint", "", "Where /healthz is served, as in :8080.")
	healthPort       = flag.Int("health-port", 0, "Deprecated: as --http-endpoint :PORT.")
	timeout          = flag.Duration("timeout", time.Second, "Time limit of one call of the driver.")
	showVersion      = flag.Bool("version", false, "Show version.")
)

type server struct {
	registration.UnsafeRegistrationServer
	name string
}

func (s server) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return &registration.PluginInfo{
		Type:              registration.CSIPlugin,
		Name:              s.name,
		Endpoint:          *kubeletPath,
		SupportedVersions: []string{"1.0.0"},
	}, nil
}

// kubelet asks the driver for NodeGetInfo before it sends this. Who is refused ends, to be started again.
func (s server) NotifyRegistrationStatus(_ context.Context, status *registration.RegistrationStatus) (*registration.RegistrationStatusResponse, error) {
	if !status.PluginRegistered {
		klog.Errorf("kubelet refuses %s: %s", s.name, status.Error)
		os.Exit(1)
	}
	klog.Infof("%s is registered", s.name)
	return &registration.RegistrationStatusResponse{}, nil
}

// driverName asks the driver, again and again until it answers.
func driverName() string {
	conn, err := grpc.NewClient("unix://"+*csiAddress, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		klog.Fatal(err)
	}
	defer conn.Close()
	for ; ; time.Sleep(500 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), *timeout)
		info, err := csi.NewIdentityClient(conn).GetPluginInfo(ctx, &csi.GetPluginInfoRequest{})
		cancel()
		if err == nil {
			return info.GetName()
		}
		klog.Warningf("the driver does not answer yet: %v", err)
	}
}

func serveHealth(socket string) {
	http.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		if _, err := os.Stat(socket); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprint(w, "ok")
	})
	klog.Fatal(http.ListenAndServe(*httpEndpoint, nil))
}

func main() {
	klog.InitFlags(nil)
	flag.Parse()
	if *showVersion {
		fmt.Println(os.Args[0], "stand-in")
		return
	}
	if *kubeletPath == "" {
		klog.Error("--kubelet-registration-path is missing")
		os.Exit(2)
	}
	if *healthPort != 0 {
		*httpEndpoint = fmt.Sprintf(":%d", *healthPort)
	}
	name := driverName()
	socket := filepath.Join(*registrationPath, name+"-reg.sock")
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	os.Remove(socket)
	listener, err := net.Listen("unix", socket)
	if err != nil {
		klog.Fatal(err)
	}
	s := grpc.NewServer()
	registration.RegisterRegistrationServer(s, server{name: name})
	go func() {
		<-stop
		s.Stop() // removes the socket, which unregisters the driver
	}()
	if *httpEndpoint != "" {
		go serveHealth(socket)
	}
	if err := s.Serve(listener); err != nil {
		klog.Fatal(err)
	}
}
