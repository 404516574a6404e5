//! What drivers said of the devices that are plugged in.

use std::collections::BTreeMap;
use std::io::ErrorKind;

use streamhub_crds::{DeviceFormat, DeviceIdentity, VideoDeviceStatus};
use streamhub_devices::{Found, Scan, Unreadable};

/// Drivers may be out of reach for a moment: a program has the device for itself, or the agent has just begun. That is no
/// unplugging, so a device that sysfs still shows stays what it was.
#[derive(Debug, Default)]
pub struct Said(BTreeMap<DeviceIdentity, Answer>);

#[derive(Debug, Clone)]
struct Answer {
    driver: String,
    formats: Vec<DeviceFormat>,
    unsupported: Option<String>,
}

impl Said {
    /// What the objects of an earlier agent say of devices that were there in this boot; what was heard since stands.
    pub fn remember<'a>(&mut self, there: impl IntoIterator<Item = &'a VideoDeviceStatus>) {
        for status in there {
            let heard = self.0.entry(status.identity.clone());
            heard.or_insert_with(|| Answer {
                driver: status.driver.clone(),
                formats: status.formats.clone(),
                unsupported: status.unsupported.clone(),
            });
        }
    }

    /// The devices that are there: those whose drivers answered, and those that answered before. What is not there is
    /// forgotten.
    pub fn complete(&mut self, scan: Scan) -> Vec<Found> {
        let Scan {
            mut found,
            unreadable,
        } = scan;
        for Unreadable { found: node, error } in unreadable {
            let before = self.0.get(&node.identity).cloned();
            if let Some(answer) = before.filter(|_| error.kind() != ErrorKind::NotFound) {
                found.push(Found {
                    driver: answer.driver,
                    formats: answer.formats,
                    unsupported: answer.unsupported,
                    ..node
                });
            }
        }
        found.sort_by_key(|found| (found.major, found.minor));
        let answer = |found: &Found| Answer {
            driver: found.driver.clone(),
            formats: found.formats.clone(),
            unsupported: found.unsupported.clone(),
        };
        self.0 = found
            .iter()
            .map(|found| (found.identity.clone(), answer(found)))
            .collect();
        found
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::super::report::tests::{found, place, present};
    use super::*;

    fn format() -> DeviceFormat {
        DeviceFormat {
            fourcc: "MJPG".to_owned(),
            ..DeviceFormat::default()
        }
    }

    fn answers(number: u32) -> Scan {
        let mut found = found(number);
        found.formats = vec![format()];
        Scan {
            found: vec![found],
            ..Scan::default()
        }
    }

    fn fails(number: u32, kind: ErrorKind) -> Scan {
        let error = io::Error::from(kind);
        let found = found(number);
        Scan {
            unreadable: vec![Unreadable { found, error }],
            ..Scan::default()
        }
    }

    #[test]
    fn a_driver_that_does_not_answer_now_is_taken_by_its_last_word() {
        let mut said = Said::default();
        said.complete(answers(0));
        for _ in 0..2 {
            let mut silent = fails(0, ErrorKind::ResourceBusy);
            silent.unreadable[0].found.dev_path = "/dev/video4".to_owned();
            let all = said.complete(silent);
            assert_eq!(all[0].formats, [format()]);
            assert_eq!(all[0].dev_path, "/dev/video4");
        }
    }

    #[test]
    fn what_was_never_heard_or_has_no_node_or_was_away_is_not_there() {
        let mut said = Said::default();
        assert!(said.complete(fails(0, ErrorKind::ResourceBusy)).is_empty());
        said.complete(answers(0));
        assert!(said.complete(fails(0, ErrorKind::NotFound)).is_empty());
        assert!(said.complete(fails(0, ErrorKind::ResourceBusy)).is_empty());
        said.complete(answers(0));
        said.complete(Scan::default());
        assert!(said.complete(fails(0, ErrorKind::ResourceBusy)).is_empty());
    }

    #[test]
    fn what_an_earlier_agent_wrote_counts_as_well() {
        let mut before = present(0);
        before.found.formats = vec![format()];
        let written = place().status(&before);
        let mut said = Said::default();
        said.remember([&written]);
        let all = said.complete(fails(0, ErrorKind::ResourceBusy));
        assert_eq!(all, [before.found]);
        // It may come to be known late.
        let mut older = written;
        older.formats.clear();
        said.remember([&older]);
        let all = said.complete(fails(0, ErrorKind::ResourceBusy));
        assert_eq!(all[0].formats, [format()]);
    }
}
