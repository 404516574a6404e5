//! What holds for every input.

use std::path::Path;
use std::str::FromStr;

use proptest::prelude::*;
use serde_json::{Value, json};
use streamhub_crds::{
    ClockOffset, ControlName, ControlValue, DevicePath, DeviceSerial, Dimension, FileUri, Fourcc,
    Fps, HttpUrl, NatsUrl, NodeName, ObjectName, Quality, RtspUrl, SecretKey, SecretName,
    SubjectPrefix, SubjectToken, Ttl, UsbId, UsbPath, parse,
};

const TABLE: &str = include_str!("mistakes.yaml");

fn camera(spec: &Value) -> Value {
    json!({
        "apiVersion": "streamhub.dev/v1alpha1",
        "kind": "Camera",
        "metadata": {"name": "door"},
        "spec": spec,
    })
}

fn hub(spec: &Value) -> Value {
    json!({
        "apiVersion": "streamhub.dev/v1alpha1",
        "kind": "StreamHub",
        "metadata": {"name": "lobby"},
        "spec": spec,
    })
}

/// Whether the schema and its rules admit the document; fails where they admit what the types then refuse.
fn admitted(document: &Value) -> bool {
    let problems = parse(&document.to_string(), Path::new("")).problems;
    assert!(
        problems.iter().all(|problem| problem.field != "spec"),
        "{problems:?}"
    );
    problems.is_empty()
}

fn is<T: FromStr>(text: &str) -> bool {
    text.parse::<T>().is_ok()
}

/// Mostly a good beginning, and then something odd.
fn url_like() -> impl Strategy<Value = String> {
    let scheme = prop_oneof![
        3 => "rtsps?://|(nats|tls|wss?)://",
        3 => "(https?|gs|s3|file)://",
        1 => "(RTSP|http|gs|file|)(://|:///|:|)",
    ];
    let user = prop_oneof![3 => Just(String::new()), 1 => "[a:1]{1,3}@"];
    let host = prop_oneof![3 => "[a-c.1_-]{1,5}", 1 => r"\[[1a:]{1,3}\]", 1 => "[,:%]{0,2}"];
    let port = prop_oneof![1 => Just(String::new()), 1 => ":[0-9]{1,6}", 1 => ":[0-9a]{0,3}"];
    let path = prop_oneof![1 => Just(String::new()), 3 => "/[a/@?é]{0,4}", 2 => "(/[a. ]{1,3}){1,3}", 1 => "[/?#@][a/@?# \n]{0,4}"];
    (scheme, user, host, port, path)
        .prop_map(|(scheme, user, host, port, path)| scheme + &user + &host + &port + &path)
}

