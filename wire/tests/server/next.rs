//! `next`, asked by a client that knows only the documentation.

use std::time::{Duration, Instant};

use async_nats::{Message, Request};
use bytes::Bytes;
use streamhub_testkit::{NatsServer, eventually_async};
use streamhub_wire::metadata::{Events, METADATA_HEADER, Metadata};
use streamhub_wire::next::{ERROR_HEADER, MAX_WAITING, NextRefusal};
use streamhub_wire::publish::DropReason;
use streamhub_wire::subscribe::FrameError;

use crate::camera::{Camera, consumer, metadata, publisher, rendition, settled, token};

const SUBJECT: &str = "test.hub.next.cam.main";

async fn ask(client: &async_nats::Client, subject: &str, body: &str) -> Message {
    let request = Request::new()
        .payload(body.to_owned().into())
        .timeout(Some(Duration::from_secs(20)));
    client
        .send_request(subject.to_owned(), request)
        .await
        .unwrap()
}

fn id(message: &Message) -> u64 {
    let headers = message.headers.as_ref().unwrap();
    Metadata::parse(headers.get(METADATA_HEADER).unwrap().as_str())
        .unwrap()
        .frame_id
}

fn refusal(message: &Message) -> &str {
    assert!(message.payload.is_empty());
    message
        .headers
        .as_ref()
        .unwrap()
        .get(ERROR_HEADER)
        .unwrap()
        .as_str()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_gets_the_first_frame_after_the_one_it_names() {
    let server = NatsServer::start().unwrap();
    let publisher = publisher(&server).await;
    let _camera = Camera::start(&publisher, 30, 3_000).await;
    // The server has the subscription of the one before the request of the other.
    settled(&publisher).await;
    let client = server.connect().await.unwrap();
    let mut last = id(&ask(&client, SUBJECT, "{\"wait\": \"15s\"}").await);
    for _ in 0..20 {
        let body = format!("{{\"after\": {last}, \"wait\": \"15s\"}}");
        let reply = ask(&client, SUBJECT, &body).await;
        assert_eq!(reply.payload.len(), 3_000);
        assert!(id(&reply) > last);
        last = id(&reply);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_answered_is_refused_with_a_word() {
    let server = NatsServer::start().unwrap();
    let publisher = publisher(&server).await;
    let _camera = Camera::start(&publisher, 30, 3_000).await;
    settled(&publisher).await;
    let client = server.connect().await.unwrap();
    let future = "{\"after\": 9007199254740990, \"wait\": \"300ms\"}";
    let started = Instant::now();
    assert_eq!(refusal(&ask(&client, SUBJECT, future).await), "timeout");
    assert!(started.elapsed() >= Duration::from_millis(300));
    for body in ["{", "[]", "{\"wait\": \"soon\"}"] {
        assert_eq!(refusal(&ask(&client, SUBJECT, body).await), "bad-request");
    }
    let unknown = ask(&client, "test.hub.next.cam.other", "").await;
    assert_eq!(refusal(&unknown), "unknown-rendition");
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_wait_and_the_rest_are_told_busy() {
    let server = NatsServer::start().unwrap();
    let publisher = publisher(&server).await;
    let _next = publisher.serve_next(&token("cam")).await.unwrap();
    let mut main = rendition(&publisher, 15);
    let client = server.connect().await.unwrap();
    eventually_async(Duration::from_secs(10), "the camera to answer", || {
        let request = client.request(SUBJECT, "{\"wait\": \"1ms\"}".into());
        async { request.await.ok() }
    })
    .await
    .unwrap();
    let requests: Vec<_> = (0..70)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { ask(&client, SUBJECT, "{\"wait\": \"15s\"}").await })
        })
        .collect();
    // Those that find no place are answered at once: then all have come.
    let refused = || async {
        let answered = requests.iter().filter(|request| request.is_finished());
        (answered.count() >= 6).then_some(())
    };
    eventually_async(Duration::from_secs(10), "six refusals", refused)
        .await
        .unwrap();
    main.publish(
        &mut metadata(1, Events::default()),
        Bytes::from_static(b"jpeg"),
    )
    .unwrap();
    let (mut frames, mut busy) = (0, 0);
    for request in requests {
        let reply = request.await.unwrap();
        if reply.payload.is_empty() {
            assert_eq!(refusal(&reply), "busy");
            busy += 1;
        } else {
            frames += 1;
        }
    }
    assert_eq!((frames, busy), (64, 6));
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_client_says_what_is_wrong() {
    let server = NatsServer::start().unwrap();
    let publisher = publisher(&server).await;
    let consumer = consumer(&server).await;
    let (cam, main) = (token("cam"), token("main"));
    assert!(matches!(
        consumer.snapshot(&cam, &main).await,
        Err(FrameError::NoResponders)
    ));
    let _camera = Camera::start(&publisher, 30, 3_000).await;
    let shown = eventually_async(Duration::from_secs(10), "a snapshot", || async {
        consumer.snapshot(&cam, &main).await.ok()
    });
    let shown = shown.await.unwrap();
    let unknown = consumer.snapshot(&cam, &token("other")).await;
    assert!(matches!(
        unknown,
        Err(FrameError::Refused(NextRefusal::UnknownRendition))
    ));
    let future = shown.metadata.frame_id + 1_000_000;
    let wait = Duration::from_millis(100);
    assert!(matches!(
        consumer.next(&cam, &main, Some(future), wait).await,
        Err(FrameError::Refused(NextRefusal::Timeout))
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_may_not_publish_leaves_requests_to_the_one_that_does() {
    let server = NatsServer::start().unwrap();
    let (holder, other) = (publisher(&server).await, publisher(&server).await);
    let camera = Camera::start(&holder, 30, 3_000).await;
    let _next = other.serve_next(&token("cam")).await.unwrap();
    other.set_answering(false);
    for instance in [&holder, &other] {
        settled(instance).await;
    }
    let client = server.connect().await.unwrap();
    for _ in 0..50 {
        let reply = ask(&client, SUBJECT, "{\"wait\": \"10s\"}").await;
        assert_eq!(reply.payload.len(), 3_000);
    }
    drop(camera);
    other.set_answering(true);
    let reply = ask(&client, SUBJECT, "").await;
    assert_eq!(refusal(&reply), "unknown-rendition");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_is_answered_leaves_room_for_the_next_frame() {
    let mut server = NatsServer::start().unwrap();
    let publisher = publisher(&server).await;
    let _next = publisher.serve_next(&token("cam")).await.unwrap();
    let mut main = rendition(&publisher, 15);
    publisher.round_trip().await.unwrap();
    let client = server.connect().await.unwrap();
    for _ in 0..MAX_WAITING {
        let body = Bytes::from_static(b"{\"wait\": \"15s\"}");
        client
            .publish_with_reply(SUBJECT, client.new_inbox(), body)
            .await
            .unwrap();
    }
    client.flush().await.unwrap();
    publisher.round_trip().await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;

    // Nothing leaves the client any more once the system's buffers are full.
    server.freeze().unwrap();
    let jpeg = Bytes::from(vec![0x55; 900_000]);
    for frame_id in [1, 2] {
        let mut metadata = metadata(frame_id, Events::default());
        assert_eq!(main.publish(&mut metadata, jpeg.clone()), Ok(()));
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fits_is_counted_with_the_headers_and_looked_up_again_after_a_reconnect() {
    let mut server = NatsServer::options()
        .config("max_payload: 64KB")
        .start()
        .unwrap();
    let publisher = publisher(&server).await;
    let mut main = rendition(&publisher, 15);
    let mut too_much = || {
        let mut metadata = metadata(1, Events::default());
        match main.publish(&mut metadata, vec![0; 100_000].into()) {
            Err(DropReason::TooLarge { limit }) => {
                // Exactly what fits is taken, and the connection survives it.
                main.publish(&mut metadata, vec![0; limit].into()).ok()?;
                Some(limit)
            }
            _ => None,
        }
    };
    let first = too_much().unwrap();
    assert!((60_000..65_536).contains(&first), "{first}");
    publisher.round_trip().await.unwrap();
    server.restart_with("max_payload: 32KB").unwrap();
    let second = eventually_async(Duration::from_secs(30), "the lower limit", || {
        let limit = too_much().filter(|limit| *limit < 32_768);
        async move { limit }
    })
    .await
    .unwrap();
    assert_eq!(first - second, 32_768);
    publisher.round_trip().await.unwrap();
}
