# shellcheck shell=bash disable=SC2034 # What the other scripts here share; they source it.

cluster_home=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cluster_cache=${STREAMHUB_CACHE:-$HOME/.cache/streamhub}/cluster
cluster_bin=$cluster_cache/bin
cluster_debian=$cluster_cache/debian
# States of running clusters, a folder each.
cluster_states=$cluster_cache/states

pause_image=localhost/pause:1

nodes=(n1 n2)
# Nodes that are virtual machines with a kernel of their own; they join when "ctl start" boots them.
machines=(vm1)
plane=(etcd apiserver controllers scheduler dns)

# A network of its own: these addresses exist inside the cluster's namespaces only.
plane_address=10.99.0.1
service_range=10.96.0.0/16
dns_address=10.96.0.10
node_address() { printf '10.99.0.%d' "$(node_number "$1")"; }
pod_range() { printf '10.244.%d.0/24' "$(node_number "$1")"; }
node_number() {
    case $1 in
        vm*) echo $((20 + ${1#vm})) ;;
        *) echo $((10 + ${1#n})) ;;
    esac
}
# A node's end on the bridge.
link_of() {
    case $1 in
        vm*) echo "tap-$1" ;;
        *) echo "veth-$1" ;;
    esac
}
# The commands of "ctl exec" reach a virtual machine there.
machine_port=7000
# Kernel, first files and modules of the virtual machines.
machine_files=${STREAMHUB_CACHE:-$HOME/.cache/streamhub}/vm

say() { printf 'cluster: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# buildah, with images, layers and caches in our own folder; it needs no container runtime here.
image_store() {
    mkdir -p "$cluster_cache/build"
    TMPDIR=$cluster_cache/build buildah --root "$cluster_cache/store" --runroot "$cluster_cache/build/run" \
        --storage-driver overlay "$@"
}

# until_true SECONDS COMMAND...
until_true() {
    local end=$((SECONDS + $1))
    shift
    until "$@" > /dev/null 2>&1; do
        if ((SECONDS >= end)); then return 1; fi
        sleep 0.1
    done
}

# The cgroup folders of one cluster: one of version 2, or one in each hierarchy where there is version 1.
cgroup_folders() {
    if [[ -e /sys/fs/cgroup/cgroup.controllers ]]; then
        printf '/sys/fs/cgroup/%s\n' "$1"
    else
        local mount
        for mount in /sys/fs/cgroup/*/; do
            [[ -L ${mount%/} ]] || printf '%s%s\n' "$mount" "$1"
        done
    fi
}

# remove_cgroup NAME: with everything below; its processes have ended.
remove_cgroup() {
    local folder
    while read -r folder; do
        [[ ! -d $folder ]] || find "$folder" -depth -type d -exec rmdir {} + 2> /dev/null || true
    done < <(cgroup_folders "$1")
}
