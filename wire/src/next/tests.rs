use super::*;

fn frame(frame_id: u64) -> StoredFrame {
    StoredFrame {
        frame_id,
        metadata: String::new(),
        message_id: String::new(),
        jpeg: Bytes::from_static(b"jpeg"),
        at: Instant::now(),
    }
}

#[test]
fn requests_are_read_as_documented() {
    let parsed = |body: &str| NextRequest::parse(body.as_bytes());
    assert_eq!(parsed(""), Ok((None, DEFAULT_WAIT)));
    assert_eq!(parsed("{}"), Ok((None, DEFAULT_WAIT)));
    assert_eq!(
        parsed(r#"{"after": 7, "wait": "250ms"}"#),
        Ok((Some(7), Duration::from_millis(250)))
    );
    assert_eq!(
        parsed(r#"{"wait": "1.5s", "later": 1}"#),
        Ok((None, Duration::from_millis(1_500)))
    );
    assert_eq!(parsed(r#"{"wait": "10m"}"#), Ok((None, MAX_WAIT)));
    for bad in [
        "x",
        "[]",
        r#"{"wait": "soon"}"#,
        r#"{"wait": "-1s"}"#,
        r#"{"wait": 1}"#,
        r#"{"after": -1}"#,
    ] {
        assert_eq!(parsed(bad), Err(NextRefusal::BadRequest), "{bad}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fresh_frame_answers_at_once_and_an_old_id_waits_for_the_next() {
    let newest = Arc::new(Newest::new(Duration::from_hours(1), Listeners::default()));
    newest.put(frame(5));
    let wait = Duration::from_secs(1);
    assert_eq!(newest.wait_for(None, wait).await.unwrap().frame_id, 5);
    assert_eq!(newest.wait_for(Some(4), wait).await.unwrap().frame_id, 5);
    let (later, waiting) = (newest.clone(), newest.clone());
    let request = tokio::spawn(async move { waiting.wait_for(Some(5), wait).await });
    tokio::time::sleep(Duration::from_millis(10)).await;
    later.put(frame(6));
    assert_eq!(request.await.unwrap().unwrap().frame_id, 6);
}

#[tokio::test(start_paused = true)]
async fn without_after_a_stale_frame_does_not_count() {
    let newest = Newest::new(Duration::ZERO, Listeners::default());
    newest.put(frame(5));
    std::thread::sleep(Duration::from_millis(2));
    let refused = newest.wait_for(None, Duration::from_secs(30)).await;
    assert!(matches!(refused, Err(NextRefusal::Timeout)));
}

#[tokio::test(start_paused = true)]
async fn the_sixty_fifth_waiting_request_is_refused() {
    let newest = Arc::new(Newest::new(Duration::ZERO, Listeners::default()));
    let mut waiting = JoinSet::new();
    for _ in 0..MAX_WAITING {
        let newest = newest.clone();
        waiting.spawn(async move {
            newest
                .wait_for(Some(0), Duration::from_secs(1))
                .await
                .map(|_| ())
        });
    }
    while newest.places.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    let refused = newest.wait_for(Some(0), Duration::from_secs(1)).await;
    assert!(matches!(refused, Err(NextRefusal::Busy)));
    newest.put(frame(1));
    while let Some(answer) = waiting.join_next().await {
        assert_eq!(answer.unwrap(), Ok(()));
    }
    assert!(
        newest
            .wait_for(Some(0), Duration::from_secs(1))
            .await
            .is_ok()
    );
}