#[test]
fn a_file_on_a_host_of_dots_is_admitted_by_nobody() {
    for text in ["http://./a", "https://../a"] {
        let document = camera(&json!({"source": {"file": {"uri": text}}}));
        assert!(!is::<FileUri>(text) && !admitted(&document), "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in any::<String>()) {
        parse(&text, Path::new(""));
    }

    #[test]
    fn any_yaml_like_text_is_read_without_a_panic(text in "[a-z:&*!|>%@`'\"{}\\[\\],#?~<0-9\n\t -]{0,80}") {
        parse(&text, Path::new(""));
    }

    #[test]
    fn any_damage_to_a_manifest_is_told_without_a_panic(
        start in 0..TABLE.len(), length in 0_usize..2000, at in 0_usize..2000, damage in "[:{}\\[\\]\n 0-9a-z&*-]{0,6}",
    ) {
        let mut text: String = TABLE.chars().skip(start).take(length).collect();
        let at = text.char_indices().map(|(at, _)| at).nth(at).unwrap_or(text.len());
        text.insert_str(at, &damage);
        parse(&text, Path::new(""));
    }

    #[test]
    fn rates_are_read_as_the_schema_admits_them(text in "[0-9]{0,6}[./]?[0-9]{0,6}") {
        let document = camera(&json!({"source": {"test": {"fps": text}}}));
        prop_assert_eq!(is::<Fps>(&text), admitted(&document), "{}", text);
    }

    #[test]
    fn rates_keep_their_value_when_written(num in 1_u32..=240_000, den in 1_u32..=99_999, over in 0..4) {
        let text = match over {
            0 => format!("{num}/1001"),
            1 => format!("{num}/1000"),
            2 => format!("{}/{den}", num % 240 + 1),
            _ => format!("{}.{:03}", num % 240, den % 1000),
        };
        if let Ok(fps) = text.parse::<Fps>() {
            prop_assert_eq!(fps.to_string().parse::<Fps>(), Ok(fps), "{} became {}", text, fps);
            let json = serde_json::to_value(fps).unwrap();
            prop_assert_eq!(serde_json::from_value::<Fps>(json).unwrap(), fps);
            prop_assert!(fps.as_f64() > 0.0 && fps.as_f64() <= 240.0);
        }
    }

    #[test]
    fn durations_are_read_as_the_schema_admits_them(text in "([0-9]{0,3}(\\.[0-9]{0,3})?(h|m|s|ms|us|d)?){0,4}") {
        let document = hub(&json!({"feedback": {"ui": {"events": ["a"], "ttl": text}}}));
        prop_assert_eq!(is::<Ttl>(&text), admitted(&document), "{}", text);
    }

    #[test]
    fn durations_keep_their_value_when_written(nanos in 10_000_000_u64..=86_400_000_000_000) {
        let ttl = Ttl::try_from(std::time::Duration::from_nanos(nanos)).unwrap();
        prop_assert_eq!(ttl.to_string().parse::<Ttl>(), Ok(ttl));
    }

    #[test]
    fn urls_are_read_as_the_schema_admits_them(text in url_like()) {
        let rtsp = camera(&json!({"source": {"rtsp": {"url": text}}}));
        prop_assert_eq!(is::<RtspUrl>(&text), admitted(&rtsp), "{}", text);
        let http = camera(&json!({"source": {"http": {"url": text}}}));
        prop_assert_eq!(is::<HttpUrl>(&text), admitted(&http), "{}", text);
        let nats = hub(&json!({"nats": {"url": text}}));
        prop_assert_eq!(is::<NatsUrl>(&text), admitted(&nats), "{}", text);
        let file = camera(&json!({"source": {"file": {"uri": text}}}));
        prop_assert_eq!(is::<FileUri>(&text), admitted(&file), "{}", text);
    }

    #[test]
    fn offsets_are_read_as_the_schema_admits_them(text in "-?[01]{0,6}(\\.[0-9]{0,7})?(ms|s|m|)") {
        let document = camera(&json!({"source": {"rtsp": {"url": "rtsp://a", "clock": {"offset": text}}}}));
        prop_assert_eq!(is::<ClockOffset>(&text), admitted(&document), "{}", text);
    }

    #[test]
    fn offsets_keep_their_value_when_written(micros in -10_000_000_i64..=10_000_000) {
        let offset = ClockOffset::from_micros(micros).unwrap();
        prop_assert_eq!(offset.to_string().parse::<ClockOffset>(), Ok(offset));
    }

    #[test]
    fn devices_are_read_as_the_schema_admits_them(
        path in "/dev(/[a-c0.:é ]{0,3}){0,3}|[/a.]{0,6}",
        fourcc in "[A-Z0-9 ~é\t]{3,5}",
        control in "[a-c0_A-]{0,3}|[a-z]{60,66}",
        value in prop_oneof![any::<i64>(), -(1_i64 << 53) - 2..(-(1_i64 << 53) + 2), (1_i64 << 53) - 2..((1_i64 << 53) + 2)],
    ) {
        let with = |path: &str, more: Value| {
            let mut v4l2 = json!({"deviceSelector": {"devicePath": path}});
            v4l2.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            camera(&json!({"source": {"v4l2": v4l2}}))
        };
        prop_assert_eq!(is::<DevicePath>(&path), admitted(&with(&path, json!({}))), "{}", path);
        let mode = with("/dev/video0", json!({"mode": {"fourcc": fourcc}}));
        prop_assert_eq!(is::<Fourcc>(&fourcc), admitted(&mode), "{}", fourcc);
        let named = with("/dev/video0", json!({"controls": {&control: 1}}));
        prop_assert_eq!(is::<ControlName>(&control), admitted(&named), "{}", control);
        let valued = with("/dev/video0", json!({"controls": {"gain": value}}));
        prop_assert_eq!(ControlValue::try_from(value).is_ok(), admitted(&valued), "{}", value);
    }

    #[test]
    fn what_a_device_is_selected_by_is_read_as_the_schema_admits_it(
        id in "[0-9a-f]{3,5}|[0-9A-Ga-g]{4}",
        serial in "[ -~é\t]{0,4}|[a-b]{120,130}",
        usb in "[0-9]{0,2}-[0-9]{0,2}([.][0-9]{0,2}){0,2}(:[0-9]{0,1}[.]?[0-9]{0,1})?|[0-9.:-]{0,6}|[0-9]-[0-9.]{58,64}",
        name in "[a-bA0._-]{0,6}|[a-z]{60,66}|[a-z.]{250,256}",
    ) {
        let with = |selector: Value| camera(&json!({"source": {"v4l2": {"deviceSelector": selector}}}));
        prop_assert_eq!(is::<UsbId>(&id), admitted(&with(json!({"vendor": id}))), "{}", id);
        prop_assert_eq!(is::<UsbId>(&id), admitted(&with(json!({"vendor": "046d", "product": id}))), "{}", id);
        prop_assert_eq!(is::<DeviceSerial>(&serial), admitted(&with(json!({"serial": serial}))), "{}", serial);
        prop_assert_eq!(is::<UsbPath>(&usb), admitted(&with(json!({"usbPath": usb}))), "{}", usb);
        prop_assert_eq!(is::<NodeName>(&name), admitted(&with(json!({"node": name}))), "{}", name);
    }

    #[test]
    fn names_are_read_as_the_schema_admits_them(text in "[a-bA0._ é-]{0,6}|[a-z]{40,70}|[a-z.]{200,300}") {
        let secret = camera(&json!({"source": {"rtsp": {"urlSecretRef": {"name": text, "key": "url"}}}}));
        prop_assert_eq!(is::<SecretName>(&text), admitted(&secret), "{}", text);
        let key = camera(&json!({"source": {"rtsp": {"urlSecretRef": {"name": "a", "key": text}}}}));
        prop_assert_eq!(is::<SecretKey>(&text), admitted(&key), "{}", text);
        let rendition = camera(&json!({"source": {"test": {}}, "frames": [{"name": text}]}));
        prop_assert_eq!(is::<SubjectToken>(&text), admitted(&rendition), "{}", text);
        let object = camera(&json!({"source": {"test": {}}, "hubRef": {"name": text}}));
        prop_assert_eq!(is::<ObjectName>(&text), admitted(&object), "{}", text);
        let prefix = hub(&json!({"nats": {"subjectPrefix": text}}));
        prop_assert_eq!(is::<SubjectPrefix>(&text), admitted(&prefix), "{}", text);
        let module = hub(&json!({"feedback": {&text: {"events": ["a"]}}}));
        prop_assert_eq!(is::<SubjectToken>(&text), admitted(&module), "{}", text);
    }

    #[test]
    fn numbers_are_read_as_the_schema_admits_them(number in prop_oneof![-5_i64..300, 7600_i64..7700, any::<i64>()]) {
        let converts = |converted: Option<bool>| converted.unwrap_or(false);
        let number_u32 = u32::try_from(number).ok();
        let document = |rendition: Value| camera(&json!({"source": {"test": {}}, "frames": [rendition]}));
        let width = document(json!({"name": "main", "width": number}));
        prop_assert_eq!(converts(number_u32.map(|n| Dimension::try_from(n).is_ok())), admitted(&width));
        let quality = document(json!({"name": "main", "quality": number}));
        prop_assert_eq!(converts(number_u32.map(|n| Quality::try_from(n).is_ok())), admitted(&quality));
        let fps = document(json!({"name": "main", "fps": number}));
        prop_assert_eq!(converts(number_u32.map(|n| Fps::whole(n).is_ok())), admitted(&fps));
    }
}
