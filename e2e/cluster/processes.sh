# shellcheck shell=bash disable=SC2154 # The processes of a node; whoever sources this has set name, state, disk and cgroup,
# and where all takes longer, patience, the seconds that a process may take to answer.

# runc and the shim, which containerd looks for there.
export PATH=$cluster_debian/usr/bin:$cluster_debian/usr/sbin:$PATH

launch() {
    local process=$1
    shift
    setsid "$@" >> "$state/log/$name-$process.log" 2>&1 < /dev/null &
    echo $! > "/run/$process.pid"
}

start() {
    case $1 in
        containerd)
            launch containerd containerd --config "$disk/containerd.toml"
            until_true "${patience:-30}" ctr version || die "containerd of $name does not answer"
            ;;
        proxy)
            launch proxy "$cluster_bin/kube-proxy" --kubeconfig="$state/pki/proxy.conf" --hostname-override="$name" \
                --cluster-cidr=10.244.0.0/16 --proxy-mode=iptables --conntrack-max-per-core=0
            ;;
        kubelet)
            launch kubelet "$cluster_bin/kubelet" --config="$disk/kubelet.yaml" --kubeconfig="$state/pki/$name.conf" \
                --hostname-override="$name" --node-ip="$(node_address "$name")"
            ;;
        *) die "$1 is no process of a node" ;;
    esac
}

configure() {
    mkdir -p "$disk/cni"
    cat > "$disk/cni/10-e2e.conflist" << END
{
  "cniVersion": "0.4.0",
  "name": "e2e",
  "plugins": [{
    "type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true,
    "ipam": {"type": "host-local", "ranges": [[{"subnet": "$(pod_range "$name")"}]], "routes": [{"dst": "0.0.0.0/0"}]}
  }]
}
END
    # Where this machine's root may not lower a process's OOM score, nor may the node.
    cat > "$disk/containerd.toml" << END
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  sandbox_image = "$pause_image"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$cluster_debian/usr/lib/cni"
    conf_dir = "$disk/cni"
END
    cat > "$disk/kubelet.yaml" << END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: "$state/pki/ca.crt"}}
authorization: {mode: Webhook}
cgroupDriver: cgroupfs
cgroupRoot: /$cgroup
enforceNodeAllocatable: []
clusterDNS: ["$dns_address"]
clusterDomain: cluster.local
resolvConf: ""
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
failSwapOn: false
localStorageCapacityIsolation: false
nodeStatusUpdateFrequency: 3s
# How late a pod sees a Secret that has changed, which otherwise takes a minute and more.
syncFrequency: 10s
# The machine's disk is shared with others; how full it is says nothing about the node.
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%, nodefs.inodesFree: 1%}
imageGCHighThresholdPercent: 100
END
}
