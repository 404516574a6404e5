//! The seeds of all fuzz targets, among them every input that once found a fault.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::panic::catch_unwind;

use streamhub_fuzz_targets::TARGETS;
use streamhub_testkit::repository;

/// A seed that begins with `ok` is what it should be, one that begins with `bad` is not; others only do no harm.
#[test]
fn every_seed_is_read_as_its_name_says() {
    for (name, target) in TARGETS {
        let folder = repository().join("fuzz/corpus").join(name);
        let mut counts = [0, 0];
        for entry in fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.unwrap().path();
            let seed = path.file_name().unwrap().to_str().unwrap().to_owned();
            let data = fs::read(&path).unwrap();
            let good = catch_unwind(|| target(&data)).unwrap_or_else(|_| panic!("{name}/{seed}"));
            for (nth, (begin, wanted)) in [("ok", true), ("bad", false)].into_iter().enumerate() {
                if seed.starts_with(begin) {
                    assert_eq!(good, wanted, "{name}/{seed}");
                    counts[nth] += 1;
                }
            }
        }
        assert!(
            counts.iter().all(|count| *count > 0),
            "{name}: {counts:?} ok and bad"
        );
    }
}

#[test]
fn cargo_fuzz_knows_every_target() {
    let fuzz = repository().join("fuzz");
    let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    for (name, _) in TARGETS {
        let entry = fs::read_to_string(fuzz.join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(entry.contains(&format!("run(\"{name}\", data)")), "{entry}");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
    }
    assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
}
