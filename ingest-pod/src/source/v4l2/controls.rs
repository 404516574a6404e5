//! Controls of a device: checked against what it has before the first one is set.

use streamhub_crds::{ControlName, ControlValue};

use std::collections::BTreeMap;

use crate::fault::Fault;

/// What kind of values a control takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Whole numbers in steps.
    Integer,
    /// 0 or 1.
    Boolean,
    /// The number of an entry.
    Menu,
    /// Bits.
    Bitmask,
    /// Buttons, texts, 64-bit numbers, arrays.
    Other,
}

/// One control of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control<I> {
    /// How the device calls it in its calls.
    pub id: I,
    /// For people: `Exposure Time, Absolute`.
    pub title: String,
    /// Kind of its values.
    pub kind: Kind,
    /// Smallest value.
    pub min: i32,
    /// Largest value.
    pub max: i32,
    /// Distance between two values.
    pub step: i32,
    /// Never to be set.
    pub read_only: bool,
}

impl<I> Control<I> {
    /// The name that `v4l2-ctl` shows: lower case, everything else between words an underscore.
    pub fn name(&self) -> String {
        self.title
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join("_")
            .to_ascii_lowercase()
    }

    fn check(&self, value: i64) -> Result<i32, String> {
        if self.read_only {
            return Err("it can only be read".to_owned());
        }
        let wide = |value: i32| i64::from(value);
        match self.kind {
            Kind::Other => Err(
                "controls of its kind (button, text, 64-bit, array) cannot be set here".to_owned(),
            ),
            // The mask of bits that exist is a negative number where the highest one does.
            Kind::Bitmask => u32::try_from(value)
                .ok()
                .filter(|bits| bits & !self.max.cast_unsigned() == 0)
                .map(u32::cast_signed)
                .ok_or_else(|| format!("{value} has bits outside {:#x}", self.max)),
            Kind::Integer | Kind::Boolean | Kind::Menu => {
                let step = wide(self.step).max(1);
                let in_range = (wide(self.min)..=wide(self.max)).contains(&value);
                i32::try_from(value)
                    .ok()
                    .filter(|_| in_range && (value - wide(self.min)) % step == 0)
                    .ok_or_else(|| {
                        let steps = if step == 1 {
                            String::new()
                        } else {
                            format!(", in steps of {step}")
                        };
                        format!(
                            "{value} is out of range: from {} to {}{steps}",
                            self.min, self.max
                        )
                    })
            }
        }
    }
}

/// The values to set, switches before numbers: an exposure time is taken only once automatic exposure is off.
pub fn plan<I: Copy>(
    device: &str,
    has: &[Control<I>],
    wanted: &BTreeMap<ControlName, ControlValue>,
) -> Result<Vec<(I, String, i32)>, Fault> {
    let mut plan = Vec::new();
    for (name, value) in wanted {
        let field = format!("controls.{name}: {device}");
        let Some(control) = has.iter().find(|control| control.name() == name.as_str()) else {
            let names: Vec<String> = has.iter().map(Control::name).collect();
            return Err(Fault::permanent(
                "UnknownControl",
                format!("{field} has no such control; it has: {}", names.join(", ")),
                "correct the name in spec.source.v4l2.controls: v4l2-ctl --list-ctrls shows all",
            ));
        };
        let value = control.check(value.get()).map_err(|why| {
            Fault::permanent(
                "InvalidControl",
                format!("{field}: {why}"),
                "correct the value in spec.source.v4l2.controls: v4l2-ctl --list-ctrls-menus shows the ranges",
            )
        })?;
        let switch = matches!(control.kind, Kind::Boolean | Kind::Menu);
        plan.push((!switch, (control.id, name.to_string(), value)));
    }
    plan.sort_by_key(|(late, _)| *late);
    Ok(plan.into_iter().map(|(_, set)| set).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(id: u32, title: &str, kind: Kind, range: (i32, i32, i32)) -> Control<u32> {
        let (min, max, step) = range;
        Control {
            id,
            title: title.to_owned(),
            kind,
            min,
            max,
            step,
            read_only: false,
        }
    }

    fn camera() -> Vec<Control<u32>> {
        vec![
            control(1, "Brightness", Kind::Integer, (-64, 64, 1)),
            control(2, "Exposure Time, Absolute", Kind::Integer, (10, 5000, 10)),
            control(3, "White Balance, Automatic", Kind::Boolean, (0, 1, 1)),
            control(4, "Power Line Frequency", Kind::Menu, (0, 2, 1)),
            control(5, "LED", Kind::Bitmask, (0, i32::MIN, 0)),
            control(6, "Firmware", Kind::Other, (0, 0, 0)),
            Control {
                read_only: true,
                ..control(7, "Temperature", Kind::Integer, (0, 100, 1))
            },
        ]
    }

    fn planned(wanted: &[(&str, i64)]) -> Result<Vec<(u32, i32)>, Fault> {
        let wanted = wanted
            .iter()
            .map(|(name, value)| {
                (
                    name.parse().unwrap(),
                    ControlValue::try_from(*value).unwrap(),
                )
            })
            .collect();
        let plan = plan("/dev/video0", &camera(), &wanted)?;
        Ok(plan.into_iter().map(|(id, _, value)| (id, value)).collect())
    }

    #[test]
    fn switches_are_set_before_the_numbers_that_they_free() {
        let wanted = [
            ("brightness", -64),
            ("exposure_time_absolute", 20),
            ("white_balance_automatic", 0),
        ];
        assert_eq!(planned(&wanted).unwrap(), [(3, 0), (1, -64), (2, 20)]);
        assert_eq!(planned(&[("led", 1 << 31)]).unwrap(), [(5, i32::MIN)]);
    }

    #[test]
    fn an_unknown_name_lists_what_the_device_has() {
        let fault = planned(&[("zoom", 3)]).unwrap_err();
        assert!(fault.permanent);
        assert_eq!(fault.reason, "UnknownControl");
        assert!(
            fault
                .message
                .starts_with("controls.zoom: /dev/video0 has no such control"),
            "{fault}"
        );
        assert!(
            fault
                .message
                .contains("exposure_time_absolute, white_balance_automatic"),
            "{fault}"
        );
    }

    #[test]
    fn values_that_the_device_cannot_take_are_refused_with_its_range() {
        let cases = [
            ("brightness", 65, "from -64 to 64"),
            ("brightness", 1 << 40, "from -64 to 64"),
            ("exposure_time_absolute", 15, "in steps of 10"),
            ("white_balance_automatic", 2, "from 0 to 1"),
            ("led", 1, "bits outside"),
            ("led", -1, "bits outside"),
            ("firmware", 1, "cannot be set"),
            ("temperature", 1, "can only be read"),
        ];
        for (name, value, expected) in cases {
            let fault = planned(&[(name, value)]).unwrap_err();
            assert_eq!((fault.reason, fault.permanent), ("InvalidControl", true));
            assert!(
                fault.message.contains(expected) && fault.message.contains(name),
                "{fault}"
            );
        }
    }
}
