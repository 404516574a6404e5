use std::slice;

use proptest::prelude::*;

use super::*;

fn camera(port: &str, serial: Option<&str>) -> DeviceIdentity {
    DeviceIdentity {
        bus: "usb".to_owned(),
        vendor: Some("046d".to_owned()),
        product: Some("0825".to_owned()),
        serial: serial.map(str::to_owned),
        usb_path: Some(format!("{port}:1.0")),
        path: format!("usb-{port}:1.0"),
        index: 0,
    }
}

fn id(registry: &mut Registry, present: &[DeviceIdentity]) -> DeviceId {
    registry.update(present).remove(0)
}

#[test]
fn an_id_of_a_serial_number_goes_where_the_device_goes() {
    let mut registry = Registry::default();
    let here = id(&mut registry, &[camera("1-1", Some("A1B2"))]);
    assert_eq!(here.as_str().len(), 10);
    assert_eq!(
        id(&mut registry, &[camera("3-1.4", Some("A1B2"))]),
        here,
        "another port"
    );
    assert_ne!(id(&mut registry, &[camera("3-1.4", Some("A1B3"))]), here);
    assert_eq!(
        DeviceId::of_resource(&here.resource()),
        Some(here),
        "there and back"
    );
    assert_eq!(DeviceId::of_resource("streamhub.dev/cam-1"), None);
}

#[test]
fn an_id_is_the_same_in_every_build() {
    let mut registry = Registry::default();
    let ids = registry.update(&[camera("1-1", Some("A1B2")), camera("1-2", None)]);
    let ids: Vec<&str> = ids.iter().map(DeviceId::as_str).collect();
    assert_eq!(ids, ["31e848f2e2", "161a604d83"]);
}

#[test]
fn a_serial_number_that_tells_nothing_is_none() {
    for dummy in [
        "",
        " ",
        "0",
        "0000-0000",
        "FFFFFFFF",
        "SN0001",
        "200901010001",
    ] {
        assert!(!telling(dummy), "{dummy}");
    }
    for good in ["A1B2", "7F3A2B10", "000001F3"] {
        assert!(telling(good), "{good}");
    }
    let mut registry = Registry::default();
    let first = id(&mut registry, &[camera("1-1", Some("0000"))]);
    assert_ne!(
        id(&mut registry, &[camera("1-2", Some("0000"))]),
        first,
        "another port"
    );
}

#[test]
fn who_was_there_first_keeps_the_id_that_a_twin_would_have() {
    let mut registry = Registry::default();
    let (first, twin) = (camera("1-1", Some("A1B2")), camera("1-2", Some("A1B2")));
    let alone = id(&mut registry, slice::from_ref(&first));
    let both = registry.update(&[twin.clone(), first.clone()]);
    assert_eq!(both[1], alone);
    assert_ne!(both[0], alone);
    assert_eq!(
        registry.update(slice::from_ref(&twin)),
        [both[0].clone()],
        "the twin keeps its own while it is there"
    );
    assert_eq!(registry.update(&[]), [], "what is unplugged is forgotten");
    assert_eq!(registry.update(&[twin]), [alone]);
}

#[test]
fn what_was_given_before_a_restart_stays() {
    let mut before = Registry::default();
    let (first, twin) = (camera("1-1", Some("A1B2")), camera("1-2", Some("A1B2")));
    let given = id(&mut before, slice::from_ref(&first));
    let mut after = Registry::remembering([(first.clone(), given.clone())]);
    assert_eq!(after.update(&[twin, first])[1], given);
}

#[test]
fn what_was_given_before_a_restart_stays_for_a_twin_that_is_seen_late() {
    let mut before = Registry::default();
    let (first, twin) = (camera("1-1", Some("A1B2")), camera("1-2", Some("A1B2")));
    before.update(slice::from_ref(&first));
    let both = [first.clone(), twin.clone()];
    let given = before.update(&both);
    let mut after = Registry::remembering(both.clone().into_iter().zip(given.clone()));
    assert_eq!(after.update(slice::from_ref(&twin)), given[1..]);
    assert_eq!(after.update(&both), given);
    // Now that it was seen it can be unplugged.
    after.update(slice::from_ref(&twin));
    assert_ne!(after.update(&both)[0], given[0]);
}

