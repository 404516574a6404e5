//! What documents become: defaults, origins, Secrets, and the ways to write the same thing.

use std::fs;
use std::path::{Path, PathBuf};

use streamhub_crds::{
    Camera, ClockMode, Dimension, Documents, FileUri, Folders, Fps, HttpUrl, OnEnd, Publish,
    Quality, RemoteFile, RtspLocation, RtspUrl, Source, SourceKind, StreamHub, Transport, load,
    parse, parse_camera, parse_hub, to_yaml, validate_hub_update,
};

const SMALLEST: &str = "\
apiVersion: streamhub.dev/v1alpha1
kind: Camera
metadata: {name: door}
spec: {source: {rtsp: {url: rtsp://10.0.0.7/stream1}}}
";

const EVERYTHING: &str = "\
apiVersion: streamhub.dev/v1alpha1
kind: Camera
metadata: {name: gate, namespace: site1, labels: {floor: '1'}}
spec:
  hubRef: {name: lobby}
  enabled: no
  source:
    file: {uri: clips/gate.mp4, fps: 30000/1001, onEnd: HoldLast}
  frames:
    - {name: main, fps: '0.5', quality: 85, meta: true}
    - {name: low, fps: 5.0, width: 640, height: 0x168}
";

const MANY_SOURCES: &str = "\
apiVersion: streamhub.dev/v1alpha1
kind: Camera
metadata: {name: yard}
spec:
  source:
    rtsp: {url: 'rtsp://10.0.0.7/1', clock: {mode: Rtcp, offset: -0.25s}}
    fallbacks:
      - v4l2:
          deviceSelector: {devicePath: /dev/v4l/by-id/usb-0}
          mode: {fourcc: MJPG, width: 1280, height: 720, fps: 30}
          controls: {exposure_auto: 1, gain: -3}
      - http: {url: 'http://10.0.0.8/video?token=s3cr3t', credentialsSecretRef: {name: yard}}
      - file: {uri: 's3://films/yard 1.mp4', credentialsSecretRef: {name: s3}, endpoint: 'http://minio:9000'}
      - test: {fps: 5}
  frames:
    - {name: main, fps: 30, quality: 90, publish: Always, floor: {quality: 60, fps: 10, width: 640}}
    - {name: low, fps: 10, quality: 30, width: 320}
";

const LOBBY: &str = "\
apiVersion: streamhub.dev/v1alpha1
kind: StreamHub
metadata: {name: lobby}
spec:
  nats: {url: 'tls://nats:4222', credentialsSecretRef: {name: lobby-nats}, subjectPrefix: streamhub.site1.lobby}
  feedback:
    perception: {events: [spatial_object, line], ttl: 1m30s, eventTtl: {line: 1.5s}}
    ui: {events: [user_selection]}
  defaults: {frames: [{name: small, width: 320}]}
";

fn documents(text: &str) -> Documents {
    let loading = parse(text, Path::new("test.yaml"));
    assert_eq!(loading.problems, []);
    loading.documents
}

fn problems(text: &str) -> Vec<String> {
    parse(text, Path::new("test.yaml"))
        .problems
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn five_lines_are_a_camera() {
    let camera = parse_camera(SMALLEST).unwrap();
    assert_eq!(camera.metadata.namespace.as_deref(), Some("default"));
    assert_eq!(camera.spec.hub_ref.name.as_str(), "default");
    assert!(camera.spec.enabled);
    let Source::Rtsp(rtsp) = &camera.spec.source.primary else {
        panic!("{:?}", camera.spec.source);
    };
    assert_eq!(rtsp.transport, Transport::Tcp);
    assert!(
        matches!(&rtsp.location, RtspLocation::Url(url) if url.as_str() == "rtsp://10.0.0.7/stream1")
    );

    let renditions = camera.renditions(&StreamHub::implied("default"));
    let [main] = renditions.as_slice() else {
        panic!("{renditions:?}");
    };
    assert_eq!(
        (
            main.name.as_str(),
            main.fps.as_f64(),
            main.quality.get(),
            main.meta
        ),
        ("main", 15.0, 80, false)
    );
}

#[test]
fn what_is_written_is_what_counts() {
    let camera = parse_camera(EVERYTHING).unwrap();
    assert!(!camera.spec.enabled, "no means false, as for kubectl");
    let Source::File(file) = &camera.spec.source.primary else {
        panic!("{:?}", camera.spec.source);
    };
    assert_eq!(
        file.uri.path(Path::new("/srv/hub")),
        PathBuf::from("/srv/hub/clips/gate.mp4")
    );
    assert_eq!(file.on_end, OnEnd::HoldLast);
    assert_eq!(
        file.fps.map(|fps| (fps.num(), fps.den())),
        Some((30000, 1001))
    );

    let hub = parse_hub(LOBBY).unwrap();
    assert_eq!(
        hub.spec.subject_prefix("default", "lobby"),
        "streamhub.site1.lobby"
    );
    assert_eq!(
        StreamHub::implied("site2")
            .spec
            .subject_prefix("site2", "default"),
        "streamhub.site2.default"
    );
    let perception = &hub.spec.feedback[&"perception".parse().unwrap()];
    let seconds = |event| {
        perception
            .ttl_of(event)
            .map(|ttl| ttl.as_duration().as_secs_f64())
    };
    assert_eq!(
        (seconds("spatial_object"), seconds("line"), seconds("other")),
        (Some(90.0), Some(1.5), None)
    );

    let names = |camera: &Camera| {
        camera
            .renditions(&hub)
            .iter()
            .map(|rendition| rendition.name.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&camera), ["main", "low"]);
    let low = &camera.renditions(&hub)[1];
    assert_eq!(
        (low.fps.as_f64(), low.height.map(Dimension::get)),
        (5.0, Some(360)),
        "numbers as kubectl reads them"
    );
    assert_eq!(names(&parse_camera(SMALLEST).unwrap()), ["small"]);
}

#[test]
fn a_source_may_have_others_that_stand_in_for_it() {
    let source = parse_camera(MANY_SOURCES).unwrap().spec.source;
    let kinds: Vec<_> = source.all().map(Source::kind).collect();
    assert_eq!(
        kinds,
        [
            SourceKind::Rtsp,
            SourceKind::V4l2,
            SourceKind::Http,
            SourceKind::File,
            SourceKind::Test
        ]
    );
    let Source::Rtsp(rtsp) = &source.primary else {
        panic!("{source:?}");
    };
    assert_eq!(
        (rtsp.clock.mode, rtsp.clock.offset.as_micros()),
        (ClockMode::Rtcp, -250_000)
    );
    let Source::V4l2(device) = &source.fallbacks[0] else {
        panic!("{source:?}");
    };
    let controls: Vec<_> = device
        .controls
        .iter()
        .map(|(name, value)| (name.as_str(), value.get()))
        .collect();
    assert_eq!(controls, [("exposure_auto", 1), ("gain", -3)]);
    assert!(!format!("{source:?}").contains("s3cr3t"));

    let smallest = parse_camera(SMALLEST).unwrap().spec.source;
    let Source::Rtsp(rtsp) = &smallest.primary else {
        panic!("{smallest:?}");
    };
    assert_eq!(
        (rtsp.clock.mode, rtsp.clock.offset.as_micros()),
        (ClockMode::Auto, 0)
    );
    assert!(smallest.fallbacks.is_empty());
}

#[test]
fn load_stops_at_the_floor_and_never_raises_anything() {
    let frames = parse_camera(MANY_SOURCES).unwrap().spec.frames.unwrap();
    let [main, low] = frames.as_slice() else {
        panic!("{frames:?}");
    };
    assert_eq!(
        (main.publish, low.publish),
        (Publish::Always, Publish::OnDemand)
    );
    let lowest = |rendition: &streamhub_crds::Rendition, width| {
        (
            rendition.lowest_quality().get(),
            rendition.lowest_fps().as_f64(),
            rendition.lowest_width(width),
        )
    };
    assert_eq!(lowest(main, 1920), (60, 10.0, 640));
    assert_eq!(lowest(main, 320), (60, 10.0, 320));
    assert_eq!(lowest(low, 320), (30, 10.0 / 3.0, 160));
    let mut high = main.clone();
    high.floor.quality = Some(Quality::try_from(95).unwrap());
    high.floor.fps = Some(Fps::whole(60).unwrap());
    assert_eq!(lowest(&high, 1920), (90, 30.0, 640));
    assert_eq!(
        Fps::whole(30).unwrap().third(),
        Fps::whole(10).unwrap(),
        "exact"
    );
}

#[test]
fn a_written_object_reads_back_the_same() {
    for text in [SMALLEST, EVERYTHING, MANY_SOURCES] {
        let camera = parse_camera(text).unwrap();
        let written = to_yaml(&camera).unwrap();
        assert_eq!(parse_camera(&written).unwrap(), camera, "{written}");
    }
    let hub = parse_hub(LOBBY).unwrap();
    let written = to_yaml(&hub).unwrap();
    assert_eq!(parse_hub(&written).unwrap(), hub, "{written}");
}

#[test]
fn a_hub_needs_no_spec_and_null_means_absent() {
    let bare =
        parse_hub("apiVersion: streamhub.dev/v1alpha1\nkind: StreamHub\nmetadata: {name: lobby}")
            .unwrap();
    let null = "apiVersion: streamhub.dev/v1alpha1\nkind: StreamHub\nmetadata: {name: lobby, creationTimestamp: null}\n\
                spec: {nats: null, feedback: null, defaults: {frames: null}}";
    assert_eq!(parse_hub(null).unwrap(), bare);
    assert_eq!(bare.spec.defaults.frames.len(), 1);
}

#[test]
fn lists_json_and_streams_of_documents_are_read() {
    let list = "\
apiVersion: v1
kind: List
items:
  - {apiVersion: streamhub.dev/v1alpha1, kind: StreamHub, metadata: {name: lobby}}
  - apiVersion: streamhub.dev/v1alpha1
    kind: Camera
    metadata: {name: door}
    spec: {source: {test: {}}, frames: [{name: main, fps: 0}]}
";
    assert_eq!(
        problems(list),
        ["test.yaml:8: Camera door: spec.frames[0].fps: 0: should be greater than or equal to 1"]
    );
    let json =
        r#"{"apiVersion":"streamhub.dev/v1alpha1","kind":"StreamHub","metadata":{"name":"lobby"}}"#;
    let stream = format!("---\n# nothing here\n---\n{SMALLEST}---\n{json}\n...\n---\n{EVERYTHING}");
    let read = documents(&stream);
    assert_eq!((read.cameras.len(), read.hubs.len()), (2, 1));
    assert_eq!(read.cameras[0].origin.line, 4);
}

#[test]
fn anchors_and_merges_are_followed() {
    let text = "\
apiVersion: streamhub.dev/v1alpha1
kind: Camera
metadata: {name: door}
spec:
  source: {test: {}}
  frames:
    - &main {name: main, fps: 30, quality: 90}
    - {<<: *main, name: low, width: 640}
";
    let frames = parse_camera(text).unwrap().spec.frames.unwrap();
    assert_eq!(
        (
            frames[1].name.as_str(),
            frames[1].fps,
            frames[1].quality.get()
        ),
        ("low", Fps::THIRTY, 90)
    );
}

#[test]
fn broken_yaml_is_told_with_its_line_and_spares_the_other_documents() {
    let text = format!("{SMALLEST}---\nkind: Camera\n  spec: [\n---\n{LOBBY}");
    let loading = parse(&text, Path::new("test.yaml"));
    assert_eq!(
        (
            loading.documents.cameras.len(),
            loading.documents.hubs.len()
        ),
        (1, 1)
    );
    let [problem] = loading.problems.as_slice() else {
        panic!("{:?}", loading.problems);
    };
    assert_eq!(problem.line, 7);

    let twice = SMALLEST.replace("metadata:", "kind: Camera\nmetadata:");
    assert_eq!(
        problems(&twice),
        ["test.yaml:3: key \"kind\" is written twice"]
    );
}

#[test]
fn aliases_of_aliases_do_not_fill_the_memory() {
    let level = |level: usize| match level.checked_sub(1) {
        None => "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned(),
        Some(below) => format!(
            "a{level}: &a{level} [{}]\n",
            format!("*a{below}, ").repeat(10)
        ),
    };
    let bomb: String = (0..12).map(level).collect();
    assert_eq!(parse(&bomb, Path::new("test.yaml")).problems.len(), 1);
}

#[test]
fn secrets_are_decoded_and_hidden() {
    let text = "\
apiVersion: v1
kind: Secret
metadata: {name: door}
type: Opaque
data: {username: YWRtaW4=, password: b2xk}
stringData: {password: hunter2}
";
    let secrets = documents(text).secrets;
    let secret = &secrets[0].object;
    assert_eq!(secret.data["username"].expose(), b"admin");
    assert_eq!(secret.data["password"].expose(), b"hunter2");
    assert!(!format!("{secrets:?}").contains("hunter2"));
    let unreadable = text
        .replace("hunter2", "*hunter2")
        .replace("YWRtaW4=", "hunter2!");
    assert!(!format!("{:?}", problems(&unreadable)).contains("hunter2"));
}

#[test]
fn a_name_may_be_used_once_per_kind_and_namespace() {
    let other = SMALLEST.replace("{name: door}", "{name: door, namespace: site1}");
    assert_eq!(
        documents(&format!("{SMALLEST}---\n{other}")).cameras.len(),
        2
    );
    assert_eq!(
        problems(&format!("{SMALLEST}---\n{SMALLEST}")),
        [
            "test.yaml:6: Camera door: metadata.name: there is another Camera of this name in namespace default: test.yaml:1"
        ]
    );
}

#[test]
fn a_folder_is_read_as_kubectl_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    fs::create_dir(folder.path().join("below")).unwrap();
    write("b.yaml", SMALLEST);
    write("a.yml", LOBBY);
    write("c.json", "{}");
    write("notes.txt", "not a manifest");
    write(".b.yaml", "an editor's copy");
    write("below/gate.yaml", EVERYTHING);

    let paths = [folder.path().to_owned(), folder.path().join("gone.yaml")];
    let flat = load(&paths, Folders::Flat);
    assert_eq!(
        (flat.documents.cameras.len(), flat.documents.hubs.len()),
        (1, 1)
    );
    let told: Vec<_> = flat
        .problems
        .iter()
        .map(|problem| problem.message.as_str())
        .collect();
    assert_eq!(
        told,
        [
            "required value",
            "can't be read: No such file or directory (os error 2)"
        ]
    );
    assert_eq!(load(&paths, Folders::Recursive).documents.cameras.len(), 2);
}

#[test]
fn a_single_document_must_be_the_expected_one() {
    let told =
        |result: Result<Camera, Vec<streamhub_crds::Problem>>| result.unwrap_err()[0].to_string();
    assert_eq!(told(parse_camera("")), "must hold exactly one Camera");
    assert_eq!(told(parse_camera(LOBBY)), "must hold exactly one Camera");
    assert_eq!(
        told(parse_camera(&format!("{SMALLEST}---\n{EVERYTHING}"))),
        "must hold exactly one Camera"
    );
}

#[test]
fn the_subject_prefix_never_changes() {
    let with = parse_hub(LOBBY).unwrap();
    let other = parse_hub(&LOBBY.replace("site1.lobby", "site2.lobby")).unwrap();
    let without = parse_hub(&LOBBY.replace(", subjectPrefix: streamhub.site1.lobby", "")).unwrap();
    let nowhere = StreamHub::implied("default");
    for (old, new) in [
        (&with, &other),
        (&with, &without),
        (&without, &with),
        (&nowhere, &with),
        (&with, &nowhere),
    ] {
        let problems = validate_hub_update(old, new).unwrap_err();
        assert_eq!(problems[0].field, "spec.nats.subjectPrefix", "{problems:?}");
    }
    assert_eq!(validate_hub_update(&with, &with), Ok(()));
    assert_eq!(validate_hub_update(&nowhere, &without), Ok(()));
}

#[test]
fn a_url_shows_neither_query_nor_fragment() {
    let url: RtspUrl = "rtsps://10.0.0.7:322/live?token=hunter2".parse().unwrap();
    assert_eq!(
        format!("{url} {url:?}"),
        "rtsps://10.0.0.7:322/live \"rtsps://10.0.0.7:322/live\""
    );
    assert!(url.is_tls());
    let url: HttpUrl = "http://10.0.0.7:8080/video?token=hunter2".parse().unwrap();
    assert_eq!(
        format!("{url} {url:?}"),
        "http://10.0.0.7:8080/video \"http://10.0.0.7:8080/video\""
    );
}

#[test]
fn a_file_on_a_server_is_told_from_one_on_the_machine() {
    let uri = |text: &str| text.parse::<FileUri>().unwrap();
    assert_eq!(uri("films/http/a.mp4").remote(), None);
    assert_eq!(uri("file:///films/a.mp4").remote(), None);
    assert_eq!(
        uri("https://10.0.0.7:8443/films/a.mp4").remote(),
        Some(RemoteFile::Http("https://10.0.0.7:8443/films/a.mp4"))
    );
    let (bucket, object) = ("films", "door/day 1.mp4");
    assert_eq!(
        uri("gs://films/door/day 1.mp4").remote(),
        Some(RemoteFile::Gs { bucket, object })
    );
    assert_eq!(
        uri("s3://films/door/day 1.mp4").remote(),
        Some(RemoteFile::S3 { bucket, object })
    );
}

#[test]
fn the_samples_are_valid() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for folder in ["manifests/samples", "manifests/demo"] {
        let loading = load(&[root.join(folder)], Folders::Flat);
        assert_eq!(loading.problems, [], "{folder}");
        assert!(!loading.documents.cameras.is_empty(), "{folder}");
    }
}

#[test]
fn a_file_is_found_by_path_and_by_url() {
    let path = |uri: &str| uri.parse::<FileUri>().unwrap().path(Path::new("/srv"));
    assert_eq!(path("/video 1.mp4"), PathBuf::from("/video 1.mp4"));
    assert_eq!(
        path("file:///media/video%201.mp4"),
        PathBuf::from("/media/video 1.mp4")
    );
    assert_eq!(path("file:///100%"), PathBuf::from("/100%"));
    assert_eq!(path("../100%20"), PathBuf::from("/srv/../100%20"));
}
