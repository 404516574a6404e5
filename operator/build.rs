//! Writes clients and servers of the kubelet's two APIs. Their messages are in `src/agent/protocol`: nobody who builds
//! this needs a protoc.

use tonic_build::manual::{Builder, Method, MethodBuilder, Service};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let registration = Service::builder()
        .package("v1beta1")
        .name("Registration")
        .method(method("register", "Register", "RegisterRequest", "Empty").build());
    let plugin = Service::builder()
        .package("v1beta1")
        .name("DevicePlugin")
        .method(
            method(
                "get_device_plugin_options",
                "GetDevicePluginOptions",
                "Empty",
                "DevicePluginOptions",
            )
            .build(),
        )
        .method(
            method(
                "list_and_watch",
                "ListAndWatch",
                "Empty",
                "ListAndWatchResponse",
            )
            .server_streaming()
            .build(),
        )
        .method(
            method(
                "get_preferred_allocation",
                "GetPreferredAllocation",
                "PreferredAllocationRequest",
                "PreferredAllocationResponse",
            )
            .build(),
        )
        .method(
            method(
                "allocate",
                "Allocate",
                "AllocateRequest",
                "AllocateResponse",
            )
            .build(),
        )
        .method(
            method(
                "pre_start_container",
                "PreStartContainer",
                "PreStartContainerRequest",
                "PreStartContainerResponse",
            )
            .build(),
        );
    let lister = Service::builder()
        .package("v1")
        .name("PodResourcesLister")
        .method(
            method(
                "list",
                "List",
                "ListPodResourcesRequest",
                "ListPodResourcesResponse",
            )
            .build(),
        );
    Builder::new().compile(&[registration.build(), plugin.build(), lister.build()]);
}

/// What is written lies in a module of its own inside the one that includes it, which has the messages.
fn method(name: &str, route: &str, input: &str, output: &str) -> MethodBuilder {
    Method::builder()
        .name(name)
        .route_name(route)
        .input_type(format!("super::{input}"))
        .output_type(format!("super::{output}"))
        .codec_path("tonic_prost::ProstCodec")
}