#[test]
fn nothing_is_kept_for_a_device_that_is_elsewhere_or_was_replaced() {
    let (first, twin) = (camera("1-1", Some("A1B2")), camera("1-2", Some("A1B2")));
    let given = id(&mut Registry::default(), slice::from_ref(&first));
    let remembering = || Registry::remembering([(first.clone(), given.clone())]);
    let mut moved = remembering();
    assert_eq!(id(&mut moved, slice::from_ref(&twin)), given);
    let both = moved.update(&[first.clone(), twin.clone()]);
    assert_eq!(both[1], given);
    assert_ne!(both[0], given);
    let mut replaced = remembering();
    replaced.update(&[camera("1-1", Some("C3D4"))]);
    assert_ne!(replaced.update(&[first.clone(), twin.clone()])[0], given);
}

#[test]
fn ids_differ_even_where_hashes_do_not() {
    let coarse = |_: &MadeOf, attempt: u32| format!("{:010x}", attempt / 2);
    let present: Vec<DeviceIdentity> = ["1-1", "1-2", "1-3"]
        .map(|port| camera(port, None))
        .into_iter()
        .collect();
    let ids = Registry::default().update_by(&present, coarse);
    let different: BTreeSet<_> = ids.iter().collect();
    assert_eq!(different.len(), 3, "{ids:?}");
}

/// Few ports and few serial numbers, so that twins and changes in one place are common.
fn machine() -> impl Strategy<Value = Vec<DeviceIdentity>> {
    let serial = prop_oneof![
        Just(None),
        Just(Some("0000")),
        Just(Some("A1B2")),
        Just(Some("C3D4"))
    ];
    let node = (0..5_u32, 0..2_u32);
    prop::collection::btree_map(node, serial, 0..8).prop_map(|devices| {
        devices
            .into_iter()
            .map(|((port, index), serial)| DeviceIdentity {
                index,
                ..camera(&format!("1-{port}"), serial)
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn ids_are_unique_and_stay_while_a_device_is_plugged_in(
        scans in prop::collection::vec(machine(), 1..12)
    ) {
        let mut registry = Registry::default();
        let mut before: BTreeMap<DeviceIdentity, DeviceId> = BTreeMap::new();
        for present in scans {
            let ids = registry.update(&present);
            prop_assert_eq!(ids.len(), present.len());
            let different: BTreeSet<_> = ids.iter().collect();
            prop_assert_eq!(different.len(), ids.len());
            let now: BTreeMap<_, _> = present.into_iter().zip(ids).collect();
            for (device, id) in &now {
                if let Some(old) = before.get(device) {
                    prop_assert_eq!(old, id);
                }
            }
            before = now;
        }
    }

    #[test]
    fn ids_stay_over_a_restart_in_whatever_order_devices_answer_after_it(
        scans in prop::collection::vec(machine(), 0..6), present in machine().prop_shuffle()
    ) {
        let mut before = Registry::default();
        for scan in scans {
            before.update(&scan);
        }
        let given = before.update(&present);
        let mut after = Registry::remembering(present.iter().cloned().zip(given.clone()));
        for seen in 1..=present.len() {
            prop_assert_eq!(after.update(&present[..seen]), given[..seen].to_vec());
        }
    }

    #[test]
    fn the_order_in_which_devices_are_found_does_not_matter(
        present in machine().prop_shuffle(), again in any::<prop::sample::Index>()
    ) {
        let mut turned = present.clone();
        turned.rotate_left(again.index(present.len().max(1)).min(present.len()));
        let ids = |present: &[DeviceIdentity]| -> BTreeMap<DeviceIdentity, DeviceId> {
            let ids = Registry::default().update(present);
            present.iter().cloned().zip(ids).collect()
        };
        prop_assert_eq!(ids(&present), ids(&turned));
    }

    #[test]
    fn devices_with_unique_serial_numbers_have_ids_that_no_history_changes(
        histories in prop::collection::vec(machine(), 0..4),
        ports in Just((0..6_usize).collect::<Vec<_>>()).prop_shuffle()
    ) {
        let named = |ports: &[usize]| -> Vec<DeviceIdentity> {
            let serials = ports.iter().enumerate();
            serials.map(|(n, port)| camera(&format!("2-{port}"), Some(&format!("SER{n}X")))).collect()
        };
        let fresh = Registry::default().update(&named(&[0, 1, 2, 3, 4, 5]));
        let mut used = Registry::default();
        for present in &histories {
            used.update(present);
        }
        prop_assert_eq!(used.update(&named(&ports)), fresh);
    }
}
