//! What people write.

use std::path::Path;

use streamhub_crds::{parse, to_yaml};
use streamhub_ingest::fault::Redactor;

/// Documents in YAML or JSON. What is accepted is written out as what is accepted again, and as the same.
pub(crate) fn manifest(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else {
        return false;
    };
    let loading = parse(text, Path::new("fuzz.yaml"));
    for problem in &loading.problems {
        assert!(!problem.to_string().is_empty());
    }
    for loaded in &loading.documents.cameras {
        let camera = &loaded.object;
        let again = written(camera);
        let cameras: Vec<_> = again.documents.cameras.iter().map(|c| &c.object).collect();
        assert_eq!(again.problems, [], "{camera:?}");
        assert_eq!(cameras, [camera]);
    }
    for loaded in &loading.documents.hubs {
        let hub = &loaded.object;
        let again = written(hub);
        let hubs: Vec<_> = again.documents.hubs.iter().map(|h| &h.object).collect();
        assert_eq!(again.problems, [], "{hub:?}");
        assert_eq!(hubs, [hub]);
    }
    let read = &loading.documents;
    let any = read.cameras.len() + read.hubs.len() + read.secrets.len() > 0;
    any && loading.problems.is_empty()
}

fn written<T: serde::Serialize>(object: &T) -> streamhub_crds::Loading {
    let text = to_yaml(object).expect("what was read can be written");
    parse(&text, Path::new("fuzz.yaml"))
}

/// A secret on the first line, a text from outside on the others: the secret is not in what is shown.
pub(crate) fn redact(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else {
        return false;
    };
    let Some((secret, text)) = text.split_once('\n') else {
        return false;
    };
    let clean = Redactor::new([secret.to_owned()]).clean(text);
    // One with other characters may come about by what is taken out.
    let plain = secret.len() >= 3 && secret.bytes().all(|byte| byte.is_ascii_alphanumeric());
    assert!(!plain || !clean.contains(secret), "{secret:?} in {clean:?}");
    plain && text.contains(secret)
}
