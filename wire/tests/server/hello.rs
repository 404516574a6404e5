//! Our own readers say hello.

use std::time::Duration;

use futures::StreamExt as _;
use streamhub_testkit::NatsServer;
use streamhub_wire::status::{CameraStatus, RenditionStatus};

use crate::camera::{consumer, prefix, publisher, rendition, token};

const PATIENCE: Duration = Duration::from_secs(20);
const AGE: Duration = Duration::from_secs(5);

/// Camera and rendition of the next hello; a request is none.
async fn hello(messages: &mut async_nats::Subscriber) -> String {
    let message = tokio::time::timeout(PATIENCE, messages.next()).await;
    let message = message.expect("a hello").expect("a client");
    assert!(message.reply.is_none() && message.payload.is_empty());
    message.subject.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_says_hello_when_it_subscribes_and_after_each_new_connection() {
    let mut server = NatsServer::start().unwrap();
    // Faster than any reader, to be there when they say it.
    let client = async_nats::ConnectOptions::new()
        .reconnect_delay_callback(|_| Duration::from_millis(5))
        .connect(server.url())
        .await
        .unwrap();
    let mut hellos = client.subscribe("test.hub.next.>").await.unwrap();
    client.flush().await.unwrap();
    let reader = consumer(&server).await;
    let (camera, main) = (token("cam"), token("main"));
    let _frames = reader.frames(&camera, &main, AGE).await.unwrap();
    let subject = prefix().next(&camera, &main);
    assert_eq!(hello(&mut hellos).await, subject);
    // Should it be there too late after all, there is another time.
    for _ in 0..5 {
        server.stop().unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        server.restart().unwrap();
        let again = tokio::time::timeout(Duration::from_secs(3), hello(&mut hellos)).await;
        if let Ok(again) = again {
            assert_eq!(again, subject);
            return;
        }
    }
    panic!("no hello after five new connections");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_of_everything_greets_the_renditions_that_idle() {
    let server = NatsServer::start().unwrap();
    let camera = publisher(&server).await;
    let _next = camera.serve_next(&token("cam")).await.unwrap();
    let main = rendition(&camera, 15);
    assert!(!main.listeners().is_active());
    let client = server.connect().await.unwrap();
    let mut hellos = client.subscribe("test.hub.next.>").await.unwrap();
    client.flush().await.unwrap();
    let reader = consumer(&server).await;
    let _frames = reader.all_frames(AGE).await.unwrap();
    let mut status = CameraStatus {
        camera: "cam".into(),
        ..CameraStatus::default()
    };
    let one = |active| RenditionStatus {
        active,
        ..RenditionStatus::default()
    };
    status.renditions.insert("busy".into(), one(true));
    status.renditions.insert("main".into(), one(false));
    // The subscription may reach the server after the first of these.
    let said = async {
        loop {
            let _ = camera.publish_status(&status, &token("cam"));
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let heard = hello(&mut hellos);
    let subject = tokio::select! {
        subject = heard => subject,
        () = said => unreachable!("never ends"),
    };
    assert_eq!(subject, prefix().next(&token("cam"), &token("main")));
    // The camera may hear it a moment after this one.
    let woken =
        streamhub_testkit::eventually_async(PATIENCE, "the rendition to wake", async || {
            main.listeners().is_active().then_some(())
        });
    woken.await.unwrap();
}
